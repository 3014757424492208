"""One bit a coordinate and two magnitudes a group."""

from fedbytes.compression.codecs.onebit.codec import OneBit

__all__ = ["OneBit"]
