"""Texts to tokens, encoded once and kept."""
