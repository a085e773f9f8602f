"""`esper bench-model`: what it says, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from esper.cli.esper.app import application
from esper.model.benchmarks.suite_file import read_suite
from tests.support.benchmark_models import letter_model
from tests.support.benchmark_texts import CHOICE, EXACT, JUDGED, lines_of

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return letter_model(tmp_path_factory.mktemp("models") / "asked", 21)


@pytest.fixture
def choice(tmp_path: Path) -> Path:
    items = [{"question": q, "choices": ["a", "b", "c"], "answer": 1} for q in "abcdefghij"]
    file = tmp_path / "choice.jsonl"
    file.write_bytes(lines_of(CHOICE, *items))
    return file


def run(*arguments: str | Path) -> Any:
    return RUNNER.invoke(application(), ["bench-model", *map(str, arguments)])


def refused(*arguments: str | Path, status: int = 1) -> str:
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)
    return str(result.stderr)


def done(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def test_a_report_in_words_as_json_and_in_a_file(model: Path, choice: Path, tmp_path: Path) -> None:
    told = done(model, "--suite", choice, "--out", tmp_path / "r.json")
    fields = json.loads(done(model, "--suite", choice, "--json"))
    assert (tmp_path / "r.json").read_bytes() == (
        json.dumps(fields, separators=(",", ":")) + "\n"
    ).encode()
    assert (
        f"right      {fields['right']} of 10, {fields['right'] / 10:.1%}; guessing gives 33.3%"
        in told
    )
    assert f"bits       {fields['bits']}" in told
    assert f"suite      {fields['suite']}" in told
    assert fields["form"] == "choice"
    assert [one["item"] for one in fields["outcomes"]] == list(range(10))


def test_two_runs_give_the_same_bytes(model: Path, choice: Path, tmp_path: Path) -> None:
    ways = [(), (), ("--batch", "3"), ("--threads", "1"), ("--batch", "1", "--threads", "3")]
    for place, way in enumerate(ways):
        done(model, "--suite", choice, "--out", tmp_path / f"{place}", *way)
    assert len({(tmp_path / f"{place}").read_bytes() for place in range(len(ways))}) == 1


def test_a_suite_that_was_written_says_the_same(model: Path, choice: Path, tmp_path: Path) -> None:
    file = tmp_path / "suite"
    told = done(model, "--suite", choice, "--write-suite", file)
    suite = read_suite(file)
    assert f"suite      {suite.suite.id.hex()}" in told
    assert "right" not in told
    assert done(model, "--suite", file, "--json") == done(model, "--suite", choice, "--json")
    again = json.loads(done(model, "--suite", file, "--write-suite", file, "--force", "--json"))
    assert again["suite"] == suite.suite.id.hex()
    assert again["file"] == str(file)
    assert read_suite(file) == suite


def test_one_item_is_shown(model: Path, choice: Path) -> None:
    whole = json.loads(done(model, "--suite", choice, "--json"))
    one = json.loads(done(model, "--suite", choice, "--item", "7", "--json"))
    shown = done(model, "--suite", choice, "--item", "7")
    assert {name: one[name] for name in whole["outcomes"][7]} == whole["outcomes"][7]
    assert shown.startswith(f"item 7: {'right' if one['right'] else 'wrong'}\n")
    assert "choices   'a', 'b', 'c'" in shown
    assert "expected  'b'" in shown
    assert "of all tokens" in shown
    assert len(one["candidates"][0]) == one["listed"]


def test_exact_and_judged_items_are_shown(model: Path, tmp_path: Path) -> None:
    exact, judged = tmp_path / "exact", tmp_path / "judged"
    exact.write_bytes(lines_of(EXACT | {"marker": "x"}, {"question": "a", "answer": "b"}))
    head = JUDGED | {"joints": ["a", "b", "c", "d"], "labels": ["e", "t"]}
    judged.write_bytes(lines_of(head, {"question": "a", "reference": "b"}))
    shown = done(model, "--suite", exact, "--item", "0")
    assert "marker    'x'" in shown
    assert "expected  'b' or " in shown
    shown = done(model, "--suite", judged, "--judge", model, "--item", "0")
    assert "reference 'b'" in shown
    assert "with the answer first, at place" in shown
    assert "with it second, at place" in shown
    fields = json.loads(done(model, "--suite", judged, "--judge", model, "--json"))
    assert fields["judge"] == fields["model_id"]


def test_what_does_not_fit_is_said(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "long"
    items = [{"question": "q" * size, "choices": ["a", "b"], "answer": 0} for size in (9, 99)]
    file.write_bytes(lines_of(CHOICE, *items))
    told = done(model, "--suite", file, "--network", "devnet")
    assert "no room    1 item counted as wrong: a proof of 256 rows has no room" in told
    assert "item 1: wrong, a proof has no room for it" in done(
        model, "--suite", file, "--item", "1"
    )


def test_long_bits_are_cut_for_people_alone(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "many"
    items = [{"question": "q", "choices": ["a", "b"], "answer": 0}] * 300
    file.write_bytes(lines_of(CHOICE, *items))
    assert "… (whole with --json)" in done(model, "--suite", file)
    assert len(json.loads(done(model, "--suite", file, "--json"))["bits"]) == 76


def test_what_is_refused_is_named(model: Path, choice: Path, tmp_path: Path) -> None:
    assert "no-suite cannot be read" in refused(model, "--suite", tmp_path / "no-suite")
    assert "export the checkpoint" in refused(tmp_path, "--suite", choice)
    assert "no item 10: the suite has 10" in refused(model, "--suite", choice, "--item", "10")
    assert "leave --judge out" in refused(model, "--suite", choice, "--judge", model)
    (tmp_path / "bad").write_bytes(lines_of(CHOICE, {"question": "q"}))
    assert "bad: line 2: field 'choices' is absent" in refused(model, "--suite", tmp_path / "bad")
    (tmp_path / "cut").write_bytes(b"\x94\x01")
    assert "cut is no suite" in refused(model, "--suite", tmp_path / "cut")
    (tmp_path / "there").touch()
    said = refused(model, "--suite", choice, "--out", tmp_path / "there")
    assert "--force" in said
    error = json.loads(refused(model, "--suite", tmp_path / "bad", "--json"))["error"]
    assert error["name"] == "BenchmarkTextError"
    assert "genesis" not in refused("genesis", "--suite", "own-judged")


def test_what_is_misused_is_named(model: Path, choice: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    for arguments, named in (
        (("--network", "moon"), "--network"),
        (("--batch", "0"), "--batch"),
        (("--threads", "0"), "--threads"),
        (("--item", "-1"), "--item"),
        (("--item", "1", "--out", out), "--out"),
        (("--write-suite", out, "--out", out), "--write-suite"),
        (("--write-suite", out, "--item", "1"), "--write-suite"),
    ):
        assert named in refused(model, "--suite", choice, *arguments, status=2)
    assert not out.exists()


def test_a_suite_of_another_tokenizer_is_refused(model: Path, choice: Path, tmp_path: Path) -> None:
    done(model, "--suite", choice, "--write-suite", tmp_path / "s")
    assert "field 'tokenizer'" in refused("genesis", "--suite", tmp_path / "s")
