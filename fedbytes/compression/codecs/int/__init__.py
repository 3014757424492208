"""Block-wise integers: one scale per block, 8, 4, 3 or 2 bits per coordinate."""

from fedbytes.compression.codecs.int.codec import Int

__all__ = ["Int"]
