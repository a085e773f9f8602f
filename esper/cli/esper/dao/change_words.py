"""What is typed for a change: settings, shares and omegas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Final

from esper.dao.bodies import LINK, MAX_TEXTS, ChangeBody, Moved
from esper.dao.settings import SETTINGS
from esper.primitives.units import FIXED_POINT_ONE
from esper.wallet.errors import MisuseError

MAX_DIGITS: Final = 19


def change_of(
    settings: Iterable[str],
    shares: str | None,
    omegas: str | None,
    retire: int | None,
    texts: Sequence[bytes] | None,
    link: str,
) -> ChangeBody:
    """The change of ``name=value`` settings, ``tier:number`` lists, a tier that ends, and texts.

    ``texts`` are digests in place of the registered ones, 64 bytes each; None: those stay. Raises
    MisuseError for what cannot be read, or names something twice, or nothing.
    """
    if texts is not None and not len(set(texts)) == len(texts) <= MAX_TEXTS:
        raise MisuseError(f"--text: {MAX_TEXTS} texts at most, each once")
    try:
        return ChangeBody(
            settings=_ascending("--set", map(_setting, settings)),
            shares=_ascending("--shares", _pairs("--shares", shares, _share)),
            omegas=_ascending("--omega", _pairs("--omega", omegas, omega_of)),
            retire=() if retire is None else (retire,),
            texts=() if texts is None else (tuple(texts),),
            link=printable_ascii("--link", link, LINK),
        )
    except ValueError as error:
        raise MisuseError(str(error)) from error


def omega_of(text: str) -> int:
    """16.16 of a decimal number such as ``2.1``, rounded down. Raises ValueError."""
    whole, _, part = text.partition(".")
    digits = whole + part
    if not (digits.isascii() and digits.isdigit()) or len(digits) > MAX_DIGITS:
        raise ValueError
    return int(Fraction(text) * FIXED_POINT_ONE)


def printable_ascii(option: str, text: str, most: int) -> bytes:
    """A text as the chain keeps it. Raises MisuseError."""
    if not (text.isascii() and text.isprintable()) or len(text) > most:
        raise MisuseError(f"{option}: must be printable ASCII, {most} characters at most")
    return text.encode("ascii")


def _setting(text: str) -> Moved:
    name, equals, value = text.partition("=")
    key = next((one.key for one in SETTINGS.values() if one.name == name), None)
    if key is None:
        known = ", ".join(one.name for one in SETTINGS.values())
        raise MisuseError(f"--set {text[:40]!r}: votes move {known}; write such as dust=20000")
    if not equals or not _is_number(value):
        raise MisuseError(
            f"--set {text[:40]!r}: must be {name}=NUMBER, a whole number as `esper dao settings` "
            "shows it"
        )
    return Moved(key, int(value))


def _pairs(option: str, text: str | None, value: Callable[[str], int]) -> list[Moved]:
    found = []
    for part in text.split(",") if text else ():
        tier, _, number = part.partition(":")
        try:
            if not _is_number(tier) or int(tier) > 255:
                raise ValueError
            found.append(Moved(int(tier), value(number)))
        except ValueError:
            raise MisuseError(
                f"{option} {part[:40]!r}: must be TIER:NUMBER, and so on behind commas"
            ) from None
    return found


def _share(text: str) -> int:
    if not _is_number(text) or int(text) > FIXED_POINT_ONE:
        raise ValueError
    return int(text)


def _ascending(option: str, found: Iterable[Moved]) -> tuple[Moved, ...]:
    moved = tuple(sorted(found, key=lambda one: one.of))
    if len({one.of for one in moved}) < len(moved):
        raise MisuseError(f"{option}: something is named twice")
    if any(one.to >= 1 << 63 for one in moved):
        raise MisuseError(f"{option}: no number is that large")
    return moved


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
