"""Build the genesis tokenizer: byte-fallback BPE of 1,024 tokens that refines the teacher's 512.

The teacher's pieces and merges come first, further merges inside words follow, so a text's tokens
are always groups of the teacher's pieces of that text. That lets ``soft_targets.py`` compare the
two models' predictions exactly.

Ids: 0 ``<unk>``, 1 ``<s>``, 2 ``</s>``, 3..258 the bytes ``<0x00>``..``<0xFF>``, then the teacher's
merges, its single characters, and the new merges. Spaces stay spaces (the teacher's marker
character is undone), nothing is put before a text, a character outside the alphabet becomes its
UTF-8 bytes, and the decoder joins tokens without adding or removing anything:
``decode(encode(text)) == text`` for every Unicode text. Only the first three ids are special.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from corpus import load_corpus
from tokenizers import Tokenizer

VOCABULARY = 1024
MARKER = "\u2581"
WORDS = re.compile(r"'(?:[sdmt]|ll|ve|re)| ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")
"""Borders that no new merge crosses: words with the space before them, digits, punctuation."""

CERTAINTY = 8
"""Power of the share with which a merge's second token follows its first."""

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if not loop.first %}{{ '\\n' }}{% endif %}"
    "{{ message['content'] }}{% endfor %}"
)
"""The contents of the messages, one to a line, with no marker: the model continues the text."""

Pair = tuple[str, str]


def without_marker(fields: dict[str, Any]) -> dict[str, Any]:
    """The teacher's ``tokenizer.json`` with plain spaces and a decoder that only joins."""
    model = fields["model"]
    vocabulary = {token.replace(MARKER, " "): index for token, index in model["vocab"].items()}
    merges = [[part.replace(MARKER, " ") for part in merge] for merge in model["merges"]]
    special = [token for token in fields["added_tokens"] if token["id"] < 3]
    return {
        **fields,
        "added_tokens": special,
        "normalizer": None,
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {**model, "vocab": vocabulary, "merges": merges},
    }


def new_merges(words: Counter[tuple[str, ...]], known: set[str], count: int) -> list[Pair]:
    """The ``count`` best merges, found one after another; ties go to the lower strings.

    ``words`` counts words as tuples of tokens. A pair is worth its occurrences times a power of the
    share of its first token that the second follows: a token whose end is nearly certain saves a
    step of the model that would have told nothing, any other asks the model to predict two pieces
    in one step. A merge whose result is already ``known`` is passed over, for one token must have
    one way to arise.
    """
    merges: list[Pair] = []
    while len(merges) < count:
        tokens: Counter[str] = Counter()
        pairs: Counter[Pair] = Counter()
        for word, times in words.items():
            for token in word:
                tokens[token] += times
            for pair in pairwise(word):
                pairs[pair] += times
        worth = {
            pair: Fraction(times ** (CERTAINTY + 1), tokens[pair[0]] ** CERTAINTY)
            for pair, times in pairs.items()
            if "".join(pair) not in known
        }
        best = min(worth, key=lambda pair: (-worth[pair], pair))
        merges.append(best)
        known.add("".join(best))
        merged: Counter[tuple[str, ...]] = Counter()
        for word, times in words.items():
            merged[merge_in(word, best)] += times
        words = merged
    return merges


def merge_in(word: tuple[str, ...], pair: Pair) -> tuple[str, ...]:
    """The word with every occurrence of the pair joined, from the left."""
    if pair[0] not in word:
        return word
    joined: list[str] = []
    for token in word:
        if joined and (joined[-1], token) == pair:
            joined[-1] += token
        else:
            joined.append(token)
    return tuple(joined)


def refine(teacher: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """The fields of the genesis tokenizer, from the teacher's and the training texts."""
    fields = without_marker(teacher)
    base = Tokenizer.from_str(json.dumps(fields))
    strings = Counter(word for text in texts for word in WORDS.findall(text))
    words: Counter[tuple[str, ...]] = Counter()
    for string, times in strings.items():
        tokens = base.encode(string, add_special_tokens=False).tokens
        # Bytes are left alone: a merge of them would be no valid text of its own.
        if not any(token.startswith("<0x") for token in tokens):
            words[tuple(tokens)] += times
    vocabulary: dict[str, int] = fields["model"]["vocab"]
    merges = new_merges(words, set(vocabulary), VOCABULARY - len(vocabulary))
    for merge in merges:
        vocabulary["".join(merge)] = len(vocabulary)
    fields["model"]["merges"].extend(list(merge) for merge in merges)
    return fields


def main() -> None:
    """Command line entry: write ``tokenizer.json`` and ``tokenizer_config.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher", type=Path, help="folder of the teacher checkpoint")
    parser.add_argument("book", type=Path, help="text of the book")
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("samples", type=Path, nargs="+", help="files of sample_teacher.py")
    options = parser.parse_args()

    corpus = load_corpus(options.samples, options.book)
    teacher = json.loads((options.teacher / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_str(json.dumps(refine(teacher, [s.text for s in corpus.train])))
    options.output.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(options.output / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (options.output / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


if __name__ == "__main__":
    main()
