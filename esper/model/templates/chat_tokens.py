"""Messages to token ids as a model was taught to read them: template, markers and BOS together."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from esper.model.errors import TemplateRefusedError
from esper.model.templates.apart.apart_template import ApartTemplate
from esper.model.templates.apart.template_process import TemplateProcess
from esper.model.templates.chat_template import read_chat_template, template_source
from esper.model.templates.markers import MarkerTokenizer
from esper.model.templates.public_prefix import PublicPrefix, ReadChat
from esper.model.tokenizer import TOKENIZER_FILE, read_tokenizer_file, special_tokens, tokenizer_of

NO_TEMPLATE = "this model has no chat template; send text instead of messages"


class Layout(Protocol):
    """A chat template that lays messages out: here, or in a process of its own."""

    @property
    def reason(self) -> str:
        """Why it cannot be used; empty if it can."""

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The laid out messages. Raises TemplateRefusedError."""


@dataclass(frozen=True, slots=True)
class ChatInput:
    """Input of a model for a chat."""

    tokens: list[int]
    """BOS included once."""
    public: int
    """Leading ones that the template writes whatever the messages say (``public_prefix``)."""


class ChatTokens:
    """The chat template of a model and its tokenizer. Made by :func:`chat_tokens`."""

    def __init__(self, template: Layout | None, markers: MarkerTokenizer, bos: int) -> None:
        self._template = template
        self._markers = markers
        self._bos = bos
        self._prefix = PublicPrefix(self._read)

    @property
    def has_template(self) -> bool:
        """Whether there is a template, be it a broken one."""
        return self._template is not None

    @property
    def works(self) -> bool:
        """Whether there is a template that can be used."""
        return self._template is not None and not self._template.reason

    def of(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Input of the model, BOS included once.

        Markers that the template writes are tokens; those that a message spells are text.

        Args:
            messages: each with ``role`` and ``content``.

        Raises:
            TemplateRefusedError: there is no template, it cannot be used, or it refuses them.
            TokenizerError: a text that the tokenizer has no tokens for.
        """
        return self._read(messages).tokens

    def input_of(self, messages: Sequence[Mapping[str, str]]) -> ChatInput:
        """As ``of``, and how much of it is no secret of anybody's. ``messages``: at least one.

        The first time for a role of the first message, the template is tried with other contents.
        """
        chat = self._read(messages)
        return ChatInput(chat.tokens, self._prefix.count(messages, chat))

    def _read(self, messages: Sequence[Mapping[str, str]]) -> ReadChat:
        if self._template is None:
            raise TemplateRefusedError(NO_TEMPLATE)
        text = self._template.render(messages)
        tokens = self._markers.encode(text)
        return ReadChat(text, tokens if tokens[:1] == [self._bos] else [self._bos, *tokens])


def chat_tokens(
    folder: Path,
    vocab: int,
    bos: int,
    process: TemplateProcess | None = None,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> ChatTokens:
    """Read template and tokenizer of a model directory.

    Args:
        folder: the model directory.
        vocab: number of ids the model knows.
        bos: the id that begins every input.
        process: runs the template; None runs it here, which is for one's own models alone.
        random: gives so many bytes that nobody can foresee.

    Raises MissingFileError, MalformedFileError and TokenizerError.
    """
    path = folder / TOKENIZER_FILE
    tokenizer = tokenizer_of(path, read_tokenizer_file(folder), vocab)
    layout: Layout | None
    if process is None:
        layout = read_chat_template(folder)
    else:
        source = template_source(folder)
        layout = None if source is None else ApartTemplate(source, process)
    return ChatTokens(layout, MarkerTokenizer(tokenizer, random), bos)


def end_tokens(folder: Path, vocab: int, eos: int) -> frozenset[int]:
    """Tokens that end an answer in a chat: EOS, and every marker.

    A template's own end of a message need not be EOS, and an answer that begins the next message by
    itself is over.
    """
    tokenizer = tokenizer_of(folder / TOKENIZER_FILE, read_tokenizer_file(folder), vocab)
    return frozenset((eos, *special_tokens(tokenizer)))
