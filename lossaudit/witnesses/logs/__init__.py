"""One file per log format, each ending in one `Reader`."""
