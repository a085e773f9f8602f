"""An empty environment with the wheel in it, made without a network and without compiling."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PATIENCE_S = 300


def build_wheel(out: Path, extensions: str = "built") -> Path:
    """The wheel of the checkout, by its own build backend."""
    subprocess.run(
        [
            *(BIN / "uv", "build", "--quiet", "--wheel", "--offline", "--no-build-isolation"),
            *("--python", sys.executable, "--config-setting", f"extensions={extensions}"),
            *("--out-dir", out, ROOT),
        ],
        check=True,
        env=os.environ | {"UV_NO_CACHE": "1"},
        timeout=PATIENCE_S,
    )
    [wheel] = out.glob("*.whl")
    return wheel


def runtime_distributions() -> list[str]:
    """What the lock file for running the chain names, as far as it is for this machine."""
    lock = (ROOT / "requirements" / "runtime.lock").read_text(encoding="utf-8")
    pinned = [Requirement(line) for line in re.findall(r"^(\w\S*==.*?) \\$", lock, re.MULTILINE)]
    return [one.name for one in pinned if one.marker is None or one.marker.evaluate()]


@dataclass(frozen=True)
class Installed:
    """The environment."""

    folder: Path

    def run(self, *command: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        """A command of the environment, which knows nothing of the checkout or the caller."""
        name, *arguments = command
        bare = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "HOME": str(cwd),
            "LC_ALL": "C.UTF-8",
        }
        return subprocess.run(
            [self.folder / "bin" / name, *arguments],
            cwd=cwd,
            env=bare | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    @property
    def packages(self) -> Path:
        """Its folder of packages."""
        [found] = (self.folder / "lib").glob("python3.*/site-packages")
        return found


def installed_in_empty_environment(wheel: Path, folder: Path) -> Installed:
    """An environment with the locked distributions, linked from this one's, and the wheel."""
    venv.create(folder, with_pip=False)
    made = Installed(folder)
    for name in runtime_distributions():
        _link(name, made.packages)
    uv = (BIN / "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-cache")
    subprocess.run([*uv, "--python", folder / "bin" / "python", wheel], check=True)
    return made


def _link(name: str, packages: Path) -> None:
    found = distribution(name)
    tops = {file.parts[0] for file in found.files or () if file.parts[0] != ".."}
    for top in tops - {"__pycache__"}:
        source, target = Path(str(found.locate_file(top))), packages / top
        if target.exists():
            continue
        if top.endswith(".dist-info"):
            shutil.copytree(source, target)  # uv passes over links
        else:
            target.symlink_to(source)
