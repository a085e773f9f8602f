"""How the wheel is put together: for which processors, with what inside, under which record."""

from __future__ import annotations

import csv
import io
import os
import platform
import subprocess
import tarfile
import tomllib
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import pytest

import esper
from esper import native_check
from esper.embedded import BANK_FILE, FOLDER, MODEL_FILES, find_embedded
from esper.native_record import RECORD_NAME, BuildRecord, source_digest
from esper.processor import missing_features
from esper_wheel import backend, compiling, recording
from esper_wheel.compiling import WORKSPACE
from esper_wheel.levels import (
    GENERIC,
    PORTABLE_X86,
    Level,
    compilers_own_target,
    native_level,
    portable_levels,
    published,
    target_features,
)
from esper_wheel.packing import package_files, write_wheel
from esper_wheel.sources import write_sources

ROOT = Path(__file__).resolve().parents[3]
X86_HAS_LEVELS = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="rustc knows the levels of the machine it is on"
)
NEHALEM = frozenset(
    ["fpu", "sse", "sse2", "pni", "ssse3", "sse4_1", "sse4_2", "popcnt", "cx16", "lahf_lm", "fxsr"]
)
HASWELL = NEHALEM | {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}
SKYLAKE_X = HASWELL | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
KNIGHTS = HASWELL | {"avx512f", "avx512cd", "avx512er", "avx512pf"}
CORE2 = frozenset(["fpu", "sse", "sse2", "pni", "ssse3", "cx16", "fxsr"])


@pytest.fixture(scope="module")
def record() -> BuildRecord:
    """A record as the wheel has it, of files that are none."""
    entries = [recording.described(ROOT / "README.md", one, ROOT, one.file) for one in PORTABLE_X86]
    return recording.record_of(entries, "00" * 32, ROOT)


@X86_HAS_LEVELS
@pytest.mark.parametrize(
    ("flags", "level"),
    [(NEHALEM, "x86-64-v2"), (HASWELL, "x86-64-v3"), (SKYLAKE_X, "x86-64-v4"),
     (KNIGHTS, "x86-64-v3"), (HASWELL - {"bmi2"}, "x86-64-v2")],
)  # fmt: skip
def test_each_processor_gets_the_best_that_it_can_run(
    record: BuildRecord, flags: frozenset[str], level: str
) -> None:
    assert native_check.choose(BuildRecord.from_json(record.to_json()), flags).level == level


@X86_HAS_LEVELS
def test_a_processor_below_the_levels_gets_a_sentence(record: BuildRecord) -> None:
    with pytest.raises(
        native_check.NativeCpuError, match=r"at least .* of x86-64-v2, and .*popcnt"
    ):
        native_check.choose(record, CORE2)


@X86_HAS_LEVELS
def test_each_level_demands_more_than_the_next(record: BuildRecord) -> None:
    demands = [set(one.target_features) for one in record.extensions]
    assert demands[0] > demands[1] > demands[2]
    assert "avx512f" in demands[0] - demands[1]
    assert "avx2" in demands[1] - demands[2]
    # Everything that rustc names is compared: an unknown name would keep all processors out.
    assert missing_features(demands[0], SKYLAKE_X) == []


def test_other_architectures_get_one_extension_for_all() -> None:
    assert portable_levels("aarch64") == (GENERIC,)
    assert portable_levels("x86_64") == portable_levels("AMD64") == PORTABLE_X86
    assert len({one.file for one in (*PORTABLE_X86, GENERIC)}) == 4


def test_the_native_level_is_this_processor_or_what_is_asked_for() -> None:
    assert native_level({}) == Level("native", ("-C", "target-cpu=native"))
    assert native_level({"RUSTFLAGS": "-C 'a b'"}) == Level("native", ("-C", "a b"))
    names = target_features(native_level({}).flags, ROOT)
    assert names == tuple(sorted(names))
    assert names


def test_what_leaves_the_machine_has_no_symbols_and_none_of_its_paths(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CARGO_HOME", "/home/someone/.cargo")
    flags = published(PORTABLE_X86[0], tmp_path).flags
    assert flags == (
        *PORTABLE_X86[0].flags,
        "-Cstrip=symbols",
        "--remap-path-prefix=/home/someone/.cargo=cargo",
        f"--remap-path-prefix={tmp_path}=esperchain",
    )


def test_each_level_is_compiled_with_its_own_flags_in_its_own_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUSTFLAGS", "-C target-cpu=native")
    monkeypatch.setenv("CARGO_TARGET_DIR", "/target")
    told: dict[str, str] = {}

    def maturin(command: list[object], *, env: dict[str, str], **_: object) -> None:
        told.update(env)
        out = Path(str(command[-1]))
        out.mkdir()
        with zipfile.ZipFile(out / "a.whl", "w") as archive:
            archive.writestr("esper/_native.abi3.so", "code")
            archive.writestr("esperchain-1.dist-info/WHEEL", "")

    monkeypatch.setattr(compiling, "compilers_own_target", lambda _: "here")
    monkeypatch.setattr("esper_wheel.compiling.subprocess.run", maturin)
    compiled = compiling.compile_level(ROOT, Level("v9", ("-Ca", "-C b")), tmp_path)
    # This variable is read before RUSTFLAGS, and its flags may hold spaces.
    assert told["CARGO_ENCODED_RUSTFLAGS"] == "-Ca\x1f-C b"
    assert told["CARGO_TARGET_DIR"] == "/target/wheel/v9"
    # With a target named, cargo spares the build scripts the flags: this machine runs those itself.
    assert told["CARGO_BUILD_TARGET"] == "here"
    assert compiled.extension.read_text() == "code"
    assert compiled.dist_info.name == "esperchain-1.dist-info"


def test_what_does_not_compile_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiling, "compilers_own_target", lambda _: "here")

    def maturin(command: list[object], **_: object) -> None:
        raise subprocess.CalledProcessError(1, "maturin")

    monkeypatch.setattr("esper_wheel.compiling.subprocess.run", maturin)
    with pytest.raises(SystemExit, match="the extension for v9 is not compiled"):
        compiling.compile_level(ROOT, Level("v9", ()), tmp_path)


def test_a_script_built_beside_the_extension_runs_on_this_processor(tmp_path: Path) -> None:
    """What cargo does with the flags of another processor, where a target is named."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "lib.rs").write_text(
        '#[cfg(not(another_processor))]\ncompile_error!("the flags are the extension\'s");\n'
    )
    (tmp_path / "build.rs").write_text("fn main() { assert!(!cfg!(another_processor)); }\n")
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "a"\nedition = "2024"\n[workspace]\n')
    given = {
        "CARGO_ENCODED_RUSTFLAGS": "--cfg=another_processor",
        "CARGO_BUILD_TARGET": compilers_own_target(ROOT),
        "CARGO_TARGET_DIR": str(tmp_path / "target"),
    }
    subprocess.run(
        ["cargo", "check", "--offline", "--quiet"], cwd=tmp_path, env=os.environ | given, check=True
    )


@pytest.fixture
def dist_info(tmp_path: Path) -> Path:
    folder = tmp_path / "esperchain-9.dist-info"
    (folder / "sboms").mkdir(parents=True)
    (folder / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-abi3-here\n")
    (folder / "RECORD").write_text("maturin's own")
    (folder / "sboms" / "crates.json").write_text(
        f'{{"serialNumber": "1", "metadata": {{"timestamp": "now"}}, "ref": "{ROOT}/native"}}'
    )
    return folder


def test_a_wheel_of_several_levels_is_read_by_the_loader(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dist_info: Path
) -> None:
    """Everything of a real build but the compiler, from the hook to the loader's choice."""
    levels = (Level("new", ("-Cnew",)), Level("old", ()))
    features = {"-Cnew": ("avx2", "sse3")}
    monkeypatch.setattr(backend, "portable_levels", lambda machine: levels)
    monkeypatch.setattr(
        recording, "target_features", lambda flags, root: features.get(flags[0], ("sse3",))
    )

    def compile_level(root: Path, level: Level, scratch: Path) -> compiling.Compiled:
        file = scratch / f"compiled-{level.name}"
        file.write_text(level.name)
        return compiling.Compiled(file, dist_info)

    monkeypatch.setattr(backend, "compile_level", compile_level)
    monkeypatch.setenv(recording.COMMIT_VARIABLE, "c0ffee")
    name = backend.build_wheel(str(tmp_path))
    assert name == "esperchain-9-cp311-abi3-here.whl"
    with zipfile.ZipFile(tmp_path / name) as archive:
        archive.extractall(tmp_path / "site")
    package, sources = tmp_path / "site" / "esper", tmp_path / "site" / "native" / "stark_verifier"
    for flags, level in (({"pni", "avx2"}, "new"), ({"pni"}, "old")):
        usable = native_check.usable_extension(
            package, sources, machine=platform.machine(), flags=frozenset(flags)
        )
        if platform.machine() == "x86_64":
            assert usable.extension.level == level
            assert usable.path.read_text() == level
        assert usable.record.commit == "c0ffee"


def test_a_wheel_lists_every_file_and_is_the_same_each_time(
    tmp_path: Path, dist_info: Path, record: BuildRecord
) -> None:
    code = tmp_path / "code"
    code.write_bytes(b"code")
    wheels = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        name = write_wheel(folder, ROOT, dist_info, record, {"_native_x.abi3.so": code})
        wheels.append(folder / name)
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    assert [one.name for one in (tmp_path / "a").iterdir()] == [wheels[0].name]
    with zipfile.ZipFile(wheels[0]) as archive:
        listed = list(
            csv.reader(io.StringIO(archive.read("esperchain-9.dist-info/RECORD").decode()))
        )
        assert [row[0] for row in listed] == archive.namelist()
        for name, digest, size in listed[:-1]:
            content = archive.read(name)
            made = urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={made}", len(content)), name
        bill = archive.read("esperchain-9.dist-info/sboms/crates.json").decode()
        assert str(ROOT) not in bill
        assert "now" not in bill


def test_nothing_that_a_build_left_in_the_checkout_is_carried() -> None:
    names = [name for name, _ in package_files(ROOT)]
    assert not [name for name in names if "_native" in name and name.endswith((".so", ".json"))]
    assert not [name for name in names if "__pycache__" in name]
    assert f"esper/{FOLDER}/genesis/g16.safetensors" in names


def test_the_archive_of_sources_makes_the_same_extension(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(recording.COMMIT_VARIABLE, "c0ffee")
    names = [write_sources(tmp_path, ROOT, b"Name: a\n", stem) for stem in ("a", "b")]
    assert names == ["a.tar.gz", "b.tar.gz"]
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        archive.extractall(tmp_path)
    found = tmp_path / "a"
    # Cargo takes the lock file for these crates alone, and the digest is the record's.
    assert source_digest(found / WORKSPACE) == source_digest(ROOT / WORKSPACE)
    members = tomllib.loads((found / WORKSPACE / "Cargo.toml").read_text())["workspace"]["members"]
    assert all((found / WORKSPACE / one / "Cargo.toml").is_file() for one in members)
    assert dict(package_files(found)).keys() == dict(package_files(ROOT)).keys()
    assert all(file.is_file() for file in dict(package_files(found)).values())
    assert (found / ".cargo" / "config.toml").is_file()
    assert (found / "scripts" / "esper_wheel" / "backend.py").is_file()
    assert (found / "PKG-INFO").read_text() == "Name: a\n"
    monkeypatch.delenv(recording.COMMIT_VARIABLE)
    assert recording.commit_of(found) == "c0ffee"
    assert not list(found.rglob("*.so"))


@pytest.mark.parametrize("given", [{"extensions": "all"}, {"extensions": ""}])
def test_another_kind_is_refused_with_those_that_there_are(given: dict[str, str]) -> None:
    with pytest.raises(SystemExit, match="must be one of portable, native, built"):
        backend.build_wheel("nowhere", given)


def test_without_rust_the_builder_says_so_and_fetches_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="no `cargo` is on the path: install Rust"):
        backend.build_wheel(str(tmp_path))
    (tmp_path / "cargo").write_text("#!/bin/sh\n")
    (tmp_path / "cargo").chmod(0o755)
    with pytest.raises(SystemExit, match="no `rustc` is on the path: install Rust"):
        backend.build_wheel(str(tmp_path))
    assert not hasattr(backend, "get_requires_for_build_wheel")


def test_the_commit_is_that_of_the_sources_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(recording.COMMIT_VARIABLE, raising=False)
    (tmp_path / "inside").mkdir()
    recording._git(tmp_path, "init", "--quiet")
    assert recording.commit_of(tmp_path / "inside") is None
    assert recording.commit_of(tmp_path) is None  # no commit yet
    author = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    (tmp_path / "file").write_text("1")
    recording._git(tmp_path, "add", "file")
    recording._git(tmp_path, *author, "commit", "--quiet", "-m", "one")
    commit = recording._git(tmp_path, "rev-parse", "HEAD")
    assert recording.commit_of(tmp_path) == commit
    (tmp_path / "file").write_text("2")
    assert recording.commit_of(tmp_path) == f"{commit}-changed"


def test_one_version_stands_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    crates = tomllib.loads((ROOT / "native" / "stark_verifier" / "Cargo.toml").read_text())
    assert project["version"] == esper.__version__ == crates["workspace"]["package"]["version"]


def test_the_embedded_files_are_found_where_they_are(tmp_path: Path) -> None:
    checkout = find_embedded(ROOT / "esper")
    assert checkout.model == ROOT / "genesis" / "model"
    assert checkout.bank == ROOT / "prompt_bank" / BANK_FILE
    assert checkout.seeds == ROOT / "seeds"
    (tmp_path / FOLDER).mkdir()
    assert find_embedded(tmp_path).seeds == tmp_path / FOLDER / "seeds"
    assert find_embedded(tmp_path).model == tmp_path / FOLDER / "genesis"
    assert find_embedded(tmp_path).bank == tmp_path / FOLDER / BANK_FILE
    assert RECORD_NAME not in MODEL_FILES
