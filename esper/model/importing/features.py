"""What Llama's relatives have that the integer model lacks, by how a checkpoint shows it.

A field of ``config.json``, the ``model_type``, or the name of a tensor: each is refused with the
name of the feature, because "unknown tensor" tells nobody what to look for in another checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_EXPERTS: Final = "a mixture of experts"
_BIASES: Final = "biases of attention"
_NORMS: Final = "norms of queries and keys"
_WINDOW: Final = "a sliding window of attention"
_INTS: Final = "quantised weights"
_NO: Final = (False, None)

PLAIN_FIELDS: Final[Mapping[str, tuple[tuple[Any, ...], str]]] = {
    "hidden_act": (("silu", "swish"), "another activation than SiLU"),
    "hidden_activation": (("silu", "swish", None), "another activation than SiLU"),
    "attention_bias": (_NO, _BIASES),
    "qkv_bias": (_NO, _BIASES),
    "mlp_bias": (_NO, "biases of the feed-forward part"),
    "sliding_window": ((None,), _WINDOW),
    "use_sliding_window": (_NO, _WINDOW),
    "attention_chunk_size": ((None,), "attention within chunks"),
    "qk_norm": (_NO, _NORMS),
    "use_qk_norm": (_NO, _NORMS),
    "qk_layernorm": (_NO, _NORMS),
    "num_experts": ((0, None), _EXPERTS),
    "num_local_experts": ((0, None), _EXPERTS),
    "n_routed_experts": ((0, None), _EXPERTS),
    "no_rope_layers": ((None,), "layers without a rotary code"),
    "no_rope_layer_interval": ((None,), "layers without a rotary code"),
    "alibi": (_NO, "positions by distance (ALiBi)"),
    "clip_qkv": ((None,), "clipped queries, keys and values"),
    "attn_logit_softcapping": ((None,), "capped attention scores"),
    "final_logit_softcapping": ((None,), "capped logits"),
    "use_parallel_residual": (_NO, "attention and feed-forward part beside each other"),
    "parallel_attn": (_NO, "attention and feed-forward part beside each other"),
    "embedding_multiplier": ((1, None), "a scaled embedding"),
    "residual_multiplier": ((1, None), "scaled updates"),
    "attention_multiplier": ((None,), "attention scores in another scale"),
    "logits_scaling": ((1, None), "scaled logits"),
    "pretraining_tp": ((1,), "products that are cut for several machines"),
    "quantization_config": ((None,), _INTS),
    "is_encoder_decoder": (_NO, "an encoder"),
    "add_cross_attention": (_NO, "attention to an encoder"),
}
"""Fields that change the arithmetic: the values that leave it as the integer model has it, and the
feature that any other stands for."""

FEATURE_OF_TYPE: Final[Mapping[str, str]] = {
    "cohere": "attention and feed-forward part beside each other",
    "deepseek_v2": _EXPERTS,
    "deepseek_v3": _EXPERTS,
    "falcon": "attention and feed-forward part beside each other",
    "gemma": "GELU gates and a scaled embedding",
    "gemma2": "GELU gates, a scaled embedding and capped scores",
    "gemma3": _NORMS,
    "gemma3_text": _NORMS,
    "glm4": "norms after the updates",
    "gpt2": "learned positions and biases",
    "gpt_neox": "attention and feed-forward part beside each other",
    "gpt_oss": _EXPERTS,
    "granite": "scaled updates",
    "llama4": _EXPERTS,
    "llama4_text": _EXPERTS,
    "mistral": _WINDOW,
    "mixtral": _EXPERTS,
    "mllama": "attention to pictures",
    "olmo2": "norms after the updates",
    "olmoe": _EXPERTS,
    "phi": "biases, and a rotary code of a part of each head",
    "phi3": "joined projections",
    "qwen2": _BIASES,
    "qwen2_moe": _EXPERTS,
    "qwen3": _NORMS,
    "qwen3_moe": _EXPERTS,
    "smollm3": "layers without a rotary code",
    "starcoder2": "biases, and a feed-forward part without a gate",
}
"""What other families have, by ``model_type``; the first that would be met."""

_TENSORS: Final[tuple[tuple[tuple[str, ...], str, str], ...]] = (
    ((".expert", "block_sparse_moe", ".mlp.gate.", ".router."), "", _EXPERTS),
    ((".q_norm.", ".k_norm.", ".q_layernorm.", ".k_layernorm.", ".qk_norm."), "", _NORMS),
    ((".self_attn.", ".attention."), ".bias", _BIASES),
    ((".mlp.",), ".bias", "biases of the feed-forward part"),
    (("norm",), ".bias", "norms with a bias (LayerNorm)"),
    ((".qkv_proj.", ".gate_up_proj.", ".query_key_value.", ".W_pack."), "", "joined projections"),
    ((".lora_", "base_model."), "", "an adapter (LoRA)"),
    ((".qweight", ".qzeros", ".scales", ".g_idx", ".weight_scale", ".SCB", ".absmax"), "", _INTS),
    (("pre_feedforward_", "post_feedforward_"), "", "norms after the updates"),
    (("score.", "classifier."), ".weight", "a head that classifies"),
    (("vision", "multi_modal", "cross_attn"), "", "other inputs than text"),
    (("embed_positions", ".wpe."), "", "learned positions"),
)
"""Parts of a tensor's name, one of which it holds, how it ends, and the feature it belongs to."""


def feature_of_type(model_type: object) -> str:
    """The feature for which a ``model_type`` is refused; empty where nothing is known of it."""
    return FEATURE_OF_TYPE.get(model_type, "") if isinstance(model_type, str) else ""


def feature_of_tensor(name: str) -> str:
    """The feature that a tensor of this name belongs to; empty for any other name."""
    for parts, end, feature in _TENSORS:
        if name.endswith(end) and any(part in name for part in parts):
            return feature
    return ""
