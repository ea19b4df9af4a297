"""One file per output format, each ending in one `Report`."""
