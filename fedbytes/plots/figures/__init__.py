"""Figures of a store, one file each; a new file here is found by its registered name."""
