"""Readers: from files and data sets to texts with columns."""
