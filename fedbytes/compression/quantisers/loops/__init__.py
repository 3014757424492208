"""Machine loops: each numba kernel with its numpy twin of equal result."""
