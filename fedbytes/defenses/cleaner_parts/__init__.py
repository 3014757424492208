"""What cleaners have in common: scores of a client's examples, and who is left out by them."""
