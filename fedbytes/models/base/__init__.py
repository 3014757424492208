"""Frozen base models: loaded, quantised, offloaded, or made from a configuration."""
