"""Base models, and what of them is trained and sent.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.models.adapter import ADAPTERS as ADAPTERS
    from fedbytes.models.adapter import Adapter as Adapter
    from fedbytes.models.adapter import make_adapter as make_adapter
    from fedbytes.models.base.base_model import NAMED as NAMED
    from fedbytes.models.base.base_model import Base as Base
    from fedbytes.models.base.base_model import BaseInfo as BaseInfo
    from fedbytes.models.base.base_model import forget_bases as forget_bases
    from fedbytes.models.base.base_model import load_base as load_base
    from fedbytes.models.base.base_model import load_tokenizer as load_tokenizer
    from fedbytes.models.base.family import FAMILIES as FAMILIES
    from fedbytes.models.base.family import Family as Family
    from fedbytes.models.batching import Batch as Batch
    from fedbytes.models.build import build_model as build_model
    from fedbytes.models.build import encode_task as encode_task
    from fedbytes.models.model_config import ModelSpec as ModelSpec
    from fedbytes.models.model_config import make_model_spec as make_model_spec
    from fedbytes.models.model_config import model_spec as model_spec
    from fedbytes.models.testing.adapter_contract import check_adapter as check_adapter
    from fedbytes.models.testing.family_contract import check_family as check_family
    from fedbytes.models.trainable import TrainableModel as TrainableModel

__getattr__, __dir__, __all__ = lazy_face(__name__)
