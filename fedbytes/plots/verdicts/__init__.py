"""Verdicts, bytes to the target and power of a store, as tables."""
