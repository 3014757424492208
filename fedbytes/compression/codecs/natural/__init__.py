"""Natural compression: sign and exponent of each coordinate, mantissas rounded away at random."""

from fedbytes.compression.codecs.natural.codec import NaturalCompression

__all__ = ["NaturalCompression"]
