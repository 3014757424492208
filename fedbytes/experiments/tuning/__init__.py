"""Choosing settings for each method of a suite on a validation split, with equal budgets."""
