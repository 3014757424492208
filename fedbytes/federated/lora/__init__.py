"""Averaging that knows of LoRA factors."""
