"""Base models, and what of them is trained and sent.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.models.adapter import ADAPTERS, Adapter, make_adapter
    from fedbytes.models.base.base_model import (
        NAMED,
        Base,
        BaseInfo,
        forget_bases,
        load_base,
        load_tokenizer,
    )
    from fedbytes.models.base.family import FAMILIES, Family
    from fedbytes.models.batching import Batch
    from fedbytes.models.build import build_model, encode_task
    from fedbytes.models.model_config import ModelSpec, make_model_spec, model_spec
    from fedbytes.models.trainable import TrainableModel

__all__ = [
    "ADAPTERS",
    "FAMILIES",
    "NAMED",
    "Adapter",
    "Base",
    "BaseInfo",
    "Batch",
    "Family",
    "ModelSpec",
    "TrainableModel",
    "build_model",
    "encode_task",
    "forget_bases",
    "load_base",
    "load_tokenizer",
    "make_adapter",
    "make_model_spec",
    "model_spec",
]

__getattr__, __dir__ = lazy_face(__name__)
