"""Updates to bytes and back: codecs, their parts, error feedback and the frame.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.compression.codec import (
        CODECS,
        Codec,
        Floats,
        Payload,
        codec_id,
        codec_names,
        codec_spec,
        make_codec,
    )
    from fedbytes.compression.codecs.thc.payload_sums import decode_sum, sum_payloads
    from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
    from fedbytes.compression.coding.index_sets import pack_indices, read_indices
    from fedbytes.compression.coding.reader import Reader, count_bytes
    from fedbytes.compression.error_feedback import Memory, encode_with_feedback
    from fedbytes.compression.frame import HEADER_BYTES, Frame
    from fedbytes.compression.layout import Layout, Shared
    from fedbytes.compression.measure.codec_measures import default_variants, measure, measure_mean
    from fedbytes.compression.numerics.kernels import kernel
    from fedbytes.compression.quantisers.bfloat16 import from_bf16, to_bf16
    from fedbytes.compression.quantisers.log_magnitude import pack_values, read_values
    from fedbytes.compression.residual_guard import DivergedError, ResidualGuard
    from fedbytes.compression.sparsifiers.sparse_vector import (
        SparseCodec,
        drawn,
        pack_sparse,
        read_sparse,
        share_of,
    )
    from fedbytes.compression.sparsifiers.top_k import largest
    from fedbytes.compression.testing.codec_contract import Finding, check_codec
    from fedbytes.compression.transform import TRANSFORMS, Transform, Transformed, make_transform

__all__ = [
    "CODECS",
    "HEADER_BYTES",
    "TRANSFORMS",
    "Codec",
    "DivergedError",
    "Finding",
    "Floats",
    "Frame",
    "Layout",
    "Memory",
    "Payload",
    "Reader",
    "ResidualGuard",
    "Shared",
    "SparseCodec",
    "Transform",
    "Transformed",
    "check_codec",
    "codec_id",
    "codec_names",
    "codec_spec",
    "count_bytes",
    "decode_sum",
    "default_variants",
    "drawn",
    "encode_with_feedback",
    "from_bf16",
    "kernel",
    "largest",
    "make_codec",
    "make_transform",
    "measure",
    "measure_mean",
    "pack_bits",
    "pack_indices",
    "pack_sparse",
    "pack_values",
    "packed_bytes",
    "read_indices",
    "read_sparse",
    "read_values",
    "share_of",
    "sum_payloads",
    "to_bf16",
    "unpack_bits",
]

__getattr__, __dir__ = lazy_face(__name__)
