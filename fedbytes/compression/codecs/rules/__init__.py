"""Rules: another codec for each tensor, layer or factor, by name."""

from fedbytes.compression.codecs.rules.codec import Rules

__all__ = ["Rules"]
