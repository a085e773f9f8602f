"""The extension is chosen and examined before it is loaded: each refusal has its sentence."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from esper import native_check
from esper.native_check import (
    NativeCpuError,
    NativeMissingError,
    NativeStaleError,
    NativeUnrecordedError,
    Usable,
    usable_extension,
)
from esper.native_record import (
    RECORD_NAME,
    BuildRecord,
    Extension,
    file_digest,
    source_digest,
    source_files,
)
from esper.processor import missing_features, processor_flags

REPOSITORY = Path(__file__).resolve().parents[3]
FLAGS = frozenset({"sse2", "pni", "avx2"})
LEVELS = {"v4": ("avx2", "avx512f", "sse3"), "v3": ("avx2", "sse3"), "v2": ("sse3",)}


ENTRY = (
    '{{"machine":"m","source_sha256":"s","extensions":'
    '[{{"level":{},"file":{},"sha256":"b","target_features":{}}}]}}'
)


class Installation:
    """A package folder with an extension that must never be loaded, and a Rust workspace."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "esper"
        self.workspace = folder / "native" / "stark_verifier"
        self.extension = self.package / "_native.abi3.so"
        (self.workspace / "python" / "src").mkdir(parents=True)
        self.package.mkdir()
        (self.workspace / "Cargo.toml").write_text("[workspace]\n")
        (self.workspace / "python" / "Cargo.toml").write_text("[package]\n")
        self.source = self.workspace / "python" / "src" / "lib.rs"
        self.source.write_text("// one\n")
        self.extension.write_bytes(b"not an extension")
        self.record = BuildRecord(
            machine="x86_64",
            source_sha256=source_digest(self.workspace),
            commit="c0ffee",
            extensions=(self.entry("native", self.extension.name, "avx2", "sse2", "sse3"),),
        )
        self.write(self.record)

    def entry(self, level: str, name: str, *features: str) -> Extension:
        """What a record says of a file of the package."""
        return Extension(level, name, file_digest(self.package / name), features)

    def of_features(self, *features: str) -> BuildRecord:
        """A record of one extension for the machine at hand."""
        entry = self.entry("native", self.extension.name, *features)
        return replace(self.record, machine=platform.machine(), extensions=(entry,))

    def levels(self) -> None:
        """As a wheel has it: three extensions for processors of different age, no sources."""
        self.extension.unlink()
        (self.workspace / "Cargo.toml").unlink()
        entries = []
        for level, features in LEVELS.items():
            (self.package / f"_native_{level}.abi3.so").write_text(level)
            entries.append(self.entry(level, f"_native_{level}.abi3.so", *features))
        self.write(replace(self.record, extensions=tuple(entries)))

    def write(self, record: BuildRecord) -> None:
        (self.package / RECORD_NAME).write_text(record.to_json())

    def check(
        self,
        *,
        machine: str = "x86_64",
        flags: frozenset[str] = FLAGS,
        allow_stale: bool = False,
    ) -> Usable:
        return usable_extension(
            self.package, self.workspace, machine=machine, flags=flags, allow_stale=allow_stale
        )


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_a_fresh_extension_for_this_processor_is_accepted(installation: Installation) -> None:
    usable = installation.check()
    assert usable.path == installation.extension
    assert usable.record == BuildRecord.from_json(installation.record.to_json())
    assert usable.record == installation.record


def test_a_missing_extension_names_the_remedy(installation: Installation) -> None:
    installation.extension.unlink()
    with pytest.raises(NativeMissingError, match=r"is missing, which .*: run `make build`"):
        installation.check()
    (installation.package / RECORD_NAME).unlink()
    with pytest.raises(NativeMissingError, match="has not been built: run `make build`"):
        installation.check()
    # What `pytest.importorskip` and `try: import` expect of an absent module.
    assert issubclass(NativeMissingError, ModuleNotFoundError)


def test_an_extension_older_than_its_source_is_refused(installation: Installation) -> None:
    installation.source.write_text("// two\n")
    with pytest.raises(NativeStaleError, match="built from other sources"):
        installation.check()
    installation.check(allow_stale=True)


def test_a_new_source_file_makes_the_extension_stale(installation: Installation) -> None:
    (installation.source.parent / "more.rs").write_text("")
    with pytest.raises(NativeStaleError):
        installation.check()


def test_an_installed_package_has_no_sources_to_compare(installation: Installation) -> None:
    (installation.workspace / "Cargo.toml").unlink()
    installation.check()


def test_another_processor_is_refused_with_the_feature_it_lacks(
    installation: Installation,
) -> None:
    with pytest.raises(NativeCpuError, match="with avx2, which this one lacks"):
        installation.check(flags=FLAGS - {"avx2"})
    with pytest.raises(NativeCpuError, match="with sse3, which"):
        installation.check(flags=FLAGS - {"pni"}, allow_stale=True)


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ({"pni"}, "v2"),
        ({"pni", "avx2"}, "v3"),
        ({"pni", "avx512f"}, "v2"),  # AVX-512 alone is no v4
        ({"pni", "avx2", "avx512f"}, "v4"),
        ({"pni", "avx2", "avx512f", "amx_tile"}, "v4"),
    ],
)
def test_of_several_the_best_that_the_processor_can_run_is_taken(
    installation: Installation, flags: set[str], level: str
) -> None:
    installation.levels()
    usable = installation.check(flags=frozenset(flags))
    assert usable.extension.level == level
    assert usable.path.read_text() == level


def test_where_no_kernel_lists_flags_the_least_demanding_is_taken(
    installation: Installation,
) -> None:
    installation.levels()
    record = BuildRecord.from_json((installation.package / RECORD_NAME).read_text())
    assert native_check.choose(record, None).level == "v2"


def test_a_processor_below_all_levels_is_told_which_is_the_least(
    installation: Installation,
) -> None:
    installation.levels()
    with pytest.raises(
        NativeCpuError, match=r"at least a processor of v2, .* lacks sse3: to build"
    ):
        installation.check(flags=frozenset({"sse2"}))


def test_the_file_that_is_chosen_must_be_whole(installation: Installation) -> None:
    installation.levels()
    (installation.package / "_native_v3.abi3.so").write_text("cut")
    with pytest.raises(
        NativeUnrecordedError, match=r"_native_v3\.abi3\.so is not .* install the whe"
    ):
        installation.check()
    (installation.package / "_native_v3.abi3.so").unlink()
    with pytest.raises(
        NativeMissingError, match=r"_native_v3\.abi3\.so is missing, .* install the"
    ):
        installation.check()
    installation.check(flags=FLAGS | {"avx512f"})


def test_another_architecture_is_refused(installation: Installation) -> None:
    with pytest.raises(NativeCpuError, match="built for x86_64 and this machine is aarch64"):
        installation.check(machine="aarch64")


def test_an_extension_without_its_record_is_refused(installation: Installation) -> None:
    (installation.package / RECORD_NAME).unlink()
    with pytest.raises(NativeUnrecordedError, match="no build record"):
        installation.check()


def test_a_record_of_another_file_is_refused(installation: Installation) -> None:
    installation.extension.write_bytes(b"built by hand")
    with pytest.raises(NativeUnrecordedError, match="is not the file"):
        installation.check()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "not a JSON object"),
        ("{}", "'machine'"),
        ('{"machine":"m","source_sha256":"s","extensions":[]}', "'extensions'"),
        ('{"machine":"m","source_sha256":"s","extensions":[[]]}', "'extensions'"),
        ('{"machine":"m","source_sha256":"s","commit":1,"extensions":[{}]}', "'commit'"),
        (ENTRY.format("1", '"a"', '[""]'), "'level'"),
        (ENTRY.format('"l"', '"../a"', '[""]'), "'file'"),
        (ENTRY.format('"l"', '"a"', "[1]"), "'target_features'"),
    ],
)
def test_an_unreadable_record_is_refused(
    installation: Installation, text: str, reason: str
) -> None:
    (installation.package / RECORD_NAME).write_text(text)
    with pytest.raises(NativeUnrecordedError, match=reason):
        installation.check()


def test_the_source_digest_depends_on_names_and_contents(installation: Installation) -> None:
    before = source_digest(installation.workspace)
    installation.source.rename(installation.source.with_name("lib2.rs"))
    assert source_digest(installation.workspace) != before


def test_tests_and_build_output_are_no_sources(installation: Installation) -> None:
    before = source_files(installation.workspace)
    for folder in ("target/release", "python/tests", "python/examples"):
        (installation.workspace / folder).mkdir(parents=True)
        (installation.workspace / folder / "a.rs").write_text("")
    assert source_files(installation.workspace) == before
    assert [f.name for f in before] == ["Cargo.toml", "Cargo.toml", "lib.rs"]


def test_flags_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: sse2 pni avx2\nbugs\t\t: spectre\n")
    assert processor_flags(cpuinfo) == FLAGS
    assert processor_flags(tmp_path / "none") is None


def test_every_feature_of_the_compiler_has_its_kernel_name() -> None:
    names = ["sse4.1", "avx512vnni", "lzcnt", "cmpxchg16b", "sha", "x87", "bmi1"]
    flags = frozenset({"sse4_1", "avx512_vnni", "abm", "cx16", "sha_ni", "bmi1"})
    assert missing_features(names, flags) == []
    assert missing_features(names, flags - {"abm", "sse4_1"}) == ["lzcnt", "sse4.1"]


def run_import(package: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import esper._native"],
        cwd=package.parent,
        env={k: v for k, v in os.environ.items() if k != native_check.STALE_VARIABLE}
        | {"PYTHONPATH": str(package.parent)}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def real_package(installation: Installation, record: BuildRecord) -> Path:
    """Put the real guard beside the false extension; return the package folder."""
    for name in ("__init__.py", "native_check.py", "native_record.py", "processor.py"):
        source = (REPOSITORY / "esper" / name).read_text()
        (installation.package / name).write_text(source)
    installation.write(record)
    return installation.package


def test_the_import_itself_is_refused_before_the_file_is_opened(
    installation: Installation,
) -> None:
    package = real_package(installation, installation.of_features("no-such-feature"))
    if platform.machine() == "x86_64" and processor_flags() is not None:
        refused = run_import(package)
        assert refused.returncode == 1
        assert "NativeCpuError" in refused.stderr
        assert "no-such-feature, which this one lacks" in refused.stderr
    # With a record that fits, the loader does open the file: the refusal above was the guard's.
    opened = run_import(real_package(installation, installation.of_features()))
    assert opened.returncode == 1
    assert "NativeExtensionError" not in opened.stderr
    assert "ImportError" in opened.stderr
    assert "NativeCpuError" not in opened.stderr


def test_an_import_of_a_stale_extension_is_refused_unless_allowed(
    installation: Installation,
) -> None:
    package = real_package(installation, installation.of_features())
    installation.source.write_text("// two\n")
    assert "NativeStaleError" in run_import(package).stderr
    allowed = run_import(package, **{native_check.STALE_VARIABLE: "allow"})
    assert "NativeStaleError" not in allowed.stderr
    assert "ImportError" in allowed.stderr
