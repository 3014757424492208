"""The adapters by name; a new one is one file here."""
