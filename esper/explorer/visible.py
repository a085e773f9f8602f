"""Values as pages show them. What strangers wrote is text alone, and every character of it shows.

Control characters, marks that turn the direction of writing, and others that have no shape of their
own would let a text look like another one: they are shown as escapes. Line feeds and tabs stay.
"""

import re
import unicodedata
from datetime import UTC, datetime
from math import log2
from typing import Final

from esper.primitives.units import UNITS_PER_ESP, format_credits, format_esp

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of Unicode without a shape."""
_KEPT: Final = frozenset("\n\t\u200c\u200d")
"""Those that lines, columns, and joined letters and pictures need."""
_SUSPECT: Final = re.compile(r"[^ -~\n\t]")
_THOUSAND: Final = 1000
FOLDED: Final = 280
"""Characters of a text that is shown without being unfolded."""
FOLDED_LINES: Final = 10
"""Lines of it."""
MOST_SHOWN: Final = 65_536
"""Characters of a text that a page holds."""


def visible(text: str) -> str:
    r"""The text with escapes, such as ``\u202e``, for what would not be seen."""
    return _SUSPECT.sub(lambda found: _escaped(found[0]), text)


def _escaped(one: str) -> str:
    if one in _KEPT or unicodedata.category(one) not in _UNSEEN:
        return one
    code = ord(one)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(text: str) -> str:
    """As much of a text as a page holds, visible."""
    cut = visible(text[:MOST_SHOWN])
    return cut if len(text) <= MOST_SHOWN else f"{cut} … {len(text) - MOST_SHOWN} characters more"


def beginning(text: str) -> str:
    """The first characters of a text, in one line, for where it is folded."""
    line = " ".join(text[:FOLDED].split())
    return visible(line) + (" …" if len(text) > FOLDED else "")


def is_long(text: str) -> bool:
    """Whether a text is folded."""
    return len(text) > FOLDED or text.count("\n") > FOLDED_LINES


def esp(units: str | int) -> str:
    """Units for people: ``1,234.5 ESP``."""
    return _grouped(format_esp(int(units)))


def coarse(units: str | int) -> str:
    """Units as whole coins and two places, cut off and without a name, where space is short."""
    cents = int(units) // (UNITS_PER_ESP // 100)
    return f"{cents // 100:,}.{cents % 100:02d}"


def credits_text(micro: str | int) -> str:
    """Micro-credits for people."""
    return _grouped(format_credits(int(micro)))


def count(number: str | int) -> str:
    """A whole number with its thousands apart."""
    return f"{int(number):,}"


def counted(number: int, thing: str) -> str:
    """So many of a thing whose name takes an s."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def size(number: int) -> str:
    """Bytes for people."""
    if number < _THOUSAND:
        return f"{number} B"
    for unit in ("kB", "MB"):
        number_of = number / _THOUSAND ** (1 if unit == "kB" else 2)
        if number_of < _THOUSAND:
            return f"{number_of:.1f} {unit}"
    return f"{number / _THOUSAND**3:.1f} GB"


def moment(time_ms: int) -> str:
    """A time in UTC: ``2026-12-02 06:57:44``. Times of blocks are miners' words, so any number."""
    try:
        return datetime.fromtimestamp(time_ms // _THOUSAND, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return f"{time_ms} ms"


def machine_moment(time_ms: int) -> str:
    """The same for the attribute of ``<time>``."""
    return moment(time_ms).replace(" ", "T") + "Z"


def duration(milliseconds: int) -> str:
    """How long something takes, in the greatest unit that fits and the next: ``3 min 20 s``."""
    seconds = max(0, milliseconds) // _THOUSAND
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return _two(seconds, 60, "min", "s")
    if seconds < 86_400:
        return _two(seconds // 60, 60, "h", "min")
    return _two(seconds // 3600, 24, "d", "h")


def per_mille(number: int) -> str:
    """Thousandths as a percentage: ``12.5 %``."""
    return f"{number / 10:.1f} %"


def fraction(part: int, whole: int) -> str:
    """A part of a whole as a percentage; a dash of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def log_target(target: str) -> float:
    """Base-2 logarithm of a target in hex."""
    return log2(int(target, 16) + 1)


def attempts(target: str) -> str:
    """How many attempts a target lets expect, of as many bits as its hex has."""
    expected = 4 * len(target) - log_target(target)
    return f"2^{expected:.2f}" if expected >= 24 else f"{2**expected:,.1f}"


def _two(number: int, one: int, great: str, small: str) -> str:
    whole, rest = divmod(number, one)
    return f"{whole} {great} {rest} {small}" if rest else f"{whole} {great}"


def _grouped(amount: str) -> str:
    number, _, unit = amount.partition(" ")
    whole, point, part = number.partition(".")
    return f"{int(whole):,}{point}{part} {unit}"
