"""What the parts of a federation cannot be joined with: one line each, with the remedy."""
