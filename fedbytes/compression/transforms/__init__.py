"""One transform a file; each registers itself when the registry first looks here."""
