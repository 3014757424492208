"""Cleaners, one file each."""
