"""Vectors to a few of their coordinates: which, and how they are written."""
