"""Heads, generation and metrics: from last hidden states to a loss and answers."""
