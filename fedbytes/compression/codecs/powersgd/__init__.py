"""PowerSGD: each matrix as a product of two thin factors, from a warm-started power iteration."""

from fedbytes.compression.codecs.powersgd.codec import PowerSgd

__all__ = ["PowerSgd"]
