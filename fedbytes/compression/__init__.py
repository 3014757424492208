"""Updates to bytes and back: codecs, their parts, error feedback and the frame.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.compression.codec import CODECS as CODECS
    from fedbytes.compression.codec import Codec as Codec
    from fedbytes.compression.codec import Floats as Floats
    from fedbytes.compression.codec import Payload as Payload
    from fedbytes.compression.codec import codec_id as codec_id
    from fedbytes.compression.codec import codec_names as codec_names
    from fedbytes.compression.codec import codec_spec as codec_spec
    from fedbytes.compression.codec import make_codec as make_codec
    from fedbytes.compression.codec import try_codec as try_codec
    from fedbytes.compression.codecs.thc.payload_sums import decode_sum as decode_sum
    from fedbytes.compression.codecs.thc.payload_sums import sum_payloads as sum_payloads
    from fedbytes.compression.coding.bit_packing import pack_bits as pack_bits
    from fedbytes.compression.coding.bit_packing import packed_bytes as packed_bytes
    from fedbytes.compression.coding.bit_packing import unpack_bits as unpack_bits
    from fedbytes.compression.coding.frequency_tables import normalise_counts as normalise_counts
    from fedbytes.compression.coding.frequency_tables import pack_freqs as pack_freqs
    from fedbytes.compression.coding.frequency_tables import read_freqs as read_freqs
    from fedbytes.compression.coding.index_sets import pack_indices as pack_indices
    from fedbytes.compression.coding.index_sets import read_indices as read_indices
    from fedbytes.compression.coding.rans import decode_symbols as decode_symbols
    from fedbytes.compression.coding.rans import encode_symbols as encode_symbols
    from fedbytes.compression.coding.reader import Reader as Reader
    from fedbytes.compression.coding.reader import pack_count as pack_count
    from fedbytes.compression.coding.reader import pack_exponent as pack_exponent
    from fedbytes.compression.coding.reader import read_exponent as read_exponent
    from fedbytes.compression.error_feedback import Memory as Memory
    from fedbytes.compression.error_feedback import encode_with_feedback as encode_with_feedback
    from fedbytes.compression.frame import HEADER_BYTES as HEADER_BYTES
    from fedbytes.compression.frame import Frame as Frame
    from fedbytes.compression.layout import Layout as Layout
    from fedbytes.compression.layout import Shared as Shared
    from fedbytes.compression.measurement.codec_measures import default_variants as default_variants
    from fedbytes.compression.measurement.codec_measures import measure as measure
    from fedbytes.compression.measurement.codec_measures import measure_mean as measure_mean
    from fedbytes.compression.numerics.exponents import apply_exponent as apply_exponent
    from fedbytes.compression.numerics.exponents import split_exponent as split_exponent
    from fedbytes.compression.numerics.kernels import kernel as kernel
    from fedbytes.compression.quantisers.bfloat16 import from_bf16 as from_bf16
    from fedbytes.compression.quantisers.bfloat16 import to_bf16 as to_bf16
    from fedbytes.compression.quantisers.log_magnitude import pack_values as pack_values
    from fedbytes.compression.quantisers.log_magnitude import read_values as read_values
    from fedbytes.compression.residual_guard import DivergedError as DivergedError
    from fedbytes.compression.residual_guard import ResidualGuard as ResidualGuard
    from fedbytes.compression.sparsifiers.density import count_for_density as count_for_density
    from fedbytes.compression.sparsifiers.random_subset import random_subset as random_subset
    from fedbytes.compression.sparsifiers.sparse_codec import SparseCodec as SparseCodec
    from fedbytes.compression.sparsifiers.sparse_vector import pack_sparse as pack_sparse
    from fedbytes.compression.sparsifiers.sparse_vector import read_sparse as read_sparse
    from fedbytes.compression.sparsifiers.top_k import select_top_k as select_top_k
    from fedbytes.compression.state_messages import decode_state as decode_state
    from fedbytes.compression.state_messages import encode_state as encode_state
    from fedbytes.compression.summable import Grid as Grid
    from fedbytes.compression.summable import Summable as Summable
    from fedbytes.compression.summable import as_summable as as_summable
    from fedbytes.compression.summable import sum_bits as sum_bits
    from fedbytes.compression.summable import why_not_summable as why_not_summable
    from fedbytes.compression.testing.codec_contract import check_codec as check_codec
    from fedbytes.compression.testing.transform_contract import check_transform as check_transform
    from fedbytes.compression.transform import TRANSFORMS as TRANSFORMS
    from fedbytes.compression.transform import Transform as Transform
    from fedbytes.compression.transform import Transformed as Transformed
    from fedbytes.compression.transform import make_transform as make_transform
    from fedbytes.compression.transform import try_transform as try_transform
    from fedbytes.testing import Finding as Finding

__getattr__, __dir__, __all__ = lazy_face(__name__)
