"""The text of a model as receipts write it."""

from collections.abc import Sequence

from esper.node.calls.text_service import ModelText, NoTextError


class ReceiptWords:
    """A ``ModelTokenizer`` on the text of a model."""

    def __init__(self, text: ModelText, identity: bytes) -> None:
        """``identity``: 64 bytes, the hash of the tokenizer's file."""
        self._text = text
        self.identity = identity

    def run(self, tokens: Sequence[int]) -> str:
        """The text of a run of tokens, by itself."""
        return self._text.run(tokens)

    def answer(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        """The text of an answer as it follows the prompt. Raises NoTextError."""
        return self._text.text(prompt, answer)

    def encode(self, text: str) -> Sequence[int] | None:
        """The tokens of a text, None if it cannot be encoded."""
        try:
            # BOS is put in front of a text.
            return self._text.of_text(text)[1:]
        except NoTextError:
            return None
