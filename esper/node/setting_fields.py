"""What a setting is: a field that carries everything that is said of it.

From such a field come its flag, its variable, its key in the file, its row of ``docs/node.md`` and
its line of ``esperd config``.
"""

import enum
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

T = TypeVar("T")

ENVIRONMENT_PREFIX: Final = "ESPER_"
HIDDEN: Final = "(hidden)"
YES: Final = ("1", "yes", "true", "on")
NO: Final = ("0", "no", "false", "off", "")
MOST_DIGITS: Final = 30
"""Of a number that is worth reading."""


class SettingsError(ValueError):
    """A setting that cannot be used, with its source and what it must be."""


class Use(enum.Enum):
    """Who needs a setting, and so takes its flag; ``esperd config`` takes them all."""

    DIRECTORY = "init, node, mine"
    """Every command that opens a data directory for a node."""
    NODE = "node, mine"
    """Every node."""
    MINING = "mine"
    """A miner alone."""


@dataclass(frozen=True, slots=True)
class EachText:
    """What each text of a list must look like."""

    pattern: str
    """Regular expression of the whole text."""
    must: str
    """The same in words, after "must be"."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What is said of a setting beside its name, type and default."""

    about: str
    """What it means, in a phrase."""
    use: Use
    """Who needs it."""
    least: int
    """Of a number."""
    most: int
    """Of a number."""
    choices: tuple[str, ...]
    """The only texts that it may be; empty: any."""
    each: EachText | None
    """Of a list."""
    secret: bool
    """Never shown, and no flag: what stands on a command line is seen by everybody."""
    shown_default: str | None
    """The default in words, where the value would not say it."""
    path_of: Callable[[str], Path]
    """Of a path: what a text stands for."""
    check: Callable[[str], object] | None
    """Of a text that is not empty, and of each text of a list: raises ValueError with what is wrong
    and what must stand there."""


_KEY: Final = "setting"


def setting(
    default: T,
    about: str,
    *,
    use: Use = Use.NODE,
    least: int | None = None,
    most: int | None = None,
    choices: Sequence[str] = (),
    each: EachText | None = None,
    secret: bool = False,
    shown_default: str | None = None,
    path_of: Callable[[str], Path] = Path,
    check: Callable[[str], object] | None = None,
) -> T:
    """A field of ``Settings``: texts, whole numbers, yes or no, paths, or tuples of texts.

    Numbers have a ``least`` and a ``most``. Raises TypeError and ValueError for a field that
    contradicts itself.
    """
    number: object = default
    if type(number) is int:
        if least is None or most is None:
            raise TypeError("a whole number has a least and a most")
        if not least <= number <= most:
            raise ValueError(f"{number} is not from {least} to {most}")
    if choices and default not in choices:
        raise ValueError(f"{default!r} is none of {', '.join(choices)}")
    numbers = (least or 0, most or 0)
    traits = Traits(
        about, use, *numbers, tuple(choices), each, secret, shown_default, path_of, check
    )
    # A field to dataclasses, the value itself to type checkers.
    made: T = field(default=default, metadata={_KEY: traits})
    return made


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as every place that shows or reads it needs it."""

    name: str
    """Of the field, and the key in the file."""
    kind: Any
    """Its type: str, int, bool, Path or tuple[str, ...]."""
    default: Any
    """Of that type."""
    traits: Traits
    """Everything else."""

    @property
    def flag(self) -> str | None:
        """On the command line; None if it has none."""
        return None if self.traits.secret else "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """In the environment."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def described(self) -> str:
        """What it means and what it may be, for people."""
        if self.kind is int:
            return f"{self.traits.about} ({self.traits.least} to {self.traits.most})"
        if self.traits.choices:
            return f"{self.traits.about} ({', '.join(self.traits.choices)})"
        return self.traits.about

    def plain(self, value: Any) -> Any:
        """A value as JSON has it, or words if it is not to be shown."""
        if self.traits.secret and value != self.default:
            return HIDDEN
        if isinstance(value, Path):
            # The empty path stands for none, where none is the default.
            return "" if value == self.default == Path() else str(value)
        return list(value) if isinstance(value, tuple) else value

    def place(self, value: Any, where: str) -> str:
        """A value and where it stands, as errors begin."""
        plain = str(value) if isinstance(value, Path) else value
        shown = HIDDEN if self.traits.secret else repr(plain)
        return f"{where}: {self.name} = {shown}"

    def read(self, value: Any, where: str) -> Any:
        """A value of the field's type; texts of environment and command line are read.

        Raises SettingsError with the place and what the value must be.
        """
        place = self.place(value, where)
        if self.kind is bool:
            return _as_bool(value, place)
        if self.kind is int:
            return self._as_int(value, place)
        if self.kind is Path:
            may_be_empty = self.default == Path()
            return _as_path(value, place, self.traits.path_of, may_be_empty=may_be_empty)
        if self.kind is str:
            return self._as_text(value, place)
        return self._as_texts(value, place)

    def _as_int(self, value: Any, place: str) -> int:
        least, most = self.traits.least, self.traits.most
        number = value
        if isinstance(value, str):
            number = int(value) if re.fullmatch(f"[+-]?[0-9]{{1,{MOST_DIGITS}}}", value) else None
        if type(number) is not int or not least <= number <= most:
            raise SettingsError(
                f"{place}: must be a whole number of at least {least} and at most {most}"
            )
        return number

    def _as_text(self, value: Any, place: str) -> str:
        if not isinstance(value, str):
            raise SettingsError(f"{place}: must be a text")
        choices = self.traits.choices
        if choices and value not in choices:
            raise SettingsError(f"{place}: must be one of {', '.join(choices)}")
        if value:
            self._check(value, place)
        return value

    def _as_texts(self, value: Any, place: str) -> tuple[str, ...]:
        texts = value.split(",") if isinstance(value, str) else value
        if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
            raise SettingsError(f"{place}: must be a list of texts")
        found = tuple(one.strip() for one in texts if one.strip())
        each = self.traits.each
        if each is not None and not all(re.fullmatch(each.pattern, one) for one in found):
            raise SettingsError(f"{place}: each must be {each.must}")
        for one in found:
            self._check(one, place)
        return found

    def _check(self, text: str, place: str) -> None:
        if self.traits.check is not None:
            try:
                self.traits.check(text)
            except ValueError as error:
                raise SettingsError(f"{place}: {error}") from error


def declared(settings: type[Any]) -> tuple[Setting, ...]:
    """Every setting of a class of settings, in the order of its fields.

    Raises TypeError for a field that was not made with ``setting``, or has a type of no use.
    """
    hints = get_type_hints(settings)
    found = []
    for one in fields(settings):
        kind = hints[one.name]
        if kind not in (str, int, bool, Path, tuple[str, ...]) or _KEY not in one.metadata:
            raise TypeError(f"{settings.__name__}.{one.name}: no setting, or of type {kind}")
        found.append(Setting(one.name, kind, one.default, one.metadata[_KEY]))
    return tuple(found)


def _as_path(value: Any, place: str, path_of: Callable[[str], Path], *, may_be_empty: bool) -> Path:
    if not isinstance(value, str | os.PathLike):
        raise SettingsError(f"{place}: must be a path")
    text = os.fspath(value)
    if "\0" in text or not (text or may_be_empty):
        raise SettingsError(f"{place}: must be a path, which is neither empty nor has a NUL in it")
    try:
        return path_of(text).expanduser()
    except RuntimeError as error:
        raise SettingsError(f"{place}: must be a path of this machine: {error}") from error


def _as_bool(value: Any, place: str) -> bool:
    if isinstance(value, bool):
        return value
    if value in YES:
        return True
    if value in NO:
        return False
    raise SettingsError(f"{place}: must be yes or no")
