"""What a new password may be: something that whoever knows it can type again."""

import unicodedata
from typing import Final

from esper.wallet.errors import MisuseError

MAX_PASSWORD_CHARACTERS: Final = 1024
_UNTYPABLE: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Unicode's categories of control characters, of those that show as nothing and steer what stands
beside them, and of line and paragraph separators."""
_JOINERS: Final = "\u200c\u200d"
"""Of the category Cf: on keyboards of Persian and of Indian scripts, and within emoji."""
_FILLERS: Final = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Letters, marks and symbols by their category that show as nothing."""


def check_password(password: str) -> None:
    """A new password can be typed again by whoever knows it, and is no file. Raises MisuseError.

    Wallets whose passwords were chosen before these rules still open.
    """
    if not password:
        raise MisuseError("the password is empty: choose one, it protects the file on this disk")
    if len(password) > MAX_PASSWORD_CHARACTERS:
        raise MisuseError(f"the password is longer than {MAX_PASSWORD_CHARACTERS} characters")
    odd = untypable(password)
    if odd:
        raise MisuseError(f"the password holds {odd}, which nobody can type again: leave it out")
    if not password.strip(_JOINERS):
        raise MisuseError("nothing of the password can be seen: choose another")
    if password != password.strip():
        raise MisuseError(
            "the password begins or ends with a blank, which nobody sees: leave it out"
        )


def untypable(password: str) -> str:
    """The first thing in it that no keyboard gives, in words; nothing if there is none."""
    for character in password:
        if character == "\r":
            return "a carriage return (does the file that sets it have Windows line ends?)"
        if unicodedata.category(character) == "Cs":
            return "bytes that are no text in this locale's encoding"
        if unicodedata.category(character) in _UNTYPABLE and character not in _JOINERS:
            return f"the control character U+{ord(character):04X}"
        if character in _FILLERS:
            return f"the character U+{ord(character):04X}, which shows as nothing"
    return ""
