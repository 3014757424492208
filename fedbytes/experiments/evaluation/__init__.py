"""Each client's own view: its own test examples, and the model that it predicts with."""
