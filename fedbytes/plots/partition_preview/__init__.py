"""Partitions drawn before any training."""
