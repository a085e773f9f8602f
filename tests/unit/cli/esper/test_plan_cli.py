"""`esper plan`: what it says, to people and to scripts, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from esper.cli.esper.app import application

RUNNER = CliRunner()


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    file = tmp_path / "machine.json"
    file.write_text(run("--sample-machine").stdout)
    return file


def run(*arguments: str | Path) -> Any:
    return RUNNER.invoke(application(["plan"]), ["plan", *map(str, arguments)])


def said(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def refused(*arguments: str | Path) -> tuple[int, str]:
    result = run(*arguments)
    assert result.exit_code in {1, 2}
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)
    return result.exit_code, " ".join(str(result.stderr).split())


def test_a_small_model_in_words(machine: Path) -> None:
    told = said("--model", "15m", "--tokens", "64", "--machine", machine)
    heads = [line.split()[0] for line in told.splitlines() if not line.startswith(" ")]
    assert heads == [
        *("model", "proof", "machine", "time", "of", "memory", "size", "spacing", "cost"),
    ]
    assert "15,187,968 weights in 6 layers" in told
    assert "64 rows for 64 tokens, 16 of them answers; the whole model at once" in told
    assert "at 55 s" in told


def test_what_cannot_be_is_said_and_is_no_failure(machine: Path) -> None:
    told = said("--model", "70b", "--tokens", "64", "--machine", machine)
    buts = [line for line in told.splitlines() if line.startswith("but ")]
    for words in (
        "no network takes proofs in segments",
        "23 GiB of memory",
        "a work proof of mainnet has at most 786,432 bytes",
        "a body of mainnet has at most 2,097,152 bytes",
        "every verifier refuses it: `cells` of segment 41",
        "`values of all residuals`",
    ):
        assert any(words in line for line in buts), words
    # Forty-one lines of segments say no more than the largest.
    assert sum(line.startswith("segment ") for line in told.splitlines()) == 1


def test_segments_are_shown(machine: Path) -> None:
    told = said("--model", "135m", "--tokens", "64", "--segments", "4", "--machine", machine)
    assert sum(line.startswith("segment ") for line in told.splitlines()) == 4
    assert "; 4 segments" in told
    assert "with a machine for each segment" in told


def test_an_object_for_scripts(machine: Path) -> None:
    arguments = ("--model", "8b", "--tokens", "64", "--machine", machine, "--json")
    fields = json.loads(said(*arguments, "--answers", "32", "--network", "devnet"))
    assert (fields["tokens"], fields["answers"], fields["rows"]) == (64, 32, 64)
    assert (fields["network"], fields["spacing_s"]) == ("devnet", 10)
    assert len(fields["segments"]) > 8
    assert sum(one["layers"] for one in fields["segments"]) == 32
    assert fields["memory_fits"] is False
    assert fields["fits_work_proof"] is fields["fits_body"] is False
    assert fields["exceeded"] == []
    user = fields["user_s"]
    parts = (user[name] for name in ("load", "answer", "model_commitment", "proof"))
    assert user["cold"] == pytest.approx(sum(parts))
    large = json.loads(said("--model", "405b", "--tokens", "64", "--machine", machine, "--json"))
    assert {one["limit"] for one in large["exceeded"]} >= {"cells"}


def test_a_spacing_is_taken(machine: Path) -> None:
    arguments = ("--model", "15m", "--tokens", "64", "--machine", machine, "--json")
    rates = [
        json.loads(said(*arguments, "--spacing", spacing))["stale_rate"]
        for spacing in ("0.5", "10", "55", "86400")
    ]
    assert rates == sorted(rates, reverse=True)
    assert json.loads(said(*arguments))["stale_rate"] == rates[2]


def test_the_model_of_the_chain(machine: Path) -> None:
    assert "292,096 weights" in said("--model", "genesis", "--tokens", "64", "--machine", machine)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--tokens", ("0", "-1", "1", "16385", str(10**30), "many", "1e3")),
        ("--answers", ("0", "-1", str(10**30), "x")),
        ("--segments", ("0", "65", str(10**30))),
        ("--spacing", ("0", "-1", "nan", "inf", "1e300")),
        ("--network", ("othernet",)),
    ],
)
def test_absurd_numbers_are_misuse_that_names_the_option(
    machine: Path, option: str, values: tuple[str, ...]
) -> None:
    for value in values:
        arguments = {"--model": "15m", "--tokens": "64", "--machine": str(machine), option: value}
        flat = [word for pair in arguments.items() for word in pair]
        status, told = refused(*flat)
        assert status == 2, value
        assert option in told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--tokens", "64"), "--model: is missing: give one of 260k"),
        (("--model", "15m"), "--tokens: is missing"),
        (("--model", "15m", "--tokens", "64"), "`esper plan --sample-machine > machine.json`"),
    ],
)
def test_what_is_missing_is_said(given: tuple[str, ...], told: str) -> None:
    status, message = refused(*given)
    assert status == 2
    assert told in message


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--model", "xx", "--tokens", "64"), "'xx' is no shape"),
        (("--model", "x" * 5000, "--tokens", "64"), ""),
        (("--model", "15m", "--tokens", "1000"), "the model has 256, give fewer"),
        (("--model", "15m", "--tokens", "64", "--answers", "64"), "answers is 64: give 1 to 63"),
        (("--model", "15m", "--tokens", "64", "--segments", "7"), "segments is 7: give 1 to 6"),
    ],
)
def test_what_no_model_has_is_refused(machine: Path, given: tuple[str, ...], told: str) -> None:
    for more in ((), ("--json",)):
        status, message = refused(*given, "--machine", machine, *more)
        assert status == 1
        assert told in message


def test_a_machines_file_that_is_none(machine: Path, tmp_path: Path) -> None:
    machine.write_text(machine.read_text().replace('"cores": 2', '"cores": 0'))
    given = ("--model", "15m", "--tokens", "64", "--machine")
    status, told = refused(*given, machine, "--json")
    error = json.loads(told)["error"]
    assert (status, error["name"]) == (1, "MachineFileError")
    assert error["message"] == "cores is 0: give a number from 1 to 4096"
    _, told = refused(*given, tmp_path / "nowhere")
    assert "nowhere" in told
    assert "sample-machine" in told
