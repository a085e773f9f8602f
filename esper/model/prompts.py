"""The public prompt bank: its file, its texts, its token ids and its Merkle tree.

A bank file is made once, with the tokenizer at hand; it carries the token ids beside the texts, so
that whoever mines or verifies needs no tokenizer. Its hash is the root h_D over the prompts in file
order (``esper.primitives.prompt``), and the file has one admissible form only (``encode_bank``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from esper.model.errors import (
    InvalidFieldError,
    MalformedFileError,
    TokenizerError,
)
from esper.model.files.json_file import read_bytes
from esper.model.templates.chat_template import CONFIG_FILE, read_chat_template
from esper.model.templates.markers import MarkerTokenizer
from esper.model.tokenizer import (
    TOKENIZER_FILE,
    package_errors,
    read_tokenizer_file,
    tokenizer_of,
)
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.merkle import MerkleTree
from esper.primitives.prompt import BankPrompt, bank_tree

BANK_VERSION: Final = 1
TAG_PROMPT_JSON: Final = make_tag("esper/prompt-json/v1")
TAG_TOKENIZER: Final = make_tag("esper/tokenizer/v1")
_ANY_VOCABULARY: Final = 1 << 32
"""Which model the ids are for is not known here."""
_MOST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class PromptText:
    """What a person wrote: one entry ``{system, user, mask_range?}`` of the bank."""

    system: str
    """Text of the system message; empty for none."""
    user: str
    """Text of the user message, never empty."""
    mask_range: tuple[int, int] | None = None
    """[start, end) in characters of ``user``: the seed replaces every token that touches it."""

    def __post_init__(self) -> None:
        if not self.user:
            raise InvalidFieldError("user", self.user, "a text of at least one character")
        if self.mask_range is not None:
            start, end = self.mask_range
            if not 0 <= start < end <= len(self.user):
                raise InvalidFieldError(
                    "mask_range", self.mask_range, f"0 <= start < end <= {len(self.user)}"
                )

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object; ``mask_range`` only where there is one."""
        fields: dict[str, Any] = {"system": self.system, "user": self.user}
        if self.mask_range is not None:
            fields["mask_range"] = list(self.mask_range)
        return fields

    @property
    def json_hash(self) -> bytes:
        """64 bytes: the hash of the object in canonical form."""
        return tagged_hash(TAG_PROMPT_JSON, canonical_json(self.fields).encode())


@dataclass(frozen=True)
class PromptBank:
    """A bank: texts and token ids, entry by entry, and the tree over them."""

    texts: tuple[PromptText, ...]
    prompts: tuple[BankPrompt, ...]

    @cached_property
    def tree(self) -> MerkleTree:
        """The Merkle tree over the prompts in bank order."""
        return bank_tree(self.prompts)

    @property
    def root(self) -> bytes:
        """h_D, 64 bytes."""
        return self.tree.root

    @property
    def tokenizer_id(self) -> bytes:
        """64 bytes: the tokenizer of every prompt in the bank."""
        return self.prompts[0].tokenizer_id

    def path(self, index: int) -> tuple[bytes, ...]:
        """The inclusion proof of prompt ``index``. Raises IndexError if there is none."""
        return self.tree.path(index)


def canonical_json(value: object) -> str:
    """The one form of a JSON value: keys sorted, no blanks, characters as themselves."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def encode_bank(bank: PromptBank) -> bytes:
    """The bytes of a bank file: a JSON object, one prompt to a line.

    Fields: ``version``, ``tokenizer_id`` (hexadecimal) and ``prompts``, each a list of the JSON
    object, the token ids, and the mask spans as (start, length) in tokens.
    """
    lines = [
        canonical_json([text.fields, prompt.tokens, prompt.mask_spans])
        for text, prompt in zip(bank.texts, bank.prompts, strict=True)
    ]
    head = f'{{"version":{BANK_VERSION},"tokenizer_id":"{bank.tokenizer_id.hex()}","prompts":[\n'
    return (head + ",\n".join(lines) + "\n]}\n").encode()


def read_bank(path: Path) -> PromptBank:
    """Read a bank file.

    Raises MissingFileError, and MalformedFileError for anything that ``encode_bank`` would not
    have written.
    Whether it is the bank of the chain is the caller's to check: compare ``root``.
    """
    remedy = "name the file of a prompt bank, or none: `genesis` stands for the embedded one"
    data = read_bytes(path, remedy)
    try:
        fields = json.loads(data)
        version, tokenizer_id = fields["version"], bytes.fromhex(fields["tokenizer_id"])
        if version != BANK_VERSION:
            raise MalformedFileError(path, f"version is {_brief(version)}, known is {BANK_VERSION}")
        entries = [_entry(tokenizer_id, *entry) for entry in fields["prompts"]]
    except (KeyError, RecursionError, TypeError, ValueError, InvalidFieldError) as error:
        raise MalformedFileError(path, f"not a prompt bank: {_brief(error)}") from error
    if not entries:
        raise MalformedFileError(path, "field 'prompts' is empty")
    bank = PromptBank(tuple(text for text, _ in entries), tuple(prompt for _, prompt in entries))
    if encode_bank(bank) != data:
        raise MalformedFileError(
            path, "not in canonical form; write it with prompt_bank/generate.py"
        )
    return bank


def tokenizer_id_of(content: bytes) -> bytes:
    """64 bytes that name a tokenizer, from its file."""
    return tagged_hash(TAG_TOKENIZER, content)


class PromptTokenizer:
    """Turns prompt texts into token ids by a model directory's tokenizer and chat template.

    Raises MissingFileError, MalformedFileError or TokenizerError when the directory cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        template = read_chat_template(folder)
        if template is None or template.reason:
            reason = "no field 'chat_template'" if template is None else template.reason
            raise MalformedFileError(folder / CONFIG_FILE, reason)
        content, path = read_tokenizer_file(folder), folder / TOKENIZER_FILE
        self._template = template
        self._tokenizer: Tokenizer = tokenizer_of(path, content, _ANY_VOCABULARY)
        self._markers = MarkerTokenizer(self._tokenizer)
        self.tokenizer_id = tokenizer_id_of(content)

    def tokenise(self, text: PromptText) -> BankPrompt:
        """The bank's form of a text: ids of the rendered messages, no BOS, and the mask spans.

        Raises TokenizerError if the chat template alters the user's text or nothing of it becomes a
        token, TemplateRefusedError if it refuses it.
        """
        messages = [{"role": "user", "content": text.user}]
        if text.system:
            messages.insert(0, {"role": "system", "content": text.system})
        laid_out = self._markers.with_stand_ins(self._template.render(messages))
        with package_errors():
            encoding = self._tokenizer.encode(laid_out, add_special_tokens=False)
        if not encoding.ids:
            raise TokenizerError(f"the user text {_brief(text.user)} becomes no token")
        spans: tuple[tuple[int, int], ...] = ()
        if text.mask_range is not None:
            offset = laid_out.rfind(text.user)
            if offset < 0:
                raise TokenizerError(f"the chat template alters the user text {_brief(text.user)}")
            start, end = (offset + edge for edge in text.mask_range)
            touched = [
                index for index, (a, b) in enumerate(encoding.offsets) if a < end and start < b
            ]
            if not touched:
                raise TokenizerError(
                    f"no token of {_brief(text.user)} is in its mask {text.mask_range}"
                )
            spans = ((touched[0], touched[-1] + 1 - touched[0]),)
        ids = tuple(self._markers.as_read(encoding.ids))
        return BankPrompt(self.tokenizer_id, ids, spans, text.json_hash)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token ids; bytes that are not UTF-8 show as U+FFFD."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=False)
        return text


def _entry(
    tokenizer_id: bytes, fields: Any, tokens: Any, spans: Any
) -> tuple[PromptText, BankPrompt]:
    """Raises KeyError, TypeError, ValueError or InvalidFieldError for what is no prompt."""
    if not isinstance(fields, dict):
        raise TypeError(f"a prompt is an object, not {_brief(fields)}")
    system, user = fields["system"], fields["user"]
    if not isinstance(system, str) or not isinstance(user, str):
        raise TypeError(f"'system' and 'user' are texts, not {_brief(system)} and {_brief(user)}")
    mask_range = fields.get("mask_range")
    text = PromptText(
        system=system, user=user, mask_range=None if mask_range is None else _pair(mask_range)
    )
    ids, mask_spans = tuple(map(_number, tokens)), tuple(map(_pair, spans))
    return text, BankPrompt(tokenizer_id, ids, mask_spans, text.json_hash)


def _pair(value: Any) -> tuple[int, int]:
    first, second = value
    return _number(first), _number(second)


def _number(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{_brief(value)} is no number")
    return value


def _brief(value: object) -> str:
    """A value of a stranger's file in a sentence: it may be as long as the file."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
