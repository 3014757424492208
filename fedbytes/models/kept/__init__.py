"""Trained models as folders that peft and transformers load, and what such a folder predicts."""
