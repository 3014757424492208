"""What the ways of adversarial training have in common."""
