"""24 words of BIP-39's English list and the 32 bytes that they stand for.

The list and the checksum are BIP-39's; what grows from the bytes is not, see ``derivation``.
"""

from difflib import get_close_matches
from functools import cache
from typing import Final

from mnemonic import Mnemonic

from esper.wallet.errors import WordsError

ENTROPY_BYTES: Final = 32
WORDS: Final = 24

_SHOWN_CHARACTERS: Final = 20
"""A wrong word is shown no longer than this; no word of the list has more than eight."""


@cache
def _list() -> Mnemonic:
    return Mnemonic("english")


def words_of(entropy: bytes) -> str:
    """The 24 words, separated by blanks. Raises ValueError unless there are 32 bytes."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"entropy has {len(entropy)} bytes, must have {ENTROPY_BYTES}")
    return _list().to_mnemonic(entropy)


def entropy_of(text: str) -> bytes:
    """The 32 bytes that 24 words stand for; case and the kind of blanks do not matter.

    Raises WordsError for another number of words, the first word that is not in the list, and
    words that are all known but do not fit together.
    """
    words = text.lower().split()
    known = set(_list().wordlist)
    if len(words) != WORDS:
        raise WordsError(f"there are {len(words)} words, must be {WORDS}: check what is missing")
    for number, word in enumerate(words, 1):
        if word not in known:
            raise WordsError(_unknown(number, word))
    try:
        return bytes(_list().to_entropy(words))
    except ValueError:
        raise WordsError(
            "all words are in the list but their checksum does not fit: "
            "one was copied wrongly, or two changed places"
        ) from None


def _unknown(number: int, word: str) -> str:
    shown = word if len(word) <= _SHOWN_CHARACTERS else word[:_SHOWN_CHARACTERS] + "…"
    near = get_close_matches(word[:_SHOWN_CHARACTERS], _list().wordlist, n=3, cutoff=0.5)
    meant = f", did you mean {' or '.join(near)}?" if near else ": look at it again"
    return f"word number {number} '{shown}' is not in the list{meant}"
