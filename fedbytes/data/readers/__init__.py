"""Files and data sets to texts with columns."""
