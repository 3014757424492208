"""Figures of a store, one file each."""
