"""`esper --version` and `esperd --version`: what is installed, and which extension it would load.

Asked before anything else is imported: the answer takes neither numpy nor the extension, and comes
where the extension cannot be loaded too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import esper
from esper.native_check import NativeExtensionError, stale_allowed, usable_extension

OPTION: Final = "--version"
TELLING: Final = ("sse4.2", "avx2", "avx512f", "avx512ifma", "vaes", "neon", "sve")
"""The features that tell kinds of processors apart, of the dozens that a record holds."""


def described(program: str) -> str:
    """Name and version, then a line each for the extension and for the sources' commit."""
    lines = [f"{program} {esper.__version__}"]
    try:
        usable = usable_extension(allow_stale=stale_allowed())
    except NativeExtensionError as error:
        return "\n".join([*lines, f"extension  none: {error}"])
    record, loaded = usable.record, usable.extension
    others = [one.level for one in record.extensions if one is not loaded]
    beside = f" (beside {', '.join(others)})" if others else ""
    lines.append(f"extension  {loaded.level}{beside}, {record.machine}")
    lines.append(f"built for  {_in_short(loaded.target_features)}")
    lines.append(f"commit     {record.commit or 'not known to the build'}")
    return "\n".join(lines)


def _in_short(features: Sequence[str]) -> str:
    telling = [name for name in TELLING if name in features]
    more = len(features) - len(telling)
    return f"{', '.join(telling)} and {more} more" if telling else f"{more} features"


def asked_for(arguments: Iterable[str]) -> bool:
    """Whether the version is the only thing that is asked for."""
    return list(arguments) == [OPTION]


def show(program: str) -> None:
    """Print it."""
    sys.stdout.write(described(program) + "\n")


def option(program: str) -> Callable[..., None]:
    """The callback of a command line whose help names the option."""
    import typer

    def tell(wanted: bool) -> None:
        if wanted:
            show(program)
            raise typer.Exit

    asked = typer.Option(False, OPTION, is_eager=True, callback=tell, help="What is installed.")

    def callback(version: bool = asked) -> None:
        pass

    return callback
