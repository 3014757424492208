"""Algorithms that leave a client something of its own: what they have in common."""
