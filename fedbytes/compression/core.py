"""The old name of `fedbytes.compression`; it goes with the next release."""

from fedbytes.compression.codec import (
    CODECS,
    DIGEST_BYTES,
    Codec,
    Floats,
    Payload,
    codec_id,
    codec_names,
    codec_spec,
    make_codec,
    seal,
    unseal,
)
from fedbytes.compression.layout import Layout, Shared

__all__ = [
    "CODECS",
    "DIGEST_BYTES",
    "Codec",
    "Floats",
    "Layout",
    "Payload",
    "Shared",
    "codec_id",
    "codec_names",
    "codec_spec",
    "make_codec",
    "seal",
    "unseal",
]
