"""The run store: written so that a kill loses at most the round in hand."""
