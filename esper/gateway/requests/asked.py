"""A request as the gateway serves it, whatever form it came in."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Endpoint(StrEnum):
    """Which form of request and reply a client speaks."""

    CHAT = "chat.completions"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    OLLAMA_CHAT = "ollama.chat"
    OLLAMA_GENERATE = "ollama.generate"

    @property
    def is_ollama(self) -> bool:
        """Whether errors and streams have Ollama's form."""
        return self in (Endpoint.OLLAMA_CHAT, Endpoint.OLLAMA_GENERATE)

    @property
    def signed_name(self) -> str:
        """How a receipt names it."""
        return "ollama" if self.is_ollama else self.value


class Prove(StrEnum):
    """Whether the answer is to be proven on the chain, which publishes it."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Wait(StrEnum):
    """How far an answer must be before the reply ends."""

    INSTANT = "instant"
    PROVEN = "proven"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """``system``, ``user`` or ``assistant``."""
    content: str
    """Its text parts, joined without anything between them."""


Input: TypeAlias = str | tuple[int, ...] | tuple[Message, ...]
"""Text as it is, token ids as they are, or messages for the template. A tuple is never empty."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. Fields that change nothing are not kept."""

    endpoint: Endpoint
    model: str
    """As the client named it, 1 to 128 characters."""
    input: Input
    max_tokens: int = 0
    """Most tokens of answer, the least of the ceilings asked for; 0: none asked."""
    stop: tuple[str, ...] = ()
    """At most 4 strings of 1 to 64 characters; the first match cuts the answer."""
    stream: bool = False
    include_usage: bool = False
    """Whether a stream tells the tokens used in a chunk of its own."""
    obfuscate: bool = False
    """Whether events of a stream are padded so that their length tells less."""
    top_logprobs: int | None = None
    """Further tokens to tell with each one's logarithm, 0 to 20; None: no logarithms."""
    prove: Prove | None = None
    """None: as the key says."""
    wait: Wait = Wait.INSTANT
    max_price: int | None = None
    """Most that a token may cost; None: as the key says."""
    replaced: tuple[str, ...] = ()
    """Paths of sampling fields that were replaced by greedy ones."""
