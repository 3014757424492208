"""The server: its state, what it sends, and what it learns from the round."""
