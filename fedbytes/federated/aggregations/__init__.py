"""Aggregations other than the usual one, a file each; found by name."""
