"""A file for each way to make the same rounds."""
