"""Models made from a configuration, by name; a new architecture is one file here."""
