"""Tasks by name, one file per data source."""
