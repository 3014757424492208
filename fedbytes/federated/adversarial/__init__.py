"""Adversarial inputs: shifts of embeddings, words and their replacements, and suffixes."""
