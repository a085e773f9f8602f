"""A published model ready for use: the native engine, the tokenizer and the names of the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from esper.model.config import Shape
from esper.model.errors import (
    EngineFaultError,
    InvalidFieldError,
    MachineError,
    MissingFileError,
    ModelError,
    NativeUnavailableError,
)
from esper.model.g16_parameters import INTEGERS_FILE, Parameters, read_parameters
from esper.model.tokenizer import decode_answer, encode_text, load_tokenizer
from esper.primitives.ids import ModelId

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from tokenizers import Tokenizer

    from esper._native import NativeModel, ProvingKey


MOST_CANDIDATES: Final = 1024
"""Most candidates that the engine tells of one token."""


class _EnoughError(Exception):
    """Ends an answer that nobody wants more of."""


class LoadedModel:
    """An integer model in memory, together with its tokenizer.

    Made by :func:`load_model`.
    """

    def __init__(self, native: NativeModel, parameters: Parameters, tokenizer: Tokenizer) -> None:
        self.native = native
        """The compiled engine."""
        self.parameters = parameters
        """Shifts, widths and special tokens."""
        self.tokenizer = tokenizer
        """The model's own tokenizer."""

    @property
    def shape(self) -> Shape:
        """Sizes."""
        return self.parameters.shape

    @property
    def bos(self) -> int:
        """Token id that starts every sequence."""
        return self.parameters.bos

    @property
    def eos(self) -> int:
        """Token id that ends an answer."""
        return self.parameters.eos

    @property
    def integers_hash(self) -> bytes:
        """64 bytes that name the integers."""
        return self.native.integers_hash

    @cached_property
    def model_id(self) -> ModelId:
        """64 bytes that name the model together with the proof system.

        Computed from the integers on first use, because that commits to all weights; never read
        from a file, where anybody could have put another model's name.
        """
        return self.proving_key.model_id

    @cached_property
    def proving_key(self) -> ProvingKey:
        """The model committed for proving, made on first use.

        Raises:
            InvalidFieldError: the model is sound to run but cannot be proven.
        """
        from esper._native import ProvingKey

        try:
            return ProvingKey(self.native)
        except ValueError as error:
            raise InvalidFieldError("model", str(error), "a model that can be proven") from error

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``, after the token that starts every sequence."""
        return [self.bos, *encode_text(self.tokenizer, text)]

    def decode(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        """Text of ``answer`` as it follows ``prompt``."""
        return decode_answer(self.tokenizer, list(prompt), list(answer))

    def logits(self, tokens: Sequence[int], threads: int | None = None) -> npt.NDArray[np.int64]:
        """Logits of every position, shape (len(tokens), vocab).

        Args:
            tokens: 1 to ``max_seq`` ids below ``vocab``.
            threads: at least 1; all processors when None. The result does not depend on it.

        Raises:
            InvalidFieldError: the tokens do not fit the model.
        """
        import numpy as np

        self._check_tokens(tokens, len(tokens))
        content = self.native.logits([list(tokens)], processors(threads))[0]
        return np.frombuffer(content, dtype="<i8").reshape(-1, self.shape.vocab).astype(np.int64)

    def generate(
        self, tokens: Sequence[int], max_new_tokens: int, threads: int | None = None
    ) -> list[int]:
        """Greedy answer to ``tokens``: lowest id on a tie, ended by ``eos``, which it includes.

        Args:
            tokens: the prompt, at least one id.
            max_new_tokens: longest answer; prompt and answer without its last token must fit in
                ``max_seq``.
            threads: at least 1; all processors when None. The result does not depend on it.

        Raises:
            InvalidFieldError: the tokens or the answer do not fit the model.
        """
        if max_new_tokens < 1:
            raise InvalidFieldError("max_new_tokens", max_new_tokens, "at least 1")
        self._check_tokens(tokens, len(tokens) + max_new_tokens - 1)
        answer, _ = self.native.generate([list(tokens)], max_new_tokens, 1, processors(threads))[0]
        return answer

    def answer(
        self,
        tokens: Sequence[int],
        max_new_tokens: int,
        each: Callable[[int], bool],
        threads: int | None = None,
    ) -> None:
        """The greedy answer of ``generate``, each token handed over as soon as it is known.

        Args:
            tokens: the prompt, at least one id.
            max_new_tokens: longest answer, as in ``generate``.
            each: takes a token, and says whether to go on.
            threads: as in ``generate``.

        Raises:
            InvalidFieldError: the tokens or the answer do not fit the model.
        """
        if max_new_tokens < 1:
            raise InvalidFieldError("max_new_tokens", max_new_tokens, "at least 1")
        self._check_tokens(tokens, len(tokens) + max_new_tokens - 1)

        def hand_over(token: int) -> None:
            if not each(token):
                raise _EnoughError

        with suppress(_EnoughError):
            self.native.answer(list(tokens), max_new_tokens, processors(threads), hand_over)

    def score(
        self,
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        top_k: int = 4,
        threads: int | None = None,
    ) -> list[list[list[tuple[int, int]]]]:
        """What the model says along given answers, each text in one pass.

        The first pair of each list is the model's own choice behind all tokens before it, the
        lowest id on a tie. An answer is the model's if these are its tokens and it ends where the
        model's would: no token, not even ``eos``, ends an answer here.

        Args:
            prompts: as ``tokens`` of ``generate``.
            answers: one for each prompt, at least one id each; together without the last id they
                must fit in ``max_seq``.
            top_k: candidates of each token, 1 to the vocabulary or 1024.
            threads: as in ``generate``.

        Returns:
            By answer and token ``top_k`` pairs (id, logit), logit descending, id ascending.

        Raises:
            InvalidFieldError: texts that do not fit the model, or not equally many.
        """
        if len(prompts) != len(answers):
            expected = f"as many as the {len(prompts)} prompts"
            raise InvalidFieldError("answers", len(answers), expected)
        most = min(self.shape.vocab, MOST_CANDIDATES)
        if not 1 <= top_k <= most:
            raise InvalidFieldError("top_k", top_k, f"from 1 to {most}")
        for index, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            self._check_tokens(answer, 0, f"answers[{index}]")
            self._check_tokens(prompt, len(prompt) + len(answer) - 1, f"prompts[{index}]")
        return self.native.score(
            [list(prompt) for prompt in prompts],
            [list(answer) for answer in answers],
            top_k,
            processors(threads),
        )

    def _check_tokens(self, tokens: Sequence[int], positions: int, field: str = "tokens") -> None:
        vocab = self.shape.vocab
        if not tokens:
            raise InvalidFieldError(field, list(tokens), "at least one token id")
        outside = next((token for token in tokens if not 0 <= token < vocab), None)
        if outside is not None:
            raise InvalidFieldError(field, outside, f"ids from 0 to {vocab - 1}")
        if positions > self.shape.max_seq:
            expected = f"prompt and answer within {self.shape.max_seq} positions; shorten them"
            raise InvalidFieldError(field, positions, expected)


def processors(threads: int | None) -> int:
    """So many threads, those of all processors when None. Raises InvalidFieldError below 1."""
    if threads is None:
        return len(os.sched_getaffinity(0))
    if threads < 1:
        raise InvalidFieldError("threads", threads, "at least 1")
    return threads


def load_model(directory: Path | str) -> LoadedModel:
    """Load the integer model in ``directory``: ``g16.safetensors`` and ``tokenizer.json``.

    Raises:
        NativeUnavailableError: the extension is not built, or not from these sources.
        MissingFileError, MalformedFileError, InvalidFieldError, TokenizerError: a file is absent
            or broken.
        MachineError: this machine fails the engine's known-answer test, or to read a file.
        ModelError: the integers break a rule or a bound, which the message names with its layer.
    """
    try:
        from esper._native import NativeModel
    except ImportError as error:
        raise NativeUnavailableError(str(error)) from error
    directory = Path(directory)
    if not (directory / INTEGERS_FILE).is_file():
        remedy = "export the checkpoint first: esper model export SOURCE OUT"
        raise MissingFileError(directory / INTEGERS_FILE, remedy)
    parameters = read_parameters(directory)
    try:
        native = NativeModel.load(directory)
    except OSError as error:
        # The engine says what it could not read in words, and this program could open all of it.
        raise MachineError(f"{directory}: {error}") from error
    except RuntimeError as error:
        raise EngineFaultError(f"{directory}: {error}") from error
    except ValueError as error:
        raise ModelError(f"{directory}: {error}") from error
    return LoadedModel(native, parameters, load_tokenizer(directory, parameters.shape.vocab))
