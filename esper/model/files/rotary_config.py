"""What a ``config.json`` says about the rotary position code: taken, or refused by name.

The integer model has every code that is one frequency for each pair: the plain one, ``linear`` and
``llama3``. Checkpoints describe it in four places: at the top of the file, in ``rope_parameters``
(transformers 5) and in ``rope_scaling`` (before), each under the newer key ``rope_type`` or the
older ``type``. Every member is honoured, known to change nothing, or refused by its name; none is
passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from esper.model.errors import InvalidFieldError, UnsupportedArchitectureError
from esper.model.rotary import LinearScaling, Llama3Scaling, RopeScaling

_DEFAULT_THETA: Final = 10_000.0
_MOST: Final = 1e12
_OBJECTS: Final = ("rope_parameters", "rope_scaling")
_KEYS: Final = ("rope_type", "type")
_FACTOR: Final = "factor"
_ONES: Final = ("attention_factor", "partial_rotary_factor")
"""Each multiplies: 1 changes nothing."""
_LENGTH: Final = "original_max_position_embeddings"
_SWITCHES: Final = ("rope_interleaved", "mrope_interleaved", "use_dynamic_ntk")
_TURNS: Final = ("low_freq_factor", "high_freq_factor")
"""Members of ``llama3`` alone."""
_OF_OTHER_CODES: Final = (
    "beta_fast",
    "beta_slow",
    "short_factor",
    "long_factor",
    "short_mscale",
    "long_mscale",
    "mscale",
    "mscale_all_dim",
    "mrope_section",
    "truncate",
)
_OTHER_CODES: Final[Mapping[str, str]] = {
    "dynamic": "frequencies that change with the length of the text",
    "ntk": "frequencies that change with the length of the text",
    "yarn": "cosines and sines above 1",
    "longrope": "two sets of frequencies, by the length of the text, and cosines and sines above 1",
    "su": "two sets of frequencies, by the length of the text, and cosines and sines above 1",
    "mrope": "positions in three directions",
    "proportional": "a rotary code of a part of each head",
}
"""Names of codes that no table of the integer model holds, and what they have that it lacks."""
_SUPPORTED: Final = "'default', 'linear' or 'llama3'"
_ROTARY_NAMES: Final = ("rope_", "rotary_", "mrope_", "ntk_", "yarn_")
"""How members of a rotary code begin at the top of the file."""
_KNOWN: Final = frozenset(
    (*_KEYS, _FACTOR, *_ONES, _LENGTH, *_SWITCHES, *_TURNS, *_OF_OTHER_CODES, "rope_theta")
)


@dataclass(frozen=True, slots=True)
class RotaryCode:
    """The rotary code of a checkpoint."""

    theta: float
    """Base of the frequencies, at least 1."""
    scaling: RopeScaling | None
    """How they are scaled; None for the plain code."""


def rotary_code_of(fields: Mapping[str, Any]) -> RotaryCode:
    """Return the rotary code of a ``config.json`` already parsed.

    Raises:
        UnsupportedArchitectureError: a member asks for a code that the integer model lacks.
        InvalidFieldError: a member is absent, of the wrong type or out of range, or two of them
            contradict each other.
    """
    thetas: dict[str, float] = {}
    codes: dict[str, RopeScaling | None] = {}
    for name in _OBJECTS:
        members = fields.get(name)
        if members is None:
            continue
        if not isinstance(members, dict):
            raise InvalidFieldError(name, members, "an object")
        prefix = f"{name}."
        code = _code(members, prefix)
        if code is not None:
            codes[prefix + code[0]] = _scaling(code[1], members, prefix)
        _check(members, prefix, fields, thetas, code[1] if code else "default")
        _refuse_unknown(members, prefix, _KNOWN, "")
    scaling = _agreed(codes)
    _check_top(fields, scaling, thetas)
    # As in transformers: what stands in an object goes before the top of the file.
    top = thetas.pop("rope_theta", _DEFAULT_THETA)
    if len(set(thetas.values())) > 1:
        first, other = thetas
        raise InvalidFieldError(other, thetas[other], f"{thetas[first]}, as '{first}' says")
    return RotaryCode(next(iter(thetas.values()), top), scaling)


def positive_number(name: str, value: object) -> float:
    """Check a constant of the file. Raises InvalidFieldError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _MOST:
        raise InvalidFieldError(name, value, "a positive number")
    return float(value)


def _at_least_one(name: str, value: object) -> float:
    # Below 1 a base, or a factor, would make frequencies of more than a radian.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < _MOST:
        raise InvalidFieldError(name, value, "a number from 1 to 10^12")
    return float(value)


def _code(members: Mapping[str, Any], prefix: str) -> tuple[str, str] | None:
    """The key and the name of the code; None where none is named."""
    found: tuple[str, str] | None = None
    for key in _KEYS:
        value = members.get(key)
        if value is None:
            continue
        if value not in ("default", "linear", "llama3"):
            feature = _OTHER_CODES.get(value, "") if isinstance(value, str) else ""
            raise UnsupportedArchitectureError(prefix + key, value, _SUPPORTED, feature=feature)
        if found is not None and value != found[1]:
            raise InvalidFieldError(
                prefix + key, value, f"{found[1]!r}, as '{prefix}{found[0]}' says"
            )
        found = found or (key, value)
    return found


def _scaling(code: str, members: Mapping[str, Any], prefix: str) -> RopeScaling | None:
    """The numbers of a code; None where they scale nothing."""
    if code == "default":
        return None
    factor = _at_least_one(prefix + _FACTOR, members.get(_FACTOR))
    if code == "linear":
        return LinearScaling(factor) if factor > 1 else None
    low, high = (positive_number(prefix + name, members.get(name)) for name in _TURNS)
    if high <= low:
        raise InvalidFieldError(
            f"{prefix}high_freq_factor", high, f"more than '{prefix}low_freq_factor', {low}"
        )
    length = _length(prefix + _LENGTH, members.get(_LENGTH))
    return Llama3Scaling(factor, low, high, length) if factor > 1 else None


def _length(name: str, value: object) -> int:
    if type(value) is not int or not 0 < value < _MOST:
        raise InvalidFieldError(name, value, "a number of tokens, at least 1")
    return value


def _agreed(codes: Mapping[str, RopeScaling | None]) -> RopeScaling | None:
    """The code that all places name. Raises InvalidFieldError where they differ."""
    scalings = list(codes.values())
    if len(scalings) == 2 and scalings[0] != scalings[1]:
        first, other = codes
        raise InvalidFieldError(other, codes[other], f"the same code as '{first}'")
    return scalings[0] if scalings else None


def _check_top(
    fields: Mapping[str, Any], scaling: RopeScaling | None, thetas: dict[str, float]
) -> None:
    """Check what stands at the top of the file, where only the plain code is described."""
    # `type` could be anybody's there; only the name of a code is a code's.
    for key, foreign in (("rope_type", True), ("type", False)):
        value = fields.get(key)
        named = value is not None if foreign else value in (*_OTHER_CODES, "linear", "llama3")
        if named and value != "default":
            feature = _OTHER_CODES.get(value, "") if isinstance(value, str) else ""
            raise UnsupportedArchitectureError(key, value, "'default'", feature=feature)
    lengths = [fields.get("max_position_embeddings")]
    if isinstance(scaling, Llama3Scaling):
        lengths.append(scaling.original_length)
    _check(fields, "", fields, thetas, "default", lengths)
    _refuse_unknown(fields, "", _KNOWN | set(_OBJECTS), _ROTARY_NAMES)


def _refuse_unknown(
    members: Mapping[str, Any], prefix: str, known: Set[str], begins: str | tuple[str, ...]
) -> None:
    """Refuse what begins so, says something, and is not known."""
    for name, value in members.items():
        if name.startswith(begins) and name not in known and value is not None:
            raise UnsupportedArchitectureError(prefix + name, value, "a rotary code without it")


def _check(
    members: Mapping[str, Any],
    prefix: str,
    fields: Mapping[str, Any],
    thetas: dict[str, float],
    code: str,
    lengths: Collection[object] | None = None,
) -> None:
    """Check the members that ``code`` has no use for; add the base to ``thetas`` if there is one.

    What the code has a use for was read by ``_scaling``.
    """

    def plain(name: str, fits: Callable[[Any], bool], supported: str) -> None:
        value = members.get(name)
        if value is not None and not fits(value):
            raise UnsupportedArchitectureError(prefix + name, value, supported)

    for name in _ONES if code != "default" else (_FACTOR, *_ONES):
        plain(name, lambda value: not isinstance(value, bool) and value == 1, "1")
    for name in _SWITCHES:
        plain(name, lambda value: value is False, "false")
    for name in _OF_OTHER_CODES if code == "llama3" else (*_TURNS, *_OF_OTHER_CODES):
        plain(name, lambda value: False, "a rotary code without it")
    if code == "default":
        longest = fields.get("max_position_embeddings")
        taken = [longest] if lengths is None else lengths
        plain(_LENGTH, lambda value: value in taken, f"max_position_embeddings = {longest}")
    elif members.get(_LENGTH) is not None:
        # A linear code goes by its factor alone.
        _length(prefix + _LENGTH, members[_LENGTH])
    if members.get("rope_theta") is not None:
        name = f"{prefix}rope_theta"
        thetas[name] = _at_least_one(name, members["rope_theta"])
