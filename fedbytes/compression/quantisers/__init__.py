"""Vectors to integers and back: uniform, Lloyd-Max, tables, and what sets their step."""
