"""Training from forward passes alone: slopes along random directions."""
