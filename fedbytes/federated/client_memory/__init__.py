"""What is kept of each client between rounds: in memory up to a limit, the rest on disk."""
