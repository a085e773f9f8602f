"""What a ``config.json`` says about the rotary position code: plain, or refused by name.

The integer model has the plain code alone. Checkpoints describe it in four places: at the top of
the file, in ``rope_parameters`` (transformers 5) and in ``rope_scaling`` (before), each under the
newer key ``rope_type`` or the older ``type``. Every member is honoured, known to change nothing, or
refused by its name; none is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any, Final

from esper.model.errors import InvalidFieldError, UnsupportedArchitectureError

_DEFAULT_THETA: Final = 10_000.0
_OBJECTS: Final = ("rope_parameters", "rope_scaling")
_FACTORS: Final = ("factor", "attention_factor", "partial_rotary_factor")
"""Each multiplies: 1 changes nothing."""
_LENGTH: Final = "original_max_position_embeddings"
_SWITCHES: Final = ("rope_interleaved", "mrope_interleaved", "use_dynamic_ntk")
_OF_OTHER_CODES: Final = (
    "beta_fast",
    "beta_slow",
    "low_freq_factor",
    "high_freq_factor",
    "short_factor",
    "long_factor",
    "short_mscale",
    "long_mscale",
    "mscale",
    "mscale_all_dim",
    "mrope_section",
    "truncate",
)
_CODES: Final = ("linear", "dynamic", "yarn", "longrope", "llama3", "ntk", "proportional", "su")
_ROTARY_NAMES: Final = ("rope_", "rotary_", "mrope_", "ntk_", "yarn_")
"""How members of a rotary code begin at the top of the file."""
_KNOWN: Final = frozenset(
    ("rope_type", "type", *_FACTORS, _LENGTH, *_SWITCHES, *_OF_OTHER_CODES, "rope_theta")
)


def plain_rope_theta(fields: Mapping[str, Any]) -> float:
    """Return the base of the rotary frequencies.

    Raises:
        UnsupportedArchitectureError: a member asks for another code than the plain one.
        InvalidFieldError: a member is of the wrong type, or two of them contradict each other.
    """
    thetas: dict[str, float] = {}
    _check(fields, "", fields, thetas)
    _refuse_unknown(fields, "", _KNOWN | set(_OBJECTS), _ROTARY_NAMES)
    for name in _OBJECTS:
        members = fields.get(name)
        if members is None:
            continue
        if not isinstance(members, dict):
            raise InvalidFieldError(name, members, "an object")
        _check(members, f"{name}.", fields, thetas)
        _refuse_unknown(members, f"{name}.", _KNOWN, "")
    # As in transformers: what stands in an object goes before the top of the file.
    top = thetas.pop("rope_theta", _DEFAULT_THETA)
    if len(set(thetas.values())) > 1:
        first, other = thetas
        raise InvalidFieldError(other, thetas[other], f"{thetas[first]}, as '{first}' says")
    return next(iter(thetas.values()), top)


def _refuse_unknown(
    members: Mapping[str, Any], prefix: str, known: Set[str], begins: str | tuple[str, ...]
) -> None:
    """Refuse what begins so, says something, and is not known."""
    for name, value in members.items():
        if name.startswith(begins) and name not in known and value is not None:
            raise UnsupportedArchitectureError(
                prefix + name, value, "a plain rotary code without it"
            )


def positive_number(name: str, value: object) -> float:
    """Check a constant of the file. Raises InvalidFieldError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise InvalidFieldError(name, value, "a positive number")
    return float(value)


def _check(
    members: Mapping[str, Any],
    prefix: str,
    fields: Mapping[str, Any],
    thetas: dict[str, float],
) -> None:
    """Check the members that are known, and add the base to ``thetas`` where there is one."""

    def plain(name: str, fits: Callable[[Any], bool], supported: str) -> None:
        value = members.get(name)
        if value is not None and not fits(value):
            raise UnsupportedArchitectureError(prefix + name, value, supported)

    plain("rope_type", lambda value: value == "default", "'default'")
    # At the top of the file `type` could be anybody's; only the name of a code is a code's.
    plain("type", lambda v: v == "default" if prefix else v not in _CODES, "'default'")
    for name in _FACTORS:
        plain(name, lambda value: not isinstance(value, bool) and value == 1, "1")
    longest = fields.get("max_position_embeddings")
    plain(_LENGTH, lambda value: value == longest, f"max_position_embeddings = {longest}")
    for name in _SWITCHES:
        plain(name, lambda value: value is False, "false")
    for name in _OF_OTHER_CODES:
        plain(name, lambda value: False, "a plain rotary code without it")
    if members.get("rope_theta") is not None:
        name = f"{prefix}rope_theta"
        thetas[name] = positive_number(name, members["rope_theta"])
