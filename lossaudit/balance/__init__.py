"""Who dominates the total: shares of its weighted terms, their course, and other weights."""
