"""Runs beside those of somebody else: compared, submitted as published rows, and verified."""
