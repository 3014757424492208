"""Texts as points, for partitioners that cluster them."""
