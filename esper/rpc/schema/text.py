"""Text to tokens and back."""

from typing import Annotated

from msgspec import Meta, Struct

from esper.rpc.schema.common import Hash, Reply, Request, Text, TokenIds


class Message(Struct, forbid_unknown_fields=True, frozen=True):
    """One message of a chat."""

    role: Annotated[str, Meta(pattern=r"^(system|user|assistant)$(?!\n)")]
    content: Text


class TokenizeParams(Request, frozen=True):
    """Either ``text`` or ``messages``; the first model if ``model_id`` is left out."""

    text: Text | None = None
    messages: Annotated[list[Message], Meta(min_length=1, max_length=64)] | None = None
    model_id: Hash | None = None


class Tokens(Reply, frozen=True):
    """Input as a call carries it, BOS included."""

    model_id: str
    tokens: list[int]
    count: int


class DetokenizeParams(Request, frozen=True):
    """``tokens`` as they follow ``prompt``."""

    tokens: TokenIds
    prompt: TokenIds = []
    model_id: Hash | None = None


class TextReply(Reply, frozen=True):
    """Text; bytes that are not UTF-8 show as U+FFFD."""

    text: str
