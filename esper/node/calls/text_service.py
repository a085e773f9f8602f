"""Text to token ids and back for the models of the chain, without their weights."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from esper.model.errors import MalformedFileError, MissingFileError, TokenizerError
from esper.model.prompts import TAG_TOKENIZER
from esper.model.tokenizer import TOKENIZER_FILE, decode_answer, load_tokenizer
from esper.primitives.hashing import tagged_hash
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry

CONFIG_FILE: Final = "tokenizer_config.json"


class NoTextError(Exception):
    """Text for a model whose tokenizer is not here, or messages that its template refuses."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message."""

    role: str
    """system, user or assistant."""
    content: str
    """Its text."""


class ModelText:
    """The tokenizer and the chat template of one model."""

    def __init__(self, folder: Path, entry: ModelEntry) -> None:
        """Raises MissingFileError, MalformedFileError and TokenizerError."""
        self._tokenizer: Tokenizer = load_tokenizer(folder, entry.shape.vocab)
        if tagged_hash(TAG_TOKENIZER, (folder / TOKENIZER_FILE).read_bytes()) != entry.tokenizer_id:
            raise TokenizerError(f"{folder / TOKENIZER_FILE} is not the tokenizer of this model")
        # A text that spells a special token is text; only the protocol places those.
        self._tokenizer.encode_special_tokens = True
        self._bos = entry.bos
        self._template = _template(folder / CONFIG_FILE)

    @property
    def has_template(self) -> bool:
        """Whether ``of_messages`` works."""
        return self._template is not None

    def of_text(self, text: str) -> list[int]:
        """Input of a call, BOS included."""
        return [self._bos, *self._tokenizer.encode(text, add_special_tokens=False).ids]

    def of_messages(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Input of a call by the model's chat template. Raises NoTextError."""
        if self._template is None:
            raise NoTextError("this model has no chat template; send text instead of messages")
        fields = [{"role": one.role, "content": one.content} for one in messages]
        try:
            text = self._template.render(messages=fields, add_generation_prompt=True)
        except (TemplateError, SecurityError, TypeError, ValueError) as error:
            raise NoTextError(
                f"messages: the model's chat template refuses them: {error}"
            ) from error
        return self.of_text(text)

    def text(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        """Text of ``answer`` as it follows ``prompt``."""
        return decode_answer(self._tokenizer, list(prompt), list(answer))


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

    def knows(self, model_id: ModelId) -> bool:
        """Whether ``of`` works."""
        return model_id in self._texts


def _template(file: Path) -> Any:
    try:
        source = json.loads(file.read_bytes()).get("chat_template")
    except OSError as error:
        raise MissingFileError(file, "a model directory holds it beside the tokenizer") from error
    except (AttributeError, RecursionError, ValueError) as error:
        raise MalformedFileError(file, f"not a JSON object: {error!r}") from error
    if source is None:
        return None
    # Block handling as in transformers, whose templates count on it.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source)
