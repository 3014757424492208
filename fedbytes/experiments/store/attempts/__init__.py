"""Attempts at a run: what one holder of its lease wrote, apart from what others did."""
