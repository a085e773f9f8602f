"""For which processors an extension is compiled, and what the compiler is told for it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esper.native_record import NATIVE_LEVEL
from esper.processor import X86


@dataclass(frozen=True, slots=True)
class Level:
    """Processors that one extension is for."""

    name: str
    """Stands in the build record and, with `_` for `-`, in the file's name."""
    flags: tuple[str, ...]
    """What rustc is told."""

    @property
    def file(self) -> str:
        """Name of the extension in the package."""
        return f"_native_{self.name.replace('-', '_')}.abi3.so"


def _x86(version: int) -> Level:
    return Level(f"x86-64-v{version}", (f"-Ctarget-cpu=x86-64-v{version}",))


PORTABLE_X86: Final = (_x86(4), _x86(3), _x86(2))
"""AVX-512, AVX2, SSE4.2, the most demanding first. Below the last numpy does not run either."""
GENERIC: Final = Level("generic", ())
"""Every processor of an architecture."""


def portable_levels(machine: str) -> tuple[Level, ...]:
    """What a wheel for everybody carries, on an architecture as `platform.machine()` names it."""
    return PORTABLE_X86 if machine in X86 else (GENERIC,)


def native_level(environment: Mapping[str, str]) -> Level:
    """This very processor, or what RUSTFLAGS says."""
    flags = shlex.split(environment.get("RUSTFLAGS", "-C target-cpu=native"))
    return Level(NATIVE_LEVEL, tuple(flags))


def published(level: Level, root: Path) -> Level:
    """The same for a file that leaves this machine: no symbols, and no paths of this machine."""
    cargo_home = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
    remapped = (f"--remap-path-prefix={cargo_home}=cargo", f"--remap-path-prefix={root}=esperchain")
    return Level(level.name, (*level.flags, "-Cstrip=symbols", *remapped))


def target_features(flags: Sequence[str], root: Path) -> tuple[str, ...]:
    """Return the processor features that rustc may use under `flags`, sorted."""
    configuration = subprocess.run(
        ["rustc", "--print", "cfg", *flags], cwd=root, check=True, capture_output=True, text=True
    ).stdout
    return tuple(sorted(re.findall(r'^target_feature="([^"]+)"$', configuration, re.MULTILINE)))


def compilers_own_target(root: Path) -> str:
    """What rustc compiles for where nothing else is said."""
    told = subprocess.run(
        ["rustc", "--version", "--verbose"], cwd=root, check=True, capture_output=True, text=True
    ).stdout
    [target] = re.findall(r"^host: (\S+)$", told, re.MULTILINE)
    return str(target)
