"""Seeds, messages and texts as points around a mean."""
