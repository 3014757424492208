"""Local steps of several clients of a round side by side, and who can take them."""
