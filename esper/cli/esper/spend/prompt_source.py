"""Where the tokens of a call come from: this machine's tokenizer, a folder, a file, or the node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esper.cli.esper import environment
from esper.cli.esper.session import Session
from esper.cli.esper.typed_ids import check_utf8
from esper.primitives.params import NetworkParameters
from esper.vm.llm_call import LlmCall
from esper.wallet.asked_call import asked_call, call_of_tokens
from esper.wallet.errors import MisuseError

MAX_FILE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class PromptSource:
    """What was typed."""

    text: str | None
    chat: bool
    model: Path | None
    tokens: Path | None

    def call(
        self, s: Session, max_tokens: int, bid: int | None, rules: NetworkParameters
    ) -> LlmCall:
        """The call that was asked for. Raises MisuseError, CallShapeError, and the node's errors.

        ``rules`` are the network's: as votes have moved them, where a node is asked at all. It is
        asked for the tokens only without folder and file, and where the tokenizer of
        the network's model is not on this machine.
        """
        if self.tokens is not None:
            if self.text is not None or self.chat or self.model is not None:
                raise MisuseError(
                    "--tokens is the whole prompt: leave out the text, --chat, --model"
                )
            return call_of_tokens(rules, _read_ids(self.tokens), max_tokens, bid)
        if not self.text:
            raise MisuseError("name a text to ask, or --tokens FILE with the prompt's token ids")
        check_utf8(self.text, "text")
        if self.model is not None:
            ids = _encoded(s, self.model, self.text, chat=self.chat)
            return call_of_tokens(rules, ids, max_tokens, bid)
        from esper.cli.esper.calls.local_text import tokens_of

        local = environment.model_text(s.params)
        here = None if local is None else tokens_of(local, self.text, chat=self.chat)
        call, _ = asked_call(
            s.node, rules, self.text, max_tokens, bid=bid, chat=self.chat, tokens=here
        )
        return call


def _encoded(s: Session, folder: Path, text: str, *, chat: bool) -> list[int]:
    """The text as the network's model reads it."""
    from esper.model.errors import ModelError
    from esper.node.calls.text_service import ChatMessage, ModelText, NoTextError

    try:
        texts = ModelText(folder, s.params.model)
        return texts.of_messages([ChatMessage("user", text)]) if chat else texts.of_text(text)
    except ModelError as error:
        raise MisuseError(f"--model {folder}: {error}") from error
    except NoTextError as error:
        raise MisuseError(f"--model {folder}: {error}") from error


def _read_ids(file: Path) -> list[int]:
    """Token ids as JSON, or as numbers with blanks, commas or lines between them."""
    if str(file) == "-":
        data = environment.standard_input(MAX_FILE_BYTES)
    else:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise MisuseError(f"{file}: more than 1 MiB, no prompt is that long")
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise MisuseError(f"{file}: not ASCII; write token ids such as [1, 403, 407]") from None
    try:
        words = text.removeprefix("[").removesuffix("]").replace(",", " ").split()
        if text.startswith("[") != text.endswith("]") or not words:
            raise ValueError
        return [_token_id(word) for word in words]
    except ValueError:
        raise MisuseError(f"{file}: no token ids; write them such as [1, 403, 407]") from None


def _token_id(word: str) -> int:
    if not (word.isascii() and word.isdigit()) or len(word) > 10:
        raise ValueError
    return int(word)
