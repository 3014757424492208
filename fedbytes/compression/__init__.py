"""Updates to bytes and back: codecs, wire frame, error feedback. Names load on first use."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bench import default_variants, measure, measure_mean
    from .contract import Finding, check_codec
    from .core import (
        CODECS,
        Codec,
        Layout,
        Shared,
        codec_id,
        codec_names,
        codec_spec,
        make_codec,
    )
    from .feedback import DivergedError, ResidualGuard
    from .frame import HEADER_BYTES, Frame
    from .memory import Memory, encode_with_feedback
    from .sums import decode_sum, sum_payloads

_HOME = {
    "bench": ("default_variants", "measure", "measure_mean"),
    "contract": ("Finding", "check_codec"),
    "core": (
        "CODECS",
        "Codec",
        "Layout",
        "Shared",
        "codec_id",
        "codec_names",
        "codec_spec",
        "make_codec",
    ),
    "feedback": ("DivergedError", "ResidualGuard"),
    "frame": ("HEADER_BYTES", "Frame"),
    "memory": ("Memory", "encode_with_feedback"),
    "sums": ("decode_sum", "sum_payloads"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "CODECS",
    "HEADER_BYTES",
    "Codec",
    "DivergedError",
    "Finding",
    "Frame",
    "Layout",
    "Memory",
    "ResidualGuard",
    "Shared",
    "check_codec",
    "codec_id",
    "codec_names",
    "codec_spec",
    "decode_sum",
    "default_variants",
    "encode_with_feedback",
    "make_codec",
    "measure",
    "measure_mean",
    "sum_payloads",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULE[name]}", __name__), name)
    globals()[name] = value
    return value
