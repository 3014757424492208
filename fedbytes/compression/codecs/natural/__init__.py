"""Natural compression: sign and exponent of each coordinate, mantissas rounded away at random."""

from fedbytes.compression.codecs.natural.codec import Natural

__all__ = ["Natural"]
