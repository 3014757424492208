"""Trellis-coded quantisation with entropy-coded levels: closer to Shannon than any scalar one."""

from fedbytes.compression.codecs.tcq.codec import Tcq

__all__ = ["Tcq"]
