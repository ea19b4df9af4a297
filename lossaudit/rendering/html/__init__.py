"""A result as one self-contained web page."""
