"""Decoders in plain Python, written from docs/wire.md and the pages under it alone."""
