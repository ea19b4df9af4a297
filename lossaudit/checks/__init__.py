"""One file per question, each ending in one `Check`; the module's docstring is its manual page."""
