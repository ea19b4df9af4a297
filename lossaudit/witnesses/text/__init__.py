"""How line-oriented training text is read: its grammar, and the bulk path over whole blocks."""
