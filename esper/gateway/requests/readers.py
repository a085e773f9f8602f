"""Rules of the fields that say something: each notes its part of a request."""

from typing import Any, Final

from esper.gateway.requests.asked import Message, Prove, Wait
from esper.gateway.requests.draft import Draft
from esper.gateway.requests.messages import read_content, read_messages
from esper.gateway.requests.rules import (
    Table,
    a_flag,
    a_text,
    an_integer,
    an_object,
    invalid,
    unsupported,
    walk,
)

MAX_MODEL_NAME: Final = 128
MAX_STOPS: Final = 4
MAX_STOP_CHARACTERS: Final = 64
MAX_TOP_LOGPROBS: Final = 20
MAX_COMPLETION_LOGPROBS: Final = 5
MAX_TOKEN_ID: Final = (1 << 32) - 1

REASONING: Final = "reasoning.encrypted_content"
"""Of ``include``: there is no reasoning, and so nothing to include."""
INCLUDED_LOGPROBS: Final = "message.output_text.logprobs"


def model(draft: Draft, where: str, value: Any) -> None:
    """Which model is asked."""
    name = a_text(where, value)
    if not 1 <= len(name) <= MAX_MODEL_NAME:
        raise invalid(where, f"must have 1 to {MAX_MODEL_NAME} characters")
    # Ollama's clients add the tag that stands for none.
    draft.model = name.removesuffix(":latest") if draft.endpoint.is_ollama else name


def messages(draft: Draft, where: str, value: Any) -> None:
    """A conversation."""
    draft.messages = read_messages(where, value)


def responses_input(draft: Draft, where: str, value: Any) -> None:
    """What a user says, or a conversation."""
    if isinstance(value, str):
        draft.messages = [Message("user", value)]
    else:
        draft.messages = read_messages(where, value, items=True)


def instructions(draft: Draft, where: str, value: Any) -> None:
    """A system message before all others."""
    draft.instructions = read_content(where, value)


def completion_prompt(draft: Draft, where: str, value: Any) -> None:
    """One text or one list of token ids, also as the only one of a list."""
    if isinstance(value, list) and value and isinstance(value[0], str | list):
        if len(value) > 1:
            raise unsupported(where, f"has {len(value)} prompts: a request has one answer")
        value, where = value[0], f"{where}[0]"
    if isinstance(value, str):
        draft.text = value
    elif isinstance(value, list) and value:
        for at, one in enumerate(value):
            # A large body has 130,000: a path is made for the one that is wrong alone.
            if type(one) is not int or not 0 <= one <= MAX_TOKEN_ID:
                an_integer(f"{where}[{at}]", one, 0, MAX_TOKEN_ID)
        draft.token_ids = tuple(value)
    else:
        raise invalid(where, "must be a string or a list of token ids, not empty")


def generate_prompt(draft: Draft, where: str, value: Any) -> None:
    """What a user says; with ``raw`` text as it is."""
    draft.text = a_text(where, value)


def raw(draft: Draft, where: str, value: Any) -> None:
    """Whether the template is left out."""
    draft.raw = a_flag(where, value)


def ceiling(draft: Draft, where: str, value: Any) -> None:
    """Most tokens of answer."""
    draft.ceilings.append(an_integer(where, value, 1))


def num_predict(draft: Draft, where: str, value: Any) -> None:
    """Ollama's ceiling; -1 and -2 ask for none."""
    if value not in (-1, -2) or type(value) is not int:
        ceiling(draft, where, value)


def stop(draft: Draft, where: str, value: Any) -> None:
    """Strings that end an answer."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list):
        raise invalid(where, "must be a string or a list of strings")
    if len(found) > MAX_STOPS:
        raise invalid(where, f"has {len(found)} strings, must have at most {MAX_STOPS}")
    for at, one in enumerate(found):
        path = where if isinstance(value, str) else f"{where}[{at}]"
        if not 1 <= len(a_text(path, one)) <= MAX_STOP_CHARACTERS:
            raise invalid(path, f"must have 1 to {MAX_STOP_CHARACTERS} characters")
    draft.stop = tuple(found)


def stream(draft: Draft, where: str, value: Any) -> None:
    """Whether the answer comes as it is made."""
    draft.stream = a_flag(where, value)


def _include_usage(draft: Draft, where: str, value: Any) -> None:
    draft.include_usage = a_flag(where, value)


def _include_obfuscation(draft: Draft, where: str, value: Any) -> None:
    draft.obfuscate = a_flag(where, value)


STREAM_OPTIONS: Final[Table[Draft]] = {
    "include_usage": _include_usage,
    "include_obfuscation": _include_obfuscation,
}


def stream_options(draft: Draft, where: str, value: Any) -> None:
    """What a stream tells beside the answer."""
    draft.stream_options = True
    walk(an_object(where, value), where, STREAM_OPTIONS, draft)


def logprobs(draft: Draft, where: str, value: Any) -> None:
    """Whether logarithms of probabilities are told."""
    draft.logprobs = a_flag(where, value)


def completion_logprobs(draft: Draft, where: str, value: Any) -> None:
    """How many further tokens are told with each one's logarithm."""
    if value is False:
        return
    draft.logprobs = True
    draft.top_logprobs = an_integer(where, value, 0, MAX_COMPLETION_LOGPROBS)


def top_logprobs(draft: Draft, where: str, value: Any) -> None:
    """How many further tokens are told; wants the field that asks for logarithms."""
    draft.top_logprobs = an_integer(where, value, 0, MAX_TOP_LOGPROBS)
    draft.top_path = where


def include(draft: Draft, where: str, value: Any) -> None:
    """Further parts of a response."""
    if not isinstance(value, list):
        raise invalid(where, "must be a list of strings")
    for at, one in enumerate(value):
        if one == INCLUDED_LOGPROBS:
            draft.logprobs = True
        elif one != REASONING:
            raise unsupported(f"{where}[{at}]", f"must be {INCLUDED_LOGPROBS} or {REASONING}")


def _prove(draft: Draft, where: str, value: Any) -> None:
    if value not in tuple(Prove):
        raise invalid(where, "must be auto, always or never")
    draft.prove = Prove(value)


def _wait(draft: Draft, where: str, value: Any) -> None:
    if value not in tuple(Wait):
        raise invalid(where, "must be instant or proven")
    draft.wait = Wait(value)


def _max_price(draft: Draft, where: str, value: Any) -> None:
    draft.max_price = an_integer(where, value, 0)


ESPER: Final[Table[Draft]] = {"prove": _prove, "wait": _wait, "max_price": _max_price}


def wishes(draft: Draft, where: str, value: Any) -> None:
    """Whether and at what price the answer is proven."""
    walk(an_object(where, value), where, ESPER, draft)


def text_format(draft: Draft, where: str, value: Any) -> None:
    """How an answer is formed: as text, which nothing forces into another form."""
    kind = an_object(where, value).get("type")
    if value and kind != "text":
        raise unsupported(f"{where}.type", "must be text: an answer is not forced into a form")
