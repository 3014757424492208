"""Our codec for LoRA updates: low-rank components, then the rest by rows, all with one step."""

from fedbytes.compression.codecs.lora_klt.codec import LoraKlt

__all__ = ["LoraKlt"]
