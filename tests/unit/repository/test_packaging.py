"""What lies in `packaging/` names what exists, and nothing fetches a stranger's package."""

from __future__ import annotations

import configparser
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.exceptions import TyperException

from esper.node.setting_fields import declared
from esper.node.settings import SETTINGS_FILE, Settings, resolve
from esper_wheel.sources import source_paths
from tests.support.command_lines import check_command

ROOT = Path(__file__).resolve().parents[3]
PACKAGING = ROOT / "packaging"
CONTAINER = PACKAGING / "Containerfile"
UNIT = PACKAGING / "esperd.service"


def instructions() -> list[tuple[str, str]]:
    """Word and rest of each instruction of the container file, lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINER.read_text(encoding="utf-8"), flags=re.MULTILINE)
    joined = text.replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(word, rest) for word, rest in lines]


def array(text: str) -> list[str]:
    """Of the form that runs without a shell."""
    return [word.strip().strip('"') for word in text.strip().strip("[]").split(",")]


def test_the_container_runs_commands_that_exist() -> None:
    told = dict(instructions())
    check_command([*array(told["ENTRYPOINT"]), *array(told["CMD"])])
    [health] = re.findall(r"CMD (\[.*\])", told["HEALTHCHECK"])
    check_command(array(health))
    for line in re.findall(r"^#   podman (.*)$", CONTAINER.read_text(), re.MULTILINE):
        words = shlex.split(line)
        if words[0] == "run":
            check_command(["esperd", *words[words.index("esperchain") + 1 :]])
        elif words[0] == "exec":
            check_command(words[2:])
        else:
            assert words[words.index("--file") + 1] == "packaging/Containerfile"


@pytest.mark.parametrize(
    "words", ["esperd nod", "esperd node --nothing", "esper wallet", "esper statu", "esper prove"]
)
def test_a_command_that_does_not_exist_is_noticed(words: str) -> None:
    with pytest.raises((AssertionError, TyperException)):
        check_command(words.split())


def test_the_container_is_made_of_debian_and_of_files_that_exist() -> None:
    copied, bases = [], []
    for word, rest in instructions():
        if word == "FROM":
            bases.append(rest.split()[0])
        elif word == "COPY" and not rest.startswith("--from"):
            copied += rest.split()[:-1]
    assert {base.partition(":")[0] for base in bases} == {"debian"}
    assert len(set(bases)) == 1
    for file in copied:
        assert (ROOT / file).exists(), file
    told = dict(instructions())
    assert told["USER"] == "esper"
    assert told["VOLUME"] in told["ENV"]


def test_what_the_container_builds_with_is_all_there() -> None:
    copied = {file for word, rest in instructions() if word == "COPY" for file in rest.split()[:-1]}
    for path in source_paths(ROOT):
        inside = path.relative_to(ROOT)
        assert copied & {inside.as_posix(), *map(str, inside.parents)} or inside.name == "LICENSE"
    for option in ("--build-constraints", "--require-hashes", "--compile-bytecode", "--offline"):
        assert option in CONTAINER.read_text()
        assert re.search(rf"{option}\b", uv_help()), option


def uv_help() -> str:
    """Of the two commands of uv that the container file uses."""
    uv = Path(sys.executable).parent / "uv"
    commands = (("build",), ("pip", "install"))
    return "".join(
        subprocess.run([uv, *one, "--help"], capture_output=True, text=True, check=True).stdout
        for one in commands
    )


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    """Values by key, in order; a key may come again."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_runs_a_command_that_exists(unit: dict[str, list[str]]) -> None:
    [start] = unit["ExecStart"]
    check_command(shlex.split(start))
    [told] = unit["Environment"]
    name, _, folder = told.partition("=")
    assert name in {one.variable for one in declared(Settings)}
    assert folder == f"/var/lib/{unit['StateDirectory'][0]}" == unit["WorkingDirectory"][0]


def test_the_unit_is_hardened_and_lets_workers_live(unit: dict[str, list[str]]) -> None:
    for key, value in {
        "DynamicUser": "yes",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "MemoryDenyWriteExecute": "yes",
        "Restart": "on-failure",
        "CapabilityBoundingSet": "",
    }.items():
        assert unit[key] == [value]
    # Nice values and limits of descriptors are of this group.
    assert "@resources" not in " ".join(unit["SystemCallFilter"])
    assert int(unit["LimitNOFILE"][0]) >= 4096


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/esper/bin/esperd", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False
    )
    about_ours = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert about_ours == []
    parser = configparser.RawConfigParser(strict=False)
    parser.read(copy)
    assert parser.sections() == ["Unit", "Service", "Install"]


def setting_lines() -> Iterator[tuple[str, str]]:
    """Name and line of each setting of the sample, uncommented."""
    for line in (PACKAGING / SETTINGS_FILE).read_text(encoding="utf-8").splitlines():
        found = re.match(r"#(\w+) = ", line)
        if found:
            yield found[1], line[1:]


def test_the_sample_is_what_the_script_makes() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "write_sample_settings.py"))
    written = (PACKAGING / SETTINGS_FILE).read_text(encoding="utf-8")
    assert written == script["sample"](), "run python scripts/write_sample_settings.py"
    named = [name for name, _ in setting_lines()]
    assert named == [one.name for one in declared(Settings) if one.name != "datadir"]
    for one in declared(Settings):
        assert one.name == "datadir" or one.described in written


def test_the_sample_changes_nothing_as_it_is(tmp_path: Path) -> None:
    shutil.copy(PACKAGING / SETTINGS_FILE, tmp_path)
    found = resolve({"datadir": tmp_path}, {})
    assert {name for name, source in found.sources.items() if source != "default"} == {"datadir"}


@pytest.mark.parametrize(("name", "line"), [*setting_lines(), ("", "")])
def test_each_line_of_the_sample_is_taken_and_says_the_default(
    name: str, line: str, tmp_path: Path
) -> None:
    # The last case is all of them together.
    lines = [line] if name else [one for _, one in setting_lines()]
    (tmp_path / SETTINGS_FILE).write_text("\n".join(lines))
    found = resolve({"datadir": tmp_path}, {})
    for key in [name] if name else [key for key, _ in setting_lines()]:
        assert found.sources[key] == "file"
        assert getattr(found.settings, key) == getattr(Settings(), key)


def texts() -> Iterator[Path]:
    """Everything that a person reads, and what prints it."""
    for pattern in ("README.md", "docs/**/*.md", "packaging/**/*", "Makefile", ".ci/*"):
        yield from (path for path in ROOT.glob(pattern) if path.is_file())
    for folder in ("esper", "genesis", "scripts", "bench"):
        yield from (ROOT / folder).rglob("*.py")
    yield ROOT / "pyproject.toml"


def test_nothing_installs_a_package_of_others_under_our_name() -> None:
    """On the public index `esper` is another project, and ours is not there at all."""
    for path in texts():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\besper\[", text), path
        for line in re.findall(r"\b(?:pip|uv pip|pipx|uv tool) install[^\n`]*", text):
            named = [word.strip("'\"`).,;:") for word in line.split()[2:]]
            assert not [word for word in named if re.match(r"esper(chain)?\b(?!.*\.whl)", word)], (
                f"{path}: {line}"
            )
