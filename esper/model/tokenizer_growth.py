"""How much longer a tokenizer can make a text: what multiplies it without end is refused.

A few kilobytes of steps that each replace a letter by many would turn twelve letters into
gigabytes, for whoever reads or writes one text. What is looked at is what the library made of the
file, not the file: of two readers of one file only the one counts that will be used.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from esper.model.errors import TokenizerError

MOST_GROWTH: Final = 64
"""Characters for one, over all steps. Compatibility forms alone make 18 of one letter; a letter
and a blank in the place of one make 2."""
LONGEST_PIECE: Final = 4_096
"""Characters of a token: it is written out each time that a model says it. 512 is much."""
LONGEST_AFFIX: Final = 64
"""Characters that a model sets before or behind pieces while it looks for them."""
_GROWTH: Final[Mapping[str, int]] = {
    "BertNormalizer": 24,
    "Strip": 1,
    "StripAccents": 1,
    "NFC": 3,
    "NFD": 4,
    "NFKC": 18,
    "NFKD": 18,
    "Lowercase": 2,
    "Nmt": 1,
    "ByteLevel": 4,
    "Metaspace": 1,
    "ByteFallback": 1,
    "Fuse": 1,
    "WordPiece": 2,
    "BPEDecoder": 3,
    "CTC": 9,
}
"""Of the steps whose growth no number of the file decides: the most that one character becomes."""


def check_growth(path: Path, tokenizer: Tokenizer) -> None:
    """Raise TokenizerError if a text could become far longer, or a token is very long."""
    for part in ("normalizer", "decoder"):
        step = getattr(tokenizer, part)
        growth = 1 if step is None else _growth(path, _fields(step))
        if growth > MOST_GROWTH:
            raise TokenizerError(
                f"{path}: the steps of its {part} make {_number(growth)} characters of one, at "
                f"most {MOST_GROWTH}; leave steps out"
            )
    longest = max(map(len, tokenizer.get_vocab(with_added_tokens=True)), default=0)
    if longest > LONGEST_PIECE:
        raise TokenizerError(f"{path}: a token has {longest} characters, at most {LONGEST_PIECE}")
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        affix = getattr(tokenizer.model, name, None) or ""
        if len(affix) > LONGEST_AFFIX:
            raise TokenizerError(
                f"{path}: '{name}' has {len(affix)} characters, at most {LONGEST_AFFIX}"
            )


def _growth(path: Path, fields: Any) -> int:
    growth = 1
    for step in _steps(fields):
        growth *= _growth_of_step(path, step)
        if growth > MOST_GROWTH:
            break
    return growth


def _growth_of_step(path: Path, step: Mapping[str, Any]) -> int:
    kind = step["type"]
    if kind == "Prepend":
        # Behind every special token a new text begins.
        return 1 + len(step["prepend"])
    if kind == "Replace":
        return _of_replacement(step["pattern"], len(step["content"]))
    if kind == "Precompiled":
        # A trie behind its length, then all that it leads to, each with a zero at its end.
        data = base64.b64decode(step["precompiled_charsmap"])
        texts = data[4 + int.from_bytes(data[:4], "little") :].split(b"\0")
        return max(1, *(len(one.decode(errors="replace")) for one in texts))
    known = _GROWTH.get(kind)
    if known is None:
        raise TokenizerError(f"{path}: how long {kind} makes a text is not known; leave it out")
    return known


def _of_replacement(pattern: Mapping[str, str], content: int) -> int:
    """Most characters for one where each match becomes ``content`` characters."""
    text = pattern.get("String", "")
    if text:
        return max(1, -(-content // len(text)))
    # An expression, or nothing: it may match between all characters, and at both ends.
    return 1 + 2 * content


def _steps(fields: Any) -> Iterator[Mapping[str, Any]]:
    """All steps of a part, those of sequences within sequences in their places."""
    if fields["type"] != "Sequence":
        yield fields
        return
    for one in fields.get("normalizers") or fields.get("decoders") or ():
        yield from _steps(one)


def _fields(step: Any) -> Any:
    return json.loads(step.__getstate__())


def _number(growth: int) -> str:
    return f"{growth:,}" if growth < 1 << 40 else "very many"
