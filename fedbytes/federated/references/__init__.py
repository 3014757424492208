"""Rounds without updates: each client alone, or all data in one place."""
