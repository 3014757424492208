"""THC: codes of rotated coordinates whose integers add up on a server that does not decode."""

from fedbytes.compression.codecs.thc.codec import Thc

__all__ = ["Thc"]
