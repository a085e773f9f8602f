"""The tokenizer of a GGUF file as ``tokenizer.json`` and ``tokenizer_config.json``.

A GGUF file holds the pieces and how they merge; how a text is cut beforehand it holds by name
alone. The names known here are those of Llama models, each as its publisher's ``tokenizer.json``
has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from esper.model.errors import MalformedFileError, UnsupportedFieldError
from esper.model.importing.gguf_file import GgufFile

_PREFIX: Final = "tokenizer.ggml."
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4
_LLAMA3_CUT: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BLANK: Final = "\u2581"
"""What stands for a blank in pieces of SentencePiece."""


def _bytes(*, use_regex: bool) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


_DIGITS: Final = {"type": "Digits", "individual_digits": True}
_LLAMA3: Final = {"type": "Split", "pattern": {"Regex": _LLAMA3_CUT}, "behavior": "Isolated"}
_CUTS: Final[Mapping[str, list[dict[str, Any]]]] = {
    "gpt-2": [_bytes(use_regex=True)],
    "smollm": [_DIGITS, _bytes(use_regex=True)],
    "llama-bpe": [{**_LLAMA3, "invert": False}, _bytes(use_regex=False)],
}


def tokenizer_of_gguf(file: GgufFile) -> dict[str, Any]:
    """The content of ``tokenizer.json``.

    Raises:
        UnsupportedFieldError: a tokenizer of another kind.
        MalformedFileError: a field is missing or contradicts another.
    """
    tokens, types = file.texts(f"{_PREFIX}tokens"), file.wholes(f"{_PREFIX}token_type")
    if len(types) != len(tokens):
        raise MalformedFileError(
            file.path, f"field '{_PREFIX}token_type' has {len(types)} entries for {len(tokens)}"
        )
    vocab = {token: identity for identity, token in enumerate(tokens)}
    if len(vocab) != len(tokens):
        twice = next(t for identity, t in enumerate(tokens) if vocab[t] != identity)
        raise MalformedFileError(file.path, f"field '{_PREFIX}tokens' has {twice!r} twice")
    kind = file.text(f"{_PREFIX}model")
    if kind == "gpt2":
        parts = _byte_level(file, vocab)
    elif kind == "llama":
        parts = _sentence_pieces(file, vocab, types)
    else:
        raise UnsupportedFieldError(
            file.path, f"field '{_PREFIX}model'", kind, "'gpt2' or 'llama'", _OWN_TOKENIZER
        )
    special = (_UNKNOWN, _CONTROL) if kind == "llama" else (_CONTROL,)
    added = [
        {
            "id": identity,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": of_type in special,
        }
        for identity, (token, of_type) in enumerate(zip(tokens, types, strict=True))
        if of_type in (*special, _USER_DEFINED)
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "post_processor": None,
        **parts,
    }


_OWN_TOKENIZER: Final = "take the model in Hugging Face's form, which has its tokenizer"


def _byte_level(file: GgufFile, vocab: Mapping[str, int]) -> dict[str, Any]:
    cut = file.value(f"{_PREFIX}pre")
    if cut not in _CUTS:
        raise UnsupportedFieldError(
            file.path,
            f"field '{_PREFIX}pre'",
            cut,
            " or ".join(map(repr, sorted(_CUTS))),
            _OWN_TOKENIZER,
        )
    merges = [_pair(file, merge, vocab) for merge in file.texts(f"{_PREFIX}merges")]
    model = _pair_merging(vocab, merges) | {"ignore_merges": cut == "llama-bpe"}
    return {
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": _CUTS[cut]},
        "decoder": _bytes(use_regex=True) | {"add_prefix_space": True},
        "model": model,
    }


def _pair(file: GgufFile, merge: str, vocab: Mapping[str, int]) -> list[str]:
    pair = merge.split(" ")
    if len(pair) != 2 or any(piece not in vocab for piece in (*pair, "".join(pair))):
        raise MalformedFileError(
            file.path, f"field '{_PREFIX}merges' has {merge!r}, no pair of known tokens"
        )
    return pair


def _sentence_pieces(
    file: GgufFile, vocab: Mapping[str, int], types: Sequence[int]
) -> dict[str, Any]:
    """As transformers turns a SentencePiece model into merges: by falling score of what they make.

    A pair of equal score comes by its pieces' ids.
    """
    scores = file.numbers(f"{_PREFIX}scores")
    if len(scores) != len(vocab):
        raise MalformedFileError(
            file.path, f"field '{_PREFIX}scores' has {len(scores)} entries for {len(vocab)}"
        )
    found: list[tuple[float, int, int, list[str]]] = []
    for token, identity in vocab.items():
        if types[identity] not in (_NORMAL, _USER_DEFINED):
            continue
        pairs = ((token[:at], token[at:]) for at in range(1, len(token)))
        known = sorted((vocab[a], vocab[b], [a, b]) for a, b in pairs if a in vocab and b in vocab)
        found += [(scores[identity], len(p[0]), len(p[1]), p) for _, _, p in known]
    merges = [pair for *_, pair in sorted(found, key=lambda one: one[:3], reverse=True)]
    unknown = file.value(f"{_PREFIX}unknown_token_id")
    tokens = list(vocab)
    named = type(unknown) is int and 0 <= unknown < len(tokens)
    leading = file.value(f"{_PREFIX}add_space_prefix") is not False
    blank = {"type": "Replace", "pattern": {"String": " "}, "content": _BLANK}
    prepend = [{"type": "Prepend", "prepend": _BLANK}] if leading else []
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if leading else []
    plain = {"type": "Replace", "pattern": {"String": _BLANK}, "content": " "}
    return {
        "normalizer": {"type": "Sequence", "normalizers": [*prepend, blank]},
        "pre_tokenizer": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [plain, {"type": "ByteFallback"}, {"type": "Fuse"}, *strip],
        },
        "model": _pair_merging(vocab, merges)
        | {
            "unk_token": tokens[unknown] if named else None,
            "fuse_unk": True,
            "byte_fallback": True,
        },
    }


def _pair_merging(vocab: Mapping[str, int], merges: list[list[str]]) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": dict(vocab),
        "merges": merges,
    }


def tokenizer_config_of_gguf(file: GgufFile) -> dict[str, Any]:
    """The content of ``tokenizer_config.json``: special tokens as texts, and the chat template.

    Raises MalformedFileError for an id of no token.
    """
    tokens = file.texts(f"{_PREFIX}tokens")
    fields: dict[str, Any] = {}
    for name, ours in (("bos", "bos"), ("eos", "eos"), ("unknown", "unk"), ("padding", "pad")):
        identity = file.value(f"{_PREFIX}{name}_token_id")
        if identity is None:
            continue
        if type(identity) is not int or not 0 <= identity < len(tokens):
            raise MalformedFileError(
                file.path,
                f"field '{_PREFIX}{name}_token_id' is {identity!r}, expected an id below "
                f"{len(tokens)}",
            )
        fields[f"{ours}_token"] = tokens[identity]
    if file.value("tokenizer.chat_template") is not None:
        fields["chat_template"] = file.text("tokenizer.chat_template")
    return fields
