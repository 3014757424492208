"""One codec (or family) a file; each file registers itself when the registry first looks here."""
