"""Streaming DiLoCo: a round sends one fragment of the model, and fragments take turns."""

from fedbytes.federated.algorithms.streaming_diloco.algorithm import StreamingDiLoCo

__all__ = ["StreamingDiLoCo"]
