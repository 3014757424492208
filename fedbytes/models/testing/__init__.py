"""Checks of adapters and model families, and the tiny models that they run on."""
