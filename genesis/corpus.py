"""Reading the training text: sampled stories, the book, and the fixed held-out share."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

HELD_OUT_EVERY = 50
"""One story in this many is never trained on (2 %)."""

BOOK_PIECE_CHARACTERS = 500
"""Least length of a piece of the book: about as many tokens as a sampled story."""


@dataclass(frozen=True, slots=True)
class Story:
    """One document of the corpus."""

    text: str
    whole: bool
    """True if the text ends where its author ended it, so that an end token may follow."""
    first: bool
    """True if the teacher wrote it at position 0, with nothing before it."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Training documents and the held-out ones, in file order."""

    train: tuple[Story, ...]
    held_out: tuple[Story, ...]


def read_samples(paths: list[Path]) -> list[Story]:
    """Stories of the JSON-lines files that ``sample_teacher.py`` writes."""
    stories: list[Story] = []
    for path in paths:
        with path.open(encoding="utf-8") as file:
            stories.extend(Story(**json.loads(line)) for line in file)
    return stories


def read_book(path: Path) -> list[Story]:
    """Pieces of the book, cut between sentences, hard line breaks undone."""
    text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8")).strip()
    pieces: list[str] = []
    current = ""
    for sentence in re.split(r"(?<=[.!?\"])\s", text):
        current = f"{current} {sentence}" if current else sentence
        if len(current) >= BOOK_PIECE_CHARACTERS:
            pieces.append(current)
            current = ""
    if current:
        pieces.append(current)
    return [Story(text=piece, whole=False, first=False) for piece in pieces]


def load_corpus(samples: list[Path], book: Path) -> Corpus:
    """Split the samples into training and held-out stories; the book is for training only.

    A story whose text also occurs among the held-out ones is dropped from training.
    """
    stories = read_samples(samples)
    held_out = stories[::HELD_OUT_EVERY]
    hidden = {story.text for story in held_out}
    train = [
        story
        for index, story in enumerate(stories)
        if index % HELD_OUT_EVERY and story.text not in hidden
    ]
    return Corpus(train=(*train, *read_book(book)), held_out=tuple(held_out))
