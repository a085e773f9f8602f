"""The build backend of pyproject.toml (PEP 517): a wheel that runs from any folder.

The setting `extensions` says which compiled files the wheel carries:

    portable   one for each level of processors, the best of which is taken at import (the default)
    native     one for this very processor, or what RUSTFLAGS says: a third of the time
    built      the one that `make build` left in the checkout; nothing is compiled

    pip wheel . --config-settings extensions=native
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import maturin

from esper.native_check import usable_extension
from esper.native_record import RECORD_NAME, source_digest
from esper_wheel.compiling import WORKSPACE, compile_level
from esper_wheel.levels import Level, native_level, portable_levels, published
from esper_wheel.packing import write_wheel
from esper_wheel.recording import described, record_of
from esper_wheel.sources import write_sources

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("portable", "native", "built")
Given = Mapping[str, Any] | None

# Otherwise maturin would have a toolchain downloaded by a package of others.
os.environ["MATURIN_NO_INSTALL_RUST"] = "1"


def kind_of(config_settings: Given) -> str:
    """What the setting says. Raises SystemExit where it is none of the three."""
    kind = (config_settings or {}).get("extensions", KINDS[0])
    if kind not in KINDS:
        raise SystemExit(f"error: extensions={kind}: must be one of {', '.join(KINDS)}")
    return str(kind)


def _find_tools() -> None:
    """Raises SystemExit where there is no Rust. Without isolation maturin may be off the path."""
    for tool in ("cargo", "rustc"):
        if shutil.which(tool) is None:
            raise SystemExit(
                f"error: esperchain is compiled from Rust, and no `{tool}` is on the path: install "
                "Rust 1.95 or later"
            )
    if shutil.which("maturin") is None:
        folders = (str(Path(sys.executable).parent), os.environ.get("PATH", ""))
        os.environ["PATH"] = os.pathsep.join(folders)


def build_wheel(
    wheel_directory: str, config_settings: Given = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel into the folder; return its name."""
    kind = kind_of(config_settings)
    _find_tools()
    with tempfile.TemporaryDirectory(prefix="esper-wheel-") as scratch:
        if kind == "built":
            return _of_what_is_built(Path(wheel_directory), Path(scratch))
        levels = portable_levels(platform.machine())
        if kind == "native":
            levels = (native_level(os.environ),)
        return _of_levels(Path(wheel_directory), Path(scratch), levels)


def _of_levels(folder: Path, scratch: Path, levels: tuple[Level, ...]) -> str:
    # Before the build: a file edited meanwhile makes the extension stale, never wrongly fresh.
    sources = source_digest(ROOT / WORKSPACE)
    extensions, files, dist_infos = [], {}, []
    for level in levels:
        told = published(level, ROOT)
        compiled = compile_level(ROOT, told, scratch)
        extensions.append(described(compiled.extension, told, ROOT, level.file))
        files[level.file] = compiled.extension
        dist_infos.append(compiled.dist_info)
    return write_wheel(folder, ROOT, dist_infos[0], record_of(extensions, sources, ROOT), files)


def _of_what_is_built(folder: Path, scratch: Path) -> str:
    """Raises ImportError with the sentence if it is missing, stale or of another processor."""
    usable = usable_extension()
    dist_info = scratch / maturin.prepare_metadata_for_build_wheel(str(scratch))
    return write_wheel(folder, ROOT, dist_info, usable.record, {usable.path.name: usable.path})


def build_editable(
    wheel_directory: str, config_settings: Given = None, metadata_directory: str | None = None
) -> str:
    """Build for this processor into the checkout, with the record; return the wheel's name."""
    _find_tools()
    level = native_level(os.environ)
    package = ROOT / "esper"
    sources = source_digest(ROOT / WORKSPACE)
    record = package / RECORD_NAME
    record.unlink(missing_ok=True)
    os.environ["RUSTFLAGS"] = " ".join(level.flags)
    name: str = maturin.build_editable(wheel_directory, None, metadata_directory)
    [extension] = package.glob("_native*.so")
    record.write_text(record_of([described(extension, level, ROOT)], sources, ROOT).to_json())
    return name


def build_sdist(sdist_directory: str, config_settings: Given = None) -> str:
    """Pack the sources."""
    _find_tools()
    with tempfile.TemporaryDirectory(prefix="esper-sources-") as scratch:
        dist_info = Path(scratch) / maturin.prepare_metadata_for_build_wheel(scratch)
        metadata = (dist_info / "METADATA").read_bytes()
        stem = dist_info.name.removesuffix(".dist-info")
        return write_sources(Path(sdist_directory), ROOT, metadata, stem)


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Given = None) -> str:
    """Write the metadata alone."""
    kind_of(config_settings)
    _find_tools()
    name: str = maturin.prepare_metadata_for_build_wheel(metadata_directory)
    return name


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
