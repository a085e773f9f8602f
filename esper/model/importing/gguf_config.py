"""The fields of a GGUF file as the ``config.json`` of the same model.

Every field of the architecture is taken over, known to change nothing, or refused by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from esper.model.errors import MalformedFileError, UnsupportedFieldError
from esper.model.importing.gguf_file import OUTPUT, GgufFile

_ARCHITECTURE: Final = "llama"
_TAKEN: Final = frozenset(
    f"{_ARCHITECTURE}.{name}"
    for name in (
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.layer_norm_rms_epsilon",
        "attention.value_length",
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "rope.dimension_count",
        "rope.freq_base",
        "vocab_size",
    )
)
_PLAIN: Final[Mapping[str, tuple[Any, ...]]] = {
    f"{_ARCHITECTURE}.attention.causal": (True,),
    f"{_ARCHITECTURE}.expert_count": (0,),
    f"{_ARCHITECTURE}.expert_used_count": (0,),
    f"{_ARCHITECTURE}.rope.scaling.type": ("none",),
    f"{_ARCHITECTURE}.rope.scaling.factor": (1.0,),
    f"{_ARCHITECTURE}.rope.scaling.attn_factor": (1.0,),
    f"{_ARCHITECTURE}.rope.scaling.finetuned": (False,),
    f"{_ARCHITECTURE}.rope.scale_linear": (1.0,),
    f"{_ARCHITECTURE}.tensor_data_layout": ("Meta AI original pth",),
    f"{_ARCHITECTURE}.use_parallel_residual": (False,),
}
"""Fields that may stand there, with the values that leave the arithmetic as the integer model has
it."""


def config_of(file: GgufFile) -> dict[str, Any]:
    """The fields of ``config.json``.

    Raises:
        MalformedFileError: a field is missing, of the wrong type, or contradicts another.
        UnsupportedFieldError: it asks for what the integer model does not have.
    """
    check_architecture(file)

    def whole(name: str, default: int | None = None) -> int:
        name = f"{_ARCHITECTURE}.{name}"
        return default if default is not None and file.value(name) is None else file.whole(name)

    heads, dim = whole("attention.head_count"), whole("embedding_length")
    if heads < 1:
        name = f"{_ARCHITECTURE}.attention.head_count"
        raise MalformedFileError(file.path, f"field '{name}' is {heads}, expected 1 or more")
    head_dim = whole("attention.key_length", dim // heads)
    for name in ("attention.value_length", "rope.dimension_count"):
        if whole(name, head_dim) != head_dim:
            raise UnsupportedFieldError(
                file.path, f"field '{_ARCHITECTURE}.{name}'", whole(name), f"{head_dim}, as heads"
            )
    vocab = len(file.texts("tokenizer.ggml.tokens"))
    if whole("vocab_size", vocab) != vocab:
        raise MalformedFileError(
            file.path,
            f"field '{_ARCHITECTURE}.vocab_size' is {whole('vocab_size')}, but there are {vocab} "
            "tokens; fetch it again",
        )
    config: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": dim,
        "intermediate_size": whole("feed_forward_length"),
        "num_hidden_layers": whole("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": whole("attention.head_count_kv", heads),
        "head_dim": head_dim,
        "vocab_size": vocab,
        "max_position_embeddings": whole("context_length"),
        "rms_norm_eps": file.number(f"{_ARCHITECTURE}.attention.layer_norm_rms_epsilon"),
        "rope_theta": _rope_theta(file),
        "tie_word_embeddings": OUTPUT not in file.tensor_names,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": file.whole("tokenizer.ggml.bos_token_id"),
        "eos_token_id": file.whole("tokenizer.ggml.eos_token_id"),
        "torch_dtype": "float32",
    }
    padding = file.value("tokenizer.ggml.padding_token_id")
    return config if padding is None else {**config, "pad_token_id": padding}


def check_architecture(file: GgufFile) -> None:
    """Raise UnsupportedFieldError for a model that is no plain Llama, by the field that says so."""
    architecture = file.text("general.architecture")
    if architecture != _ARCHITECTURE:
        raise UnsupportedFieldError(
            file.path, "field 'general.architecture'", architecture, repr(_ARCHITECTURE)
        )
    parts = file.value("split.count")
    if parts not in (None, 0, 1):
        raise UnsupportedFieldError(
            file.path,
            "field 'split.count'",
            parts,
            "one whole file",
            "join the parts first: llama-gguf-split --merge",
        )
    for name in file.names(f"{_ARCHITECTURE}."):
        value = file.value(name)
        if name in _TAKEN:
            continue
        if name not in _PLAIN:
            raise UnsupportedFieldError(
                file.path, f"field '{name}'", value, "a plain Llama model without it"
            )
        if value not in _PLAIN[name]:
            raise UnsupportedFieldError(
                file.path, f"field '{name}'", value, " or ".join(map(repr, _PLAIN[name]))
            )


def _rope_theta(file: GgufFile) -> float:
    name = f"{_ARCHITECTURE}.rope.freq_base"
    return 10_000.0 if file.value(name) is None else file.number(name)
