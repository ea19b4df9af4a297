"""Arguments in, one call, text and exit code out."""
