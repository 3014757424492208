"""Partitions from and for other libraries, and from tables in files."""
