"""The bytes of receipts: JSON in one form, read strictly and in linear time.

Keys in the order below, optional ones left out, no blanks; strings as ``json.dumps`` writes them;
no floats, null, truth values, lone surrogates; hexadecimal in lower case, base64 with padding.
Whatever is not written back to the very same bytes is no receipt.
"""

import json
import re
from typing import Any, Final, NoReturn

from esper.primitives.hashing import HASH32_BYTES, HASH_BYTES
from esper.primitives.mmr import MAX_COUNT
from esper.receipts.json_shapes import (
    Base64,
    FormError,
    Hex,
    Many,
    Number,
    NumberOrText,
    Object,
    Text,
)
from esper.receipts.parts import (
    FORMAT,
    PROMISE,
    PROOF,
    VERSION,
    Anchor,
    AnswerReceipt,
    AskedFor,
    BlockListed,
    BlockWork,
    InState,
    Listed,
    Member,
    Message,
    NamedNetwork,
    OpenCall,
    OutcomeListed,
    ProvenGroup,
    Signed,
    TierListed,
    Words,
)
from esper.vm.answers import MAX_ANSWER_TOKENS
from esper.vm.records import MAX_PROMPT_TOKENS
from esper.vm.state_tree import PATH_BITS

MAX_BYTES: Final = 1 << 22
"""Of a receipt."""
MAX_DEPTH: Final = 8
"""Brackets within brackets."""
MAX_BRACKETS: Final = 1 << 10
"""Objects and lists of a receipt; the largest honest one has 150, and 256 messages of a chat."""
MAX_DIGITS: Final = 16
"""Of a number: 2^53 has as many."""
MAX_PATH: Final = 64
"""Siblings of a path: no list has 2^64 items."""
MAX_GROUP: Final = 64
MAX_MODELS: Final = 2
MAX_MESSAGES: Final = 256
MAX_STOPS: Final = 4
ENDPOINTS: Final = ("chat.completions", "completions", "responses", "ollama")
ROLES: Final = ("system", "user", "assistant")

assert MAX_COUNT.bit_length() == MAX_PATH

_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_LONG_NUMBER: Final = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS + 1))

_TOKEN: Final = Number((1 << 32) - 1)
_PATH: Final = Many(Base64(HASH_BYTES), MAX_PATH)
_MESSAGE: Final = Object(Message, (("role", Text(ROLES)), ("content", Text())))


class _Input:
    """A text, token ids, or messages; an empty list is one of tokens."""

    def read(self, value: Any, where: str) -> Any:
        if isinstance(value, str):
            return Text().read(value, where)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return Many(_MESSAGE, MAX_MESSAGES).read(value, where)
        return Many(_TOKEN, MAX_PROMPT_TOKENS).read(value, where)

    def write(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        return [_MESSAGE.write(one) if isinstance(one, Message) else one for one in value]


REQUEST: Final = Object(
    AskedFor,
    (
        ("endpoint", Text(ENDPOINTS)),
        ("model", Text()),
        ("input", _Input()),
        ("max_tokens", Number()),
        ("stop", Many(Text(), MAX_STOPS)),
    ),
)
_LISTED: Final = Object(
    Listed,
    (("transaction", Base64()), ("index", Number()), ("count", Number()), ("path", _PATH)),
)
_OPEN_CALL: Final = Object(OpenCall, (("unsigned", Base64()),))


class _Call:
    """The call of a block, or of a lane."""

    def read(self, value: Any, where: str) -> Listed | OpenCall:
        if isinstance(value, dict) and "unsigned" in value:
            return _OPEN_CALL.read(value, where)
        return _LISTED.read(value, where)

    def write(self, value: Listed | OpenCall) -> Any:
        return (_OPEN_CALL if isinstance(value, OpenCall) else _LISTED).write(value)


_MEMBER: Final = Object(
    Member,
    (
        ("prompt", Many(_TOKEN, MAX_PROMPT_TOKENS)),
        ("answer", Many(_TOKEN, MAX_ANSWER_TOKENS)),
        ("max_tokens", Number((1 << 16) - 1)),
    ),
)
_GROUP: Final = Object(
    ProvenGroup,
    (
        ("data", Base64()),
        ("index", Number()),
        ("count", Number()),
        ("path", _PATH),
        ("rows", Number((1 << 16) - 1)),
        ("position", Number(MAX_GROUP - 1)),
        ("members", Many(_MEMBER, MAX_GROUP)),
    ),
)
_STATE: Final = Object(
    InState,
    (("count", Number()), ("siblings", Many(Base64(HASH32_BYTES), PATH_BITS))),
)
_ANCHOR: Final = Object(
    Anchor,
    (
        ("header", Base64()),
        (
            "blocks",
            Object(
                BlockListed,
                (
                    ("state", _STATE),
                    ("record", Base64()),
                    ("weight", Hex(HASH32_BYTES)),
                    ("siblings", _PATH),
                ),
            ),
        ),
        (
            "receipts",
            Object(
                OutcomeListed,
                (
                    ("state", _STATE),
                    ("record", Base64()),
                    ("number", Number()),
                    ("receipt", Base64()),
                    ("siblings", _PATH),
                ),
            ),
        ),
        ("tiers", Many(Object(TierListed, (("state", _STATE), ("record", Base64()))), MAX_MODELS)),
    ),
)
RECEIPT: Final = Object(
    AnswerReceipt,
    (
        ("format", Text((FORMAT,))),
        ("version", Number(VERSION, VERSION)),
        ("kind", Text((PROOF, PROMISE))),
        ("network", Object(NamedNetwork, (("name", Text()), ("genesis_hash", Hex(HASH_BYTES))))),
        ("models", Many(Base64(), MAX_MODELS)),
        ("request", REQUEST),
        (
            "text",
            Object(
                Words,
                (
                    ("tokenizer_id", Hex(HASH_BYTES)),
                    ("prompt", Many(NumberOrText(_TOKEN, Text()), MAX_PROMPT_TOKENS)),
                    ("answer", Text()),
                ),
            ),
        ),
        (
            "instant",
            Object(
                Signed,
                (
                    ("record", Base64()),
                    ("key", Base64()),
                    ("signature", Base64()),
                    ("salt", Base64()),
                ),
                frozenset(("salt",)),
            ),
        ),
        ("call", _Call()),
        ("answer", _LISTED),
        ("group", _GROUP),
        ("block_id", Hex(HASH_BYTES)),
        ("header", Base64()),
        ("work", Object(BlockWork, (("outputs", Base64()), ("proof", Base64())))),
        ("anchor", _ANCHOR),
    ),
    frozenset(
        (
            *("models", "request", "instant", "call", "answer", "group"),
            *("block_id", "header", "work", "anchor"),
        )
    ),
)


def encode_receipt(receipt: AnswerReceipt) -> bytes:
    """The bytes of a receipt."""
    return _dumped(RECEIPT.write(receipt))


def request_bytes(request: AskedFor) -> bytes:
    """The bytes of ``request`` as they stand in a receipt, which a promise hashes."""
    return _dumped(REQUEST.write(request))


def decode_receipt(data: bytes) -> AnswerReceipt:
    """Read a receipt. Raises FormError for any other bytes than ``encode_receipt`` gives."""
    if len(data) > MAX_BYTES:
        raise FormError(f"receipt: has more than {MAX_BYTES} bytes")
    if not data.isascii():
        raise FormError("receipt: has bytes that are no ASCII")
    _check_size(_STRINGS.sub(b'"', data))
    try:
        # As text: of bytes the parser would guess an encoding.
        value = json.loads(data.decode("ascii"), parse_constant=_no_number, parse_float=_no_number)
    except json.JSONDecodeError as error:
        raise FormError(f"receipt: is no JSON: {error.msg} at byte {error.pos}") from None
    receipt = RECEIPT.read(value, "receipt")
    if encode_receipt(receipt) != data:
        raise FormError("receipt: is not in the one form: order of keys, blanks, escapes, base64")
    return receipt


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _check_size(bare: bytes) -> None:
    """Refuse depth, many lists and long numbers before a parser recurses, allocates or converts.

    ``bare``: the text without what its strings hold.
    """
    rest = bare.translate(_BRACKETS, _NO_BRACKETS)
    if len(rest) > 2 * MAX_BRACKETS:
        raise FormError(f"receipt: has more than {MAX_BRACKETS} objects and lists")
    depth = 0
    for one in rest:
        depth += 1 if one == ord("[") else -1
        if depth > MAX_DEPTH:
            raise FormError(f"receipt: nests deeper than {MAX_DEPTH} levels")
    if _LONG_NUMBER.search(bare):
        raise FormError(f"receipt: a number has more than {MAX_DIGITS} digits")


def _no_number(text: str) -> NoReturn:
    raise FormError(f"receipt: {text[:20]} is no integer")
