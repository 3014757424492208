"""Our own codec for LoRA updates: low-rank components and what they leave, all with one step."""

from fedbytes.compression.codecs.lora_klt.codec import LoraKlt

__all__ = ["LoraKlt"]
