"""24 words of BIP-39's English list and the 32 bytes that they stand for.

The list and the checksum are BIP-39's; what grows from the bytes is not, see ``derivation``.
"""

from difflib import get_close_matches
from functools import cache
from typing import Final

from mnemonic import Mnemonic

from esper.wallet.amounts import counted
from esper.wallet.errors import WordsError
from esper.wallet.written_words import parts_of, words_in

ENTROPY_BYTES: Final = 32
WORDS: Final = 24

_SHOWN_CHARACTERS: Final = 20
"""A wrong word is shown no longer than this; no word of the list has more than eight."""


@cache
def _list() -> Mnemonic:
    return Mnemonic("english")


@cache
def _known() -> frozenset[str]:
    return frozenset(_list().wordlist)


def words_of(entropy: bytes) -> str:
    """The 24 words, separated by blanks. Raises ValueError unless there are 32 bytes."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"entropy has {len(entropy)} bytes, must have {ENTROPY_BYTES}")
    return _list().to_mnemonic(entropy)


def entropy_of(text: str) -> bytes:
    """The 32 bytes that 24 words stand for, however they are written down.

    Case, blanks, line ends and punctuation do not matter; numbers beside the words say their order;
    lines above and below that are no words of the list are left out. Raises WordsError for another
    number of words, the first word that is not in the list, numbers that are not 1 to 24, letters
    that are not ASCII, and words that are all known but do not fit together.
    """
    words = words_in(text, _known(), WORDS)
    wrong = next((n for n, word in enumerate(words, 1) if word not in _known()), None)
    if len(words) != WORDS:
        first = "" if wrong is None else f"; {_unknown(wrong, words[wrong - 1])}"
        raise WordsError(
            f"{counted(len(words), 'word')}, must be {WORDS}: check what is missing{first}"
        )
    if wrong is not None:
        raise WordsError(_unknown(wrong, words[wrong - 1]))
    try:
        return bytes(_list().to_entropy(words))
    except ValueError:
        raise WordsError(
            "all words are in the list but their checksum does not fit: "
            "one was copied wrongly, or two changed places"
        ) from None


def count_of(text: str) -> int:
    """How many words of the list a text that may not be complete holds."""
    return sum(part in _known() for part in parts_of(text))


def _unknown(number: int, word: str) -> str:
    shown = word if len(word) <= _SHOWN_CHARACTERS else word[:_SHOWN_CHARACTERS] + "…"
    near = get_close_matches(word[:_SHOWN_CHARACTERS], _list().wordlist, n=3, cutoff=0.5)
    meant = f", did you mean {' or '.join(near)}?" if near else ": look at it again"
    return f"word number {number} '{shown}' is not in the list{meant}"
