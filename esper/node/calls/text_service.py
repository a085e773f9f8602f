"""Text to token ids and back for the models of the chain, without their weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tokenizers import Tokenizer

from esper.model.answers.answer_pieces import AnswerDecoder
from esper.model.answers.answer_text import AnswerText
from esper.model.errors import TemplateRefusedError, TokenizerError
from esper.model.prompts import TAG_TOKENIZER
from esper.model.templates.apart.template_process import TemplateProcess
from esper.model.templates.chat_messages import checked_messages
from esper.model.templates.chat_tokens import NO_TEMPLATE, ChatInput, chat_tokens
from esper.model.tokenizer import (
    TOKENIZER_FILE,
    decode_answer,
    encode_text,
    read_tokenizer_file,
    special_tokens,
    tokenizer_of,
)
from esper.primitives.hashing import tagged_hash
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry

Read = TypeVar("Read")


class NoTextError(Exception):
    """Text for a model whose tokenizer is not here, or that its tokenizer or template refuses."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message."""

    role: str
    """system, user or assistant."""
    content: str
    """Its text."""


class ModelText:
    """The tokenizer and the chat template of one model."""

    def __init__(
        self, folder: Path, entry: ModelEntry, process: TemplateProcess | None = None
    ) -> None:
        """``process`` runs the chat template; None runs it here.

        Raises MissingFileError, MalformedFileError and TokenizerError.
        """
        content, path = read_tokenizer_file(folder), folder / TOKENIZER_FILE
        if tagged_hash(TAG_TOKENIZER, content) != entry.tokenizer_id:
            raise TokenizerError(
                f"{path} is not the tokenizer of this model; give the folder of the model that "
                "the chain names"
            )
        self._tokenizer: Tokenizer = tokenizer_of(path, content, entry.shape.vocab)
        self._decoder = AnswerDecoder(self._tokenizer)
        self._bos = entry.bos
        self._ends = frozenset((entry.eos, *special_tokens(self._tokenizer)))
        self._chat = chat_tokens(folder, entry.shape.vocab, entry.bos, process)

    @property
    def has_template(self) -> bool:
        """Whether ``of_messages`` works."""
        return self._chat.works

    def of_text(self, text: str) -> list[int]:
        """Input of a call, BOS included. Raises NoTextError."""
        try:
            return [self._bos, *encode_text(self._tokenizer, text)]
        except TokenizerError as error:
            raise NoTextError(f"text: {error}") from error

    def of_messages(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Input of a call by the model's chat template, BOS included once. Raises NoTextError.

        Markers that the template writes are tokens; those that a message spells are text.
        """
        fields = [{"role": one.role, "content": one.content} for one in messages]
        return self._laid_out(self._chat.of, fields)

    def of_chat(self, messages: Sequence[ChatMessage]) -> ChatInput:
        """``of_messages`` for a stranger's messages, developer being another word for system.

        It also says how many leading tokens are the template's own.

        Raises:
            InvalidFieldError: which of them is not taken, and why.
            NoTextError: as of ``of_messages``.
            MachineError: there is no process to run the template in.
        """
        fields = checked_messages((one.role, one.content) for one in messages)
        return self._laid_out(self._chat.input_of, fields)

    def _laid_out(
        self, read: Callable[[list[dict[str, str]]], Read], fields: list[dict[str, str]]
    ) -> Read:
        if not self._chat.has_template:
            raise NoTextError(NO_TEMPLATE)
        try:
            return read(fields)
        except (TemplateRefusedError, TokenizerError) as error:
            raise NoTextError(f"messages: {error}") from error

    def text(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        """Text of ``answer`` as it follows ``prompt``. Raises NoTextError."""
        try:
            return decode_answer(self._tokenizer, list(prompt), list(answer))
        except TokenizerError as error:
            raise NoTextError(f"tokens: {error}") from error

    def run(self, tokens: Sequence[int]) -> str:
        """Text of tokens by themselves, special ones as they are spelled."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=False)
        return text

    def token_bytes(self, token: int) -> bytes:
        """What a token writes by itself, part of a character perhaps; markers write nothing."""
        return self._decoder.token_bytes(token)

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer: the model's own end, and every marker of its tokenizer."""
        return self._ends

    def answer(self, prompt: Sequence[int], stops: Sequence[str] = ()) -> AnswerText:
        """Begin the text of an answer to ``prompt`` whose tokens are yet to come.

        Its ``add`` and ``end`` raise TokenizerError where ``text`` raises NoTextError.
        Raises InvalidFieldError for stop texts that are none.
        """
        return AnswerText(self._decoder, prompt, stops)


class TextService:
    """The texts of a node's models."""

    def __init__(self, texts: dict[ModelId, ModelText]) -> None:
        """``texts`` by model id."""
        self._texts = texts

    def of(self, model_id: ModelId) -> ModelText:
        """The text of a model. Raises NoTextError if its tokenizer is not here."""
        found = self._texts.get(model_id)
        if found is None:
            raise NoTextError(f"the tokenizer of model {model_id.hex()[:16]}… is not at this node")
        return found

    def learn(self, model_id: ModelId, text: ModelText) -> None:
        """Know the text of one more model."""
        self._texts[model_id] = text

    def knows(self, model_id: ModelId) -> bool:
        """Whether ``of`` works."""
        return model_id in self._texts
