"""Count-sketch: a small table that adds up over clients, read back by medians."""

from fedbytes.compression.codecs.sketch.codec import Sketch

__all__ = ["Sketch"]
