"""Processes that make runs, and how they are told to stop."""
