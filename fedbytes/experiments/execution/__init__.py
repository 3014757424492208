"""Making runs: one, or many by worker processes."""
