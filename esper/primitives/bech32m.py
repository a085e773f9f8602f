"""Bech32m (BIP 350): text with a human-readable prefix and a checksum of 30 bits.

    text = prefix || "1" || data in 5-bit letters || 6 letters of checksum

Detects any four wrong letters in a text of at most 90; ours have up to 65.
"""

from collections.abc import Iterable
from typing import Final

CHARSET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CHECKSUM_LETTERS: Final = 6
CONSTANT: Final = 0x2BC830A3
GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
MAX_LETTERS: Final = 90


class Bech32Error(ValueError):
    """A text that is no bech32m, with the reason."""


def _polymod(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(GENERATORS):
            if top >> bit & 1:
                check ^= generator
    return check


def _expand(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _regroup(values: Iterable[int], width_in: int, width_out: int, *, pad: bool) -> list[int]:
    """Regroup bits. Without ``pad`` the bits left over must be few and zero, else Bech32Error."""
    accumulator = bits = 0
    out: list[int] = []
    for value in values:
        accumulator = (accumulator << width_in | value) & (1 << (width_in + width_out)) - 1
        bits += width_in
        while bits >= width_out:
            bits -= width_out
            out.append(accumulator >> bits & (1 << width_out) - 1)
    rest = accumulator & (1 << bits) - 1
    if pad and bits:
        out.append(rest << (width_out - bits))
    elif not pad and (bits >= width_in or rest):
        raise Bech32Error("the padding after the last byte must be fewer than 5 bits, all zero")
    return out


def bech32m_encode(prefix: str, data: bytes) -> str:
    """Text for ``data`` under a lower-case ASCII prefix. Raises Bech32Error if it is too long."""
    letters = _regroup(data, 8, 5, pad=True)
    if len(prefix) + 1 + len(letters) + CHECKSUM_LETTERS > MAX_LETTERS:
        raise Bech32Error(f"{len(data)} bytes under prefix {prefix!r} exceed {MAX_LETTERS} letters")
    check = _polymod(_expand(prefix) + letters + [0] * CHECKSUM_LETTERS) ^ CONSTANT
    letters += [check >> 5 * (CHECKSUM_LETTERS - 1 - i) & 31 for i in range(CHECKSUM_LETTERS)]
    return prefix + "1" + "".join(CHARSET[letter] for letter in letters)


def bech32m_decode(text: str) -> tuple[str, bytes]:
    """(prefix, data) of ASCII all in lower or all in upper case. Raises Bech32Error."""
    if len(text) > MAX_LETTERS:
        raise Bech32Error(f"{len(text)} letters, at most {MAX_LETTERS} allowed")
    # Before case is folded: U+212A, the Kelvin sign, is a k in lower case.
    if not text.isascii():
        letter = next(c for c in text if not c.isascii())
        raise Bech32Error(f"letter {letter!r} (U+{ord(letter):04X}) does not occur in bech32m")
    if text.lower() != text and text.upper() != text:
        raise Bech32Error("mixed upper and lower case; write it in one of them")
    text = text.lower()
    prefix, separator, body = text.rpartition("1")
    if not separator or not prefix or len(body) < CHECKSUM_LETTERS:
        raise Bech32Error("must be a prefix, the digit 1 and at least six letters")
    if any(not "!" <= c <= "~" for c in prefix):
        raise Bech32Error("the prefix must be printable ASCII")
    letters = [CHARSET.find(c) for c in body]
    if -1 in letters:
        raise Bech32Error(f"letter {body[letters.index(-1)]!r} does not occur in bech32m")
    if _polymod(_expand(prefix) + letters) != CONSTANT:
        raise Bech32Error("the checksum does not match; a letter is wrong or missing")
    return prefix, bytes(_regroup(letters[:-CHECKSUM_LETTERS], 5, 8, pad=False))
