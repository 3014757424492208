"""Adapters by name, one file each."""
