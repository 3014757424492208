"""Rows that are kept beside figures, and what makes runs of two seeds one row each."""
