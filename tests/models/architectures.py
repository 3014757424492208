"""Small random models of many architectures, saved with a tokenizer of bytes.

The table of `docs/models.md` is theirs.
"""

from pathlib import Path
from typing import Any

import torch
import transformers

from fedbytes.models.base.tiny_bases import byte_tokenizer

# One size under the names that configurations have for it; each reads its own and ignores others.
_SIZES: dict[str, Any] = {
    "vocab_size": 260,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 0,
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim"), 32),
    **dict.fromkeys(("intermediate_size", "d_ff", "d_inner", "ffn_dim", "hidden_dim"), 64),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "ffn_hidden_size"), 64),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 3),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_decoder_layers"), 3),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    "max_position_embeddings": 64,
}
_GROUPED = {"num_key_value_heads": 2}
_HEADS = {"head_dim": 8, **_GROUPED}
_EXPERTS = {
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
}
_MAMBA2 = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8}
_STATE = {"state_size": 8, "time_step_rank": 4}


ARCHITECTURES: dict[str, dict[str, Any]] = {
    # Encoders.
    "albert": {"embedding_size": 16},
    "bert": {},
    "big_bird": {"attention_type": "block_sparse", "block_size": 4},
    "camembert": {"type_vocab_size": 1},
    "canine": {"num_hash_buckets": 64, "downsampling_rate": 2, "local_transformer_stride": 16},
    "convbert": {"embedding_size": 16, "conv_kernel_size": 3, "max_position_embeddings": 64},
    "data2vec-text": {},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "distilbert": {},
    "electra": {"embedding_size": 16},
    "ernie": {},
    "esm": {"position_embedding_type": "rotary"},
    "eurobert": {"mask_token_id": 3, **_GROUPED},
    "flaubert": {},
    "fnet": {},
    "funnel": {"num_hidden_layers": None, "block_sizes": [2, 2], "d_head": 8},
    "gte": {},
    "ibert": {},
    "longformer": {"attention_window": 8},
    "megatron-bert": {},
    "mobilebert": {
        "embedding_size": 16,
        "intra_bottleneck_size": 32,
        "num_feedforward_networks": 2,
    },
    "modernbert": {"cls_token_id": 1, "sep_token_id": 2, "local_attention": 8},
    "mpnet": {},
    "mra": {},
    "nomic_bert": {},
    "nystromformer": {"num_landmarks": 64, "segment_means_seq_len": 64},
    "reformer": {
        "axial_pos_embds": False,
        "attn_layers": ["lsh", "local", "lsh"],
        "attention_head_size": 8,
        "feed_forward_size": 64,
        "num_buckets": 4,
        "lsh_attn_chunk_length": 4,
        "local_attn_chunk_length": 4,
        "is_decoder": False,
    },
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "roberta": {},
    "roformer": {"embedding_size": 16},
    "squeezebert": {"embedding_size": 32},
    "xlm": {},
    "xlm-roberta": {},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "yoso": {},
    # Causal language models.
    "biogpt": {},
    "bloom": {},
    "codegen": {"rotary_dim": 4},
    "cohere": _GROUPED,
    "ctrl": {"dff": 64},
    "diffllama": _HEADS,
    "doge": _HEADS,
    "falcon": {},
    "gemma": _HEADS,
    "gemma2": {"sliding_window": 6, **_HEADS},
    "gemma3_text": {
        "sliding_window": 6,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        **_HEADS,
    },
    "gpt2": {},
    "gpt_bigcode": {},
    "gpt_neo": {"attention_types": [[["global", "local", "global"], 1]], "window_size": 6},
    "gpt_neox": {},
    "gptj": {"rotary_dim": 4},
    "granite": _GROUPED,
    "helium": _HEADS,
    "llama": _GROUPED,
    "mistral": {"sliding_window": 6, **_GROUPED},
    "modernbert-decoder": {"local_attention": 8, "cls_token_id": 1, "sep_token_id": 2},
    "mpt": {},
    "olmo": {},
    "olmo2": {},
    "openai-gpt": {},
    "opt": {"word_embed_proj_dim": 16, "do_layer_norm_before": False},
    "persimmon": {},
    "phi": {},
    "phi3": {},
    "qwen2": _GROUPED,
    "qwen3": _HEADS,
    "smollm3": _GROUPED,
    "stablelm": _GROUPED,
    "starcoder2": _GROUPED,
    "xglm": {},
    "xlnet": {"max_position_embeddings": None},
    # State-space and recurrent models, alone and with attention.
    "falcon_mamba": _STATE,
    "bamba": {"attn_layer_indices": [1], "mamba_chunk_size": 8, **_MAMBA2, **_GROUPED},
    "granitemoehybrid": {
        "layer_types": ["mamba", "attention", "mamba"],
        "mamba_chunk_size": 8,
        "shared_intermediate_size": 32,
        **_MAMBA2,
        **_GROUPED,
        **_EXPERTS,
    },
    "jamba": {"mamba_d_state": 8, "mamba_dt_rank": 4, "num_experts": 2, **_GROUPED},
    "lfm2": {"full_attn_idxs": [1], **_GROUPED},
    "mamba": _STATE,
    "mamba2": {"num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 2, "chunk_size": 8},
    "nemotron_h": {
        "hybrid_override_pattern": "M*-",
        "mamba_num_heads": 8,
        "mamba_head_dim": 8,
        "ssm_state_size": 8,
        "n_groups": 2,
        "chunk_size": 8,
        **_HEADS,
    },
    "qwen3_next": {
        "layer_types": ["linear_attention", "linear_attention", "full_attention"],
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        **_EXPERTS,
        **_HEADS,
    },
    "recurrent_gemma": {"lru_width": 32, "attention_window_size": 8, **_HEADS},
    "rwkv": {"attention_hidden_size": 32, "context_length": 64},
    "xlstm": {"num_blocks": 3},
    # Mixtures of experts.
    "gpt_oss": {
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        **_EXPERTS,
        **_HEADS,
    },
    "jetmoe": {"kv_channels": 8, "num_key_value_heads": 2, "num_local_experts": 4},
    "minimax": {**_EXPERTS, **_HEADS, "block_size": 8},
    "mixtral": {**_EXPERTS, **_GROUPED},
    "olmoe": {**_EXPERTS, **_GROUPED},
    "qwen2_moe": {**_EXPERTS, **_GROUPED},
    "qwen3_moe": {**_EXPERTS, **_HEADS},
    # Encoder-decoders.
    "bart": {},
    "bigbird_pegasus": {"attention_type": "original_full"},
    "blenderbot": {},
    "fsmt": {"src_vocab_size": 260, "tgt_vocab_size": 260, "langs": ["en", "de"]},
    "led": {"attention_window": 8, "max_encoder_position_embeddings": 64},
    "longt5": {"d_kv": 8, "local_radius": 4},
    "m2m_100": {},
    "marian": {},
    "mbart": {},
    "mt5": {"d_kv": 8},
    "mvp": {},
    "nllb-moe": {"num_experts": 4, "encoder_sparse_step": 2, "decoder_sparse_step": 2},
    "pegasus": {},
    "pegasus_x": {"num_global_tokens": 4, "block_size": 8},
    "plbart": {},
    "switch_transformers": {"d_kv": 8, "num_experts": 4, "expert_capacity": 4},
    "t5": {"d_kv": 8},
    "umt5": {"d_kv": 8},
}
"""Architecture -> fields of its configuration besides the common sizes."""

DECODERS = frozenset(
    [
        "biogpt",
        "bloom",
        "codegen",
        "cohere",
        "ctrl",
        "diffllama",
        "doge",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3_text",
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "gpt_neox",
        "gptj",
        "granite",
        "helium",
        "llama",
        "mistral",
        "modernbert-decoder",
        "mpt",
        "olmo",
        "olmo2",
        "openai-gpt",
        "opt",
        "persimmon",
        "phi",
        "phi3",
        "qwen2",
        "qwen3",
        "smollm3",
        "stablelm",
        "starcoder2",
        "xglm",
        "xlnet",
        "bamba",
        "falcon_mamba",
        "granitemoehybrid",
        "jamba",
        "lfm2",
        "mamba",
        "mamba2",
        "nemotron_h",
        "qwen3_next",
        "recurrent_gemma",
        "rwkv",
        "xlstm",
        "gpt_oss",
        "jetmoe",
        "minimax",
        "mixtral",
        "olmoe",
        "qwen2_moe",
        "qwen3_moe",
    ]
)
"""Those that model language; all classify."""

WHOLE = frozenset(
    [
        "canine",
        "convbert",
        "flaubert",
        "fnet",
        "longformer",
        "nystromformer",
        "xlm",
        "yoso",
        "xlnet",
        "led",
        "longt5",
        "mt5",
        "nllb-moe",
        "switch_transformers",
        "t5",
        "pegasus_x",
    ]
)
"""Those whose frozen layers run in every step, since their states cannot be kept."""

REFUSED = {
    "albert": "layers of model type 'albert' are shared (1 in its weights): set adapter.layers=all",
    "funnel": "a model of type 'funnel' has no single list of its layers: set adapter.layers=all",
    "ibert": "lora: the model has no linear layer: use adapter head or full",
    "squeezebert": "lora: the model has no linear layer: use adapter head or full",
    "reformer": "draws random numbers when it runs",
    "rwkv": "rewrites its weights when it runs",
    "fsmt": "is an encoder-decoder (FSMTModel) whose encoder cannot be used alone",
}
"""Those that the default adapter does not train -> part of the message."""


def save_model(name: str, folder: Path) -> Path:
    """Save a random model of an architecture as a user would have it, with its own heads."""
    fields = {k: v for k, v in (_SIZES | ARCHITECTURES[name]).items() if v is not None}
    config = transformers.AutoConfig.for_model(name, **fields)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _whole_class(config).from_config(config).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def _whole_class(config: Any) -> Any:
    """Return the class with which models of this architecture are published."""
    auto = transformers.models.auto.modeling_auto
    for mapping, chosen in (
        (auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, transformers.AutoModelForSeq2SeqLM),
        (auto.MODEL_FOR_MASKED_LM_MAPPING, transformers.AutoModelForMaskedLM),
        (auto.MODEL_FOR_CAUSAL_LM_MAPPING, transformers.AutoModelForCausalLM),
    ):
        if type(config) in mapping:
            return chosen
    return transformers.AutoModel
