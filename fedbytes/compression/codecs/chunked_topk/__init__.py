"""Top-k of each chunk: so many coordinates of every part of the vector."""

from fedbytes.compression.codecs.chunked_topk.codec import ChunkedTopK

__all__ = ["ChunkedTopK"]
