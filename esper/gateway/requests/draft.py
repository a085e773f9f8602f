"""What the fields of a request have said so far."""

from dataclasses import dataclass, field

from esper.gateway.requests.asked import Endpoint, Message, Prove, Wait


@dataclass(slots=True)
class Draft:
    """Noted field by field, in the order in which a client wrote them."""

    endpoint: Endpoint
    greedy_anyway: bool
    """Whether sampling fields of this key are replaced instead of refused."""
    model: str = ""
    messages: list[Message] | None = None
    text: str | None = None
    token_ids: tuple[int, ...] | None = None
    instructions: str = ""
    """A system message that stands before all others."""
    raw: bool = False
    """Whether Ollama's prompt is text as it is, without the model's template."""
    ceilings: list[int] = field(default_factory=list)
    """Of tokens, from every field that names one."""
    stop: tuple[str, ...] = ()
    stream: bool | None = None
    stream_options: bool = False
    """Whether there are any."""
    include_usage: bool = False
    obfuscate: bool = False
    logprobs: bool = False
    top_logprobs: int | None = None
    top_path: str = "top_logprobs"
    prove: Prove | None = None
    wait: Wait = Wait.INSTANT
    max_price: int | None = None
    replaced: list[str] = field(default_factory=list)
