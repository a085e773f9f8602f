"""Words as people write them: what means one order is read, what leaves it open is refused."""

import json

import pytest

from esper.wallet.errors import WordsError
from esper.wallet.words import entropy_of, words_of

ENTROPY = bytes(range(32))
WORDS = words_of(ENTROPY).split()
NUMBERED = list(enumerate(WORDS, 1))


def columns(*starts: int, width: int = 12) -> str:
    rows = (
        "   ".join(f"{start + row + 1:2}. {WORDS[start + row]:10}" for start in starts)
        for row in range(width)
    )
    return "\n".join(rows)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"{n:2} {word}" for n, word in NUMBERED),
        "\r\n".join(f"{n:02} {word}" for n, word in NUMBERED),
        "\n".join(f"{n}. {word}" for n, word in NUMBERED),
        "\n".join(f"{n}) {word}" for n, word in NUMBERED),
        "\n".join(f"({n}) {word}," for n, word in NUMBERED),
        "\n".join(f"{n}:\t{word}" for n, word in NUMBERED),
        "\n".join(f"#{n} - {word}" for n, word in NUMBERED),
        "\n".join(f"{word} {n}" for n, word in NUMBERED),
        "\n".join(f"{n}\n{word}" for n, word in NUMBERED),
        " ".join(f"{n - 1}. {word}" for n, word in NUMBERED),
        ", ".join(WORDS),
        "; ".join(WORDS) + ".",
        "\n".join(f"* {word}" for word in WORDS),
        "\n".join(f"\u2022\u00a0{word}" for word in WORDS),
        "\u2013".join(WORDS),
        json.dumps(WORDS),
        json.dumps({"wallet": "main", "words": " ".join(WORDS)}),
        "\u201c" + " ".join(WORDS) + "\u201d",
        "\u00a0".join(WORDS),
        "\u2003".join(WORDS),
        "\r\n".join(WORDS),
        "\ufeff" + " ".join(WORDS),
        " ".join(WORDS).title(),
        " ".join(WORDS).upper(),
        columns(0, 12),
        columns(0, 8, 16, width=8),
        columns(12, 0),
        "My wallet, 24 words:\n\n" + " ".join(WORDS) + "\n\nKeep them somewhere safe!\n",
        "Whoever reads these words owns the coins. Paper, no photograph.\n"
        "They do not cover the imported keys: keep a copy of the file as well.\n"
        + "\n".join(f"{n:2} {word}" for n, word in NUMBERED)
        + "\nwritten to /stick/main.json: the password opens it\n",
    ],
)
def test_words_as_they_are_written_down(text: str) -> None:
    assert entropy_of(text) == ENTROPY


@pytest.mark.parametrize(
    ("text", "says"),
    [
        # Twice the same number; a number left out; numbers of another kind.
        ("\n".join(f"{n % 12 + 1} {word}" for n, word in NUMBERED), "leave the order open"),
        ("\n".join(f"{n + 3} {word}" for n, word in NUMBERED), "leave the order open"),
        (" ".join(WORDS) + " 24", "leave the order open"),
        ("1 2 " + " ".join(WORDS), "leave the order open"),
        ("\n".join(f"{n} {word}" for n, word in NUMBERED[:-1]), "23 words, must be 24"),
        ("2024 " + " ".join(WORDS), "25 words, must be 24.*word number 1 '2024'"),
        # A heading of words that are in the list could be the first words.
        ("main file\n" + " ".join(WORDS), "26 words, must be 24"),
        (" ".join(WORDS) + "\n" + " ".join(WORDS), "48 words, must be 24"),
        # A mistake in the first line is told, not left out as a heading.
        ("\n".join(["abandonn", *WORDS[1:]]), "word number 1 'abandonn'.*mean abandon"),
        ("\n".join([*WORDS[:-1], "zooo"]), "word number 24 'zooo'"),
        (" ".join(WORDS).replace("a", "4"), "is not in the list"),
        ("", "0 words"),
        ("1 2 3", "0 words and 3 numbers"),
    ],
)
def test_what_leaves_something_open_is_refused(text: str, says: str) -> None:
    with pytest.raises(WordsError, match=says):
        entropy_of(text)


@pytest.mark.parametrize(
    ("letter", "stands_for"),
    [("\u212a", "k"), ("\u017f", "s"), ("\u0130", "i"), ("\uff41", "a"), ("\u0430", "a")],
)
def test_letters_that_only_look_or_fold_like_ascii(letter: str, stands_for: str) -> None:
    text = " ".join(["kiss", *WORDS[1:]])
    assert stands_for in text
    with pytest.raises(WordsError, match=rf"U\+{ord(letter):04X}"):
        entropy_of(text.replace(stands_for, letter))


@pytest.mark.parametrize("number", ["\u0661", "\u00b2", "\u2460"])
def test_digits_of_other_scripts(number: str) -> None:
    with pytest.raises(WordsError, match=rf"U\+{ord(number):04X}"):
        entropy_of(f"{number} " + " ".join(WORDS))
