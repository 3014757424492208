"""One bit per coordinate and two magnitudes per group."""

from fedbytes.compression.codecs.onebit.codec import OneBit

__all__ = ["OneBit"]
