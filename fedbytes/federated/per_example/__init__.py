"""Local steps in which each text of a client has its own gradient, clipped, and their sum noise."""
