"""Both models, float and integer, on a text that calibration did not see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from esper.model.checkpoint import Checkpoint
from esper.model.errors import NativeUnavailableError
from esper.model.exporting.evaluation import bits_per_byte, surprise
from esper.model.exporting.float_reference import FloatModel
from esper.model.g16_format import IntegerModel
from esper.model.loaded import load_model
from esper.model.tokenizer import encode_text

_EVALUATION_TOKENS = 8_192

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Both models on the part of the text that calibration did not see."""

    text_bytes: int
    """UTF-8 bytes of that part."""
    float_bits_per_byte: float
    """Surprise of the float model."""
    integer_bits_per_byte: float | None
    """Surprise of the exported model; None where the native engine is not built."""


NO_TEXT = "the part of the text kept out of calibration has no text of this tokenizer"
TOO_SHORT = "the text is too short to keep a part out of calibration"


def known_tokens(tokenizer: Tokenizer, tokens: list[int]) -> list[int]:
    """The tokens that stand for something: the one for all unknown text says nothing."""
    unknown = getattr(tokenizer.model, "unk_token", None)
    identity = None if unknown is None else tokenizer.token_to_id(unknown)
    return [token for token in tokens if token != identity]


def compare(
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    model: IntegerModel,
    folder: Path,
    text: str,
    sequence_tokens: int,
    report: Progress,
) -> tuple[Quality | None, str]:
    """Surprise of both models on ``text``, cut short where it is long; None, and why not."""
    config = checkpoint.config
    tokens = known_tokens(tokenizer, encode_text(tokenizer, text)[:_EVALUATION_TOKENS])
    if not text:
        return None, TOO_SHORT
    text = tokenizer.decode(tokens)
    if not text:
        return None, NO_TEXT
    step = min(sequence_tokens, config.shape.max_seq) - 1
    sequences = [[config.bos, *tokens[i : i + step]] for i in range(0, len(tokens), step)]
    floats = FloatModel(checkpoint)
    report("comparing: float model", 0, 2)
    float_nats = surprise(lambda s: floats.logits(np.array([s], dtype=np.int64))[0], sequences)
    report("comparing: integer model", 1, 2)
    integer: float | None = None
    try:
        loaded = load_model(folder)
    except NativeUnavailableError:
        pass  # the export is complete without it; the caller says so
    else:
        unit = 0.5**model.parameters.logit_bits
        nats = surprise(lambda s: loaded.logits(s) * unit, sequences)
        integer = bits_per_byte(nats, text)
    return Quality(len(text.encode()), bits_per_byte(float_nats, text), integer), ""
