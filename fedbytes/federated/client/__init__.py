"""A client: what it keeps from round to round, what it receives, and what it sends."""
