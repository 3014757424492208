"""Block-wise integers: one scale a block, 8, 4, 3 or 2 bits a coordinate."""

from fedbytes.compression.codecs.int.codec import Int

__all__ = ["Int"]
