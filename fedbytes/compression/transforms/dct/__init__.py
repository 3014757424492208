"""The cosine transform of chunks: what is smooth along a chunk becomes few large coefficients."""

from fedbytes.compression.transforms.dct.transform import DCT

__all__ = ["DCT"]
