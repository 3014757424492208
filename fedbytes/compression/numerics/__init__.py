"""Exact arithmetic: the same bits on every platform."""
