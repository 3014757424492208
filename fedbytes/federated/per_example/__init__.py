"""Local steps in which each text's gradient is clipped by itself and their sum is made noisy."""
