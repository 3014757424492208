"""Base models and adapters: the parameters that are trained and sent.

Names load on first use.
"""

from typing import TYPE_CHECKING

from fedbytes.process.lazy_face import lazy_face

if TYPE_CHECKING:
    from fedbytes.models.adapter import ADAPTERS as ADAPTERS
    from fedbytes.models.adapter import Adapter as Adapter
    from fedbytes.models.adapter import Initial as Initial
    from fedbytes.models.adapter import JointInitial as JointInitial
    from fedbytes.models.adapter import make_adapter as make_adapter
    from fedbytes.models.adapter_parts.peft_injection import inject_peft as inject_peft
    from fedbytes.models.adapter_parts.prepend_prompt import prepend_prompt as prepend_prompt
    from fedbytes.models.adapter_parts.target_layers import TargetedAdapter as TargetedAdapter
    from fedbytes.models.adapter_parts.target_layers import find_modules as find_modules
    from fedbytes.models.base.base_model import Base as Base
    from fedbytes.models.base.base_model import BaseInfo as BaseInfo
    from fedbytes.models.base.base_model import forget_bases as forget_bases
    from fedbytes.models.base.base_model import load_base as load_base
    from fedbytes.models.base.base_model import load_tokenizer as load_tokenizer
    from fedbytes.models.base.family import FAMILIES as FAMILIES
    from fedbytes.models.base.family import Family as Family
    from fedbytes.models.base.pretrained_files import NAMED as NAMED
    from fedbytes.models.batching import Batch as Batch
    from fedbytes.models.build import build_model as build_model
    from fedbytes.models.build import encode_task as encode_task
    from fedbytes.models.context_length import count_positions as count_positions
    from fedbytes.models.forward_patch import replace_forward as replace_forward
    from fedbytes.models.heads.continued_scores import ContinuedScores as ContinuedScores
    from fedbytes.models.heads.generation import generate_tokens as generate_tokens
    from fedbytes.models.heads.rouge import ngram_f1 as ngram_f1
    from fedbytes.models.heads.rouge import subsequence_f1 as subsequence_f1
    from fedbytes.models.initialisers import draw_normal as draw_normal
    from fedbytes.models.initialisers import draw_uniform as draw_uniform
    from fedbytes.models.initialisers import fill_ones as fill_ones
    from fedbytes.models.initialisers import fill_zeros as fill_zeros
    from fedbytes.models.initialisers import keep_value as keep_value
    from fedbytes.models.kept.read_model import KeptModel as KeptModel
    from fedbytes.models.kept.read_model import load_kept as load_kept
    from fedbytes.models.kept.write_model import write_model as write_model
    from fedbytes.models.model_config import ModelSpec as ModelSpec
    from fedbytes.models.model_config import make_model_spec as make_model_spec
    from fedbytes.models.model_config import model_spec as model_spec
    from fedbytes.models.shifted_embeddings import Shift as Shift
    from fedbytes.models.testing.adapter_contract import check_adapter as check_adapter
    from fedbytes.models.testing.family_contract import check_family as check_family
    from fedbytes.models.trainable import TrainableModel as TrainableModel

__getattr__, __dir__, __all__ = lazy_face(__name__)
