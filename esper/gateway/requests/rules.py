"""What may be done with one field of a request: the words in which ``fields`` writes its tables.

A rule is given what was found so far, the path of the field and its value, which is never null:
null passes everywhere as if the field were not there. It notes what the field says, or raises
Refused.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from esper.gateway.refusals import Refused
from esper.gateway.requests.draft import Draft

T = TypeVar("T")
Rule: TypeAlias = Callable[[T, str, Any], None]
Table: TypeAlias = Mapping[str, Rule[T]]
DraftRule: TypeAlias = Rule[Draft]

MAX_NUMBER: Final = (1 << 53) - 1
"""Greatest integer that every reader of JSON holds exactly."""

_SHOWN_NAME: Final = re.compile(r"[a-z_]{1,40}")
"""Names of fields that are told back: never a key, and no text of a prompt with blanks."""


def walk(found: dict[str, Any], where: str, table: Table[T], into: T) -> None:
    """Every field of an object by its rule. Raises Refused for one that the table does not know."""
    for name, value in found.items():
        if value is None:
            continue
        rule = table.get(name)
        if rule is None:
            raise _unknown(name, where)
        rule(into, f"{where}.{name}" if where else name, value)


def _unknown(name: str, where: str) -> Refused:
    place = f" in {where}" if where else ""
    if not _SHOWN_NAME.fullmatch(name):
        return Refused(
            "unknown_parameter", f"a field{place} is not known, its name is not shown: leave it out"
        )
    path = f"{where}.{name}" if where else name
    return Refused("unknown_parameter", f"{path} is not known here: leave it out", path)


def invalid(where: str, what: str) -> Refused:
    """A value of the wrong form; ``what`` goes on after the field's path."""
    return Refused("invalid_value", f"{where} {what}", where)


def unsupported(where: str, what: str) -> Refused:
    """A value that is in order and not served here."""
    return Refused("unsupported_value", f"{where} {what}", where)


def an_object(where: str, value: Any) -> dict[str, Any]:
    """``value`` if it is an object. Raises Refused."""
    if not isinstance(value, dict):
        raise invalid(where, "must be an object")
    return value


def a_flag(where: str, value: Any) -> bool:
    """``value`` if it is a truth value. Raises Refused."""
    if not isinstance(value, bool):
        raise invalid(where, "must be true or false")
    return value


def a_text(where: str, value: Any) -> str:
    """``value`` if it is a string. Raises Refused."""
    if not isinstance(value, str):
        raise invalid(where, "must be a string")
    return value


def an_integer(where: str, value: Any, least: int, most: int = MAX_NUMBER) -> int:
    """``value`` if it is an integer of that range; truth values are none. Raises Refused."""
    if type(value) is not int or not least <= value <= most:
        raise invalid(where, f"must be an integer of {least} to {most}")
    return value


def is_empty(value: Any) -> bool:
    """Whether a field says no more than its absence would."""
    return value is False or (isinstance(value, str | list | dict) and not value)


def nothing(into: object, where: str, value: Any) -> None:
    """The field changes nothing, whatever it holds."""


def refused(why: str) -> Rule[Any]:
    """Nothing but an empty value passes; ``why`` ends the sentence."""

    def rule(into: object, where: str, value: Any) -> None:
        if not is_empty(value):
            raise unsupported(where, f"is not served: {why}")

    return rule


def one_of(passes: tuple[str, ...], why: str) -> Rule[Any]:
    """Nothing but one of ``passes`` or an empty value passes."""

    def rule(into: object, where: str, value: Any) -> None:
        if value not in passes and not is_empty(value):
            raise unsupported(where, f"must be {' or '.join(passes)}: {why}")

    return rule


def all_of(passes: tuple[str, ...], why: str) -> Rule[Any]:
    """A list of nothing but ``passes``."""

    def rule(into: object, where: str, value: Any) -> None:
        if not is_empty(value) and not (
            isinstance(value, list) and all(one in passes for one in value)
        ):
            raise unsupported(where, f"must be a list of {' or '.join(passes)}: {why}")

    return rule


def flag(into: object, where: str, value: Any) -> None:
    """A truth value that changes nothing."""
    a_flag(where, value)


def inside(table: Table[T]) -> Rule[T]:
    """An object with fields of its own."""

    def rule(into: T, where: str, value: Any) -> None:
        walk(an_object(where, value), where, table, into)

    return rule


def neutral(*allowed: int, sampling: bool = True) -> DraftRule:
    """A number that leaves the one greedy answer as it is; the first of ``allowed`` is advised.

    Other numbers of a field of ``sampling`` are replaced where the key says so.
    """

    def rule(draft: Draft, where: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(where, "must be a number")
        if value in allowed:
            return
        if sampling and draft.greedy_anyway:
            draft.replaced.append(where)
            return
        why = "only greedy answers can be proven" if sampling else "a request has one answer"
        raise unsupported(where, f"is {json.dumps(value)}: {why}; send {allowed[0]} or nothing")

    return rule
