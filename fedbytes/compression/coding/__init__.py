"""Integers to bytes and back: bit packing, entropy coding, sets of indices, safe reading."""
