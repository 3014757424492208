"""The run store: written so that a kill loses at most the current round."""
