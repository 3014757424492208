"""Leases: one process at a time does a thing, on any of several hosts that share a folder."""
