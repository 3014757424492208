"""The tasks by name; a new data source is one file here."""
