"""Train the genesis tokenizer: byte-fallback BPE of 1,024 tokens whose decoding is exact.

Ids: 0 ``<unk>``, 1 ``<s>``, 2 ``</s>``, 3..258 the bytes ``<0x00>``..``<0xFF>``, then single
characters, then merges. Spaces stay spaces (no marker character), a character outside the alphabet
becomes its UTF-8 bytes, and the decoder joins tokens without adding or removing anything, so
``decode(encode(text)) == text`` for every Unicode text. Only the first three ids are special.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from corpus import load_corpus
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

VOCABULARY = 1024
SPECIAL_TOKENS = ("<unk>", "<s>", "</s>")
BYTE_TOKENS = tuple(f"<0x{value:02X}>" for value in range(256))
ALPHABET_LIMIT = 84
WORDS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""Borders that no merge crosses: words with the space before them, digits, punctuation, spaces."""

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if not loop.first %}{{ '\\n' }}{% endif %}"
    "{{ message['content'] }}{% endfor %}"
)
"""The contents of the messages, one to a line, with no marker: the model continues the text."""


def train(texts: list[str]) -> Tokenizer:
    """BPE over ``texts``; the byte tokens take part as ordinary, unmergeable entries."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[*SPECIAL_TOKENS, *BYTE_TOKENS],
        limit_alphabet=ALPHABET_LIMIT,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def without_special_bytes(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer with only the first three ids special.

    Left special, a byte token would match its own name in a text (``<0x41>``) and vanish from
    decoded text.
    """
    fields: dict[str, Any] = json.loads(tokenizer.to_str())
    fields["added_tokens"] = [t for t in fields["added_tokens"] if t["id"] < len(SPECIAL_TOKENS)]
    return Tokenizer.from_str(json.dumps(fields, ensure_ascii=False))


def main() -> None:
    """Command line entry: train and write ``tokenizer.json`` and ``tokenizer_config.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("book", type=Path, help="text of the book")
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("samples", type=Path, nargs="+", help="files of sample_teacher.py")
    options = parser.parse_args()

    corpus = load_corpus(options.samples, options.book)
    tokenizer = without_special_bytes(train([story.text for story in corpus.train]))
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise SystemExit(f"too little text: {tokenizer.get_vocab_size()} tokens, not {VOCABULARY}")
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
