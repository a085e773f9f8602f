"""Flags of commands, made from the settings that they take."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec

import typer

from esper.cli.folder_option import folder_named
from esper.node.setting_fields import Setting, Use, declared
from esper.node.settings import Settings

P = ParamSpec("P")
Given = Mapping[str, Any]
"""Values of flags by the name of their setting; None where one was not given."""
METAVARS: Final = {int: "INTEGER", str: "TEXT", tuple[str, ...]: "TEXT,..."}


def takes_settings(
    *uses: Use,
) -> Callable[[Callable[Concatenate[Given, P], None]], Callable[..., None]]:
    """Give a command the flags of all settings of these uses, before its own options.

    It is called with what was given on the command line, and its own options by name.
    """
    taken = [one for one in declared(Settings) if one.flag is not None and one.traits.use in uses]

    def decorate(command: Callable[Concatenate[Given, P], None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        @functools.wraps(command)
        def run(*args: P.args, **values: P.kwargs) -> None:
            given = {one.name: _given(values.pop(one.name)) for one in taken}
            command(given, *args, **values)

        parameters = [*map(option_of, taken), *own]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


def option_of(one: Setting) -> inspect.Parameter:
    """The flag of a setting. Its value is read with the settings, so that all errors are alike."""
    assert one.flag is not None
    declaration, shown = one.flag, METAVARS.get(one.kind)
    kind: Any = str | None
    if one.kind is bool:
        kind = bool | None
        # What says no by its name has no other side.
        if not one.name.startswith("no_"):
            declaration = f"{one.flag}/--no-{one.flag.removeprefix('--')}"
    elif one.kind is Path:
        kind = Path | None
    elif one.kind == tuple[str, ...]:
        # Whoever repeats the flag names more, and does not mean the last alone.
        kind = list[str] | None
    parser = folder_named if one.name == "datadir" else None
    option = typer.Option(None, declaration, help=one.described, metavar=shown, parser=parser)
    return inspect.Parameter(
        one.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=option, annotation=kind
    )


def _given(value: Any) -> Any:
    """A flag's value as the settings read it: a list that was repeated is one with commas."""
    if isinstance(value, list):
        return ",".join(value) if value else None
    return value
