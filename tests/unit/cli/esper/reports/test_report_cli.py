"""`esper dao report, refute`: what they sign and hand in, what they keep, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from esper.dao.benchmarks.item_proof import read_item_proof
from esper.dao.benchmarks.report import bit, bits_of, read_report
from esper.dao.registry import TierRegistry
from esper.model.benchmarks.measuring import Examinee, Means, measured
from esper.model.benchmarks.suite_file import read_suite, suite_bytes
from esper.model.benchmarks.text import parse_text
from esper.model.benchmarks.tokenised import TokenSuite, suite_of
from esper.model.loaded import load_model
from esper.rpc import examples
from esper.rpc import schema as s
from esper.vm.governance.claim import Claim
from esper.vm.governance.prove import Prove
from tests.support.benchmark_models import letter_model
from tests.support.benchmark_texts import CHOICE, JUDGED, lines_of
from tests.support.benchmark_texts import ITEMS as ITEMS_OF
from tests.support.wallet.wallet_console import Console, console

__all__ = ["console"]

PROPOSAL = "7d" * 64
REPORT = "5e" * 64
ITEMS = 10
BOND = 25_000_000


@dataclass(frozen=True)
class Benchmark:
    """A model, a suite, and what the one gets right of the other."""

    folder: Path
    text: Path
    suite: TokenSuite
    model_id: str
    right: tuple[bool, ...]

    def bits(self, *false: int) -> str:
        """As a report has them that says otherwise of these items."""
        said = (one != (at in false) for at, one in enumerate(self.right))
        return bits_of(tuple(said)).hex()


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    folder = tmp_path_factory.mktemp("asked")
    model = letter_model(folder / "model", 21)
    items = [
        {"question": q, "choices": ["a", "b", "c"], "answer": at % 3}
        for at, q in enumerate("abcdefghij")
    ]
    text = folder / "choice.jsonl"
    text.write_bytes(lines_of(CHOICE, *items))
    asked = Examinee.of(model, load_model(model))
    suite = suite_of(parse_text(text.read_bytes()), asked.vocabulary)
    found = measured(suite.suite, list(enumerate(suite.items)), asked, Means(256))
    right = tuple(one.is_right for one in found)
    assert any(right)
    assert not all(right)
    return Benchmark(model, text, suite, asked.entry.model_id.hex(), right)


@pytest.fixture
def asked(console: Console, benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> Console:
    """A node that says that this model is voted on, with this suite, and of a report on it."""
    console.wallet()
    live = replace(examples.PROPOSAL.live, id=PROPOSAL, number=1, subject="model", tier=0)
    proposed = s.ProposedModel(
        *(benchmark.model_id, 0, 0, "1", 1, 64, 49, 16, 40, 64, 4096),
        *("", "", "", "model", "MIT", ""),
    )
    monkeypatch.setattr(
        console.node, "proposal", lambda _: replace(examples.PROPOSAL, live=live, model=proposed)
    )
    suite = s.SuiteReply(0, benchmark.suite.suite.id.hex(), "", ITEMS, True, False)
    height = console.node.world.height
    console.node.reports = replace(
        examples.REPORTS,
        id=PROPOSAL,
        suites=[suite],
        latest=height + 7,
        least_bond=str(BOND),
        as_of=s.AsOf(height, True),
    )
    report = replace(
        examples.REPORTS.reports[0],
        id=REPORT,
        proposal=PROPOSAL,
        items=ITEMS,
        bits=benchmark.bits(),
        sample=[s.SampledItem(at, benchmark.right[at], False) for at in (2, 5)],
    )
    console.node.report = s.ReportShown(report, suite, s.AsOf(height, True))
    return console


def told(console: Console, **fields: Any) -> None:
    """The report is another one."""
    found = console.node.report
    assert found is not None
    console.node.report = replace(found, report=replace(found.report, **fields))


@pytest.fixture
def handed_in(asked: Console, monkeypatch: pytest.MonkeyPatch) -> list[s.SubmitParams]:
    """What the node was handed."""
    found: list[s.SubmitParams] = []
    take: Callable[[s.SubmitParams], s.Submitted] = asked.node.submit

    def submit(params: s.SubmitParams) -> s.Submitted:
        found.append(params)
        return take(params)

    monkeypatch.setattr(asked.node, "submit", submit)
    return found


def reporting(benchmark: Benchmark, *more: Any) -> list[Any]:
    about = ("--suite", benchmark.text, "--proposal", PROPOSAL, "--bond", "0.25")
    return ["dao", "report", benchmark.folder, *about, *more]


def test_a_report_is_what_the_model_gets_right(asked: Console, benchmark: Benchmark) -> None:
    out, err = asked.both(*reporting(benchmark))
    [found] = asked.node.pending.values()
    claim = found.payload
    assert isinstance(claim, Claim)
    body = read_report(claim.body)
    assert (claim.subject, claim.bond, body.proposal.hex(), body.suite) == (1, BOND, PROPOSAL, 0)
    assert body.bits.hex() == benchmark.bits()
    # After the last block that may hold it, it lapses.
    assert found.expiry == asked.node.world.height + 7
    txid = found.txid.hex()
    assert out == f"{txid}\n"
    assert f"{sum(benchmark.right)} of 10 items right" in err
    assert f"esper dao report --prove {txid[:16]}" in err
    assert read_suite(asked.datadir / "reports" / txid / "suite") == benchmark.suite


def test_its_items_are_proven_from_what_was_kept(
    asked: Console, benchmark: Benchmark, handed_in: list[s.SubmitParams]
) -> None:
    txid = asked.run(*reporting(benchmark)).strip()
    asked.node.pending.clear()
    told(asked, id=txid, next=asked.node.world.height + 5)
    out = asked.run("dao", "report", "--prove", txid[:16])
    proves = sorted(asked.node.pending.values(), key=lambda one: one.nonce)
    assert out.split() == [one.txid.hex() for one in proves]
    for found, item in zip(proves, (2, 5), strict=True):
        payload = found.payload
        assert isinstance(payload, Prove)
        assert (payload.subject, payload.target.hex()) == (2, txid)
        assert read_item_proof(payload.body).index == item
        # In the block at the height of judging it would come too late.
        assert found.expiry == asked.node.world.height + 4
    assert [len(one.groups or ()) for one in handed_in[1:]] == [1, 1]


def test_anyone_refutes_the_first_false_item(
    asked: Console, benchmark: Benchmark, handed_in: list[s.SubmitParams], tmp_path: Path
) -> None:
    told(asked, bits=benchmark.bits(4, 7))
    file = tmp_path / "suite"
    file.write_bytes(suite_bytes(benchmark.suite))
    out, err = asked.both("dao", "refute", REPORT[:8], benchmark.folder, "--suite", file)
    [found] = asked.node.pending.values()
    payload = found.payload
    assert isinstance(payload, Prove)
    assert read_item_proof(payload.body).index == 4
    assert out.strip() == found.txid.hex()
    assert "item 4 is not as the report says" in err
    assert len(handed_in[0].groups or ()) == 1
    asked.node.pending.clear()
    asked.run("dao", "refute", REPORT, benchmark.folder, "--suite", file, "--item", "7")
    [found] = asked.node.pending.values()
    assert isinstance(found.payload, Prove)
    assert read_item_proof(found.payload.body).index == 7


def refuting(benchmark: Benchmark, *more: Any) -> list[Any]:
    return ["dao", "refute", REPORT, benchmark.folder, "--suite", benchmark.text, *more]


def test_what_is_as_the_report_says_is_not_refuted(asked: Console, benchmark: Benchmark) -> None:
    assert "all 10 items are as the report says" in asked.error(*refuting(benchmark))
    told(asked, bits=benchmark.bits(4))
    words = asked.error(*refuting(benchmark, "--item", "3"))
    assert words == "item 3 is as the report says\n"
    assert "counted from 0" in asked.error(*refuting(benchmark, "--item", "10"), status=2)
    told(asked, state="refuted")
    assert "has ended: nothing to refute" in asked.error(*refuting(benchmark))
    assert asked.node.pending == {}


@pytest.mark.parametrize("bits", ["", "zz", "ff" * 3, "ffff"])
def test_a_node_that_gives_no_bits(asked: Console, benchmark: Benchmark, bits: str) -> None:
    told(asked, bits=bits)
    assert "no bit for each item" in asked.error(*refuting(benchmark))


def test_another_suite_or_model_than_the_reports(
    asked: Console, benchmark: Benchmark, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.jsonl"
    changed.write_bytes(benchmark.text.read_bytes().replace(b'"answer": 1', b'"answer": 0'))
    words = asked.error("dao", "refute", REPORT, benchmark.folder, "--suite", changed)
    assert f"the report is about suite {benchmark.suite.suite.id.hex()[:16]}…" in words
    other = letter_model(tmp_path / "other", 5)
    words = asked.error("dao", "refute", REPORT, other, "--suite", benchmark.text)
    assert f"the proposal is about {benchmark.model_id[:16]}…" in words
    words = asked.error("dao", "refute", REPORT, benchmark.folder, status=2)
    assert "name the model's folder and --suite FILE, both" in words
    assert asked.node.pending == {}


def test_a_node_that_speaks_of_others(asked: Console, benchmark: Benchmark) -> None:
    told(asked, id="5f" * 64)
    assert "the node gave another report" in asked.error(*refuting(benchmark))
    assert asked.node.reports is not None
    asked.node.reports = replace(asked.node.reports, id="7c" * 64)
    assert "reports on another proposal" in asked.error(*reporting(benchmark))
    assert asked.node.pending == {}


def test_a_proof_that_would_end_the_report_is_not_made(
    asked: Console, benchmark: Benchmark
) -> None:
    sample = [s.SampledItem(2, not benchmark.right[2], False)]
    told(asked, sample=sample)
    proving = ("dao", "report", benchmark.folder, "--suite", benchmark.text, "--prove", REPORT)
    words = asked.error(*proving)
    assert "a proof would end the report" in words
    assert f"esper dao refute {REPORT[:16]} DIR --suite FILE --item 2" in words
    assert asked.node.pending == {}


def test_nothing_is_to_be_proven(asked: Console) -> None:
    told(asked, state="waits", sample=[], next=99)
    words = asked.error("dao", "report", "--prove", REPORT)
    assert "its sample is drawn at height 99" in words
    told(asked, state="sampled", sample=[s.SampledItem(2, True, True)])
    assert "all of the sample" in asked.error("dao", "report", "--prove", REPORT)
    told(asked, next=asked.node.world.height + 1)
    assert "too late" in asked.error("dao", "report", "--prove", REPORT)
    told(asked, next=99, sample=[s.SampledItem(2, True, False)])
    words = asked.error("dao", "report", "--prove", REPORT, status=2)
    assert "was not made here: name the model's folder and --suite FILE" in words


def test_a_disk_that_keeps_nothing_hides_no_report(asked: Console, benchmark: Benchmark) -> None:
    (asked.datadir / "reports").write_bytes(b"")
    out, err = asked.both(*reporting(benchmark))
    assert [out.strip()] == list(asked.node.pending)
    assert "could not be kept" in err


def test_kept_words_that_are_damaged(asked: Console) -> None:
    folder = asked.datadir / "reports" / REPORT
    folder.mkdir(parents=True)
    for words in (b"{", b'{"model": 1}', b"\xff"):
        (folder / "asked.json").write_bytes(words)
        assert "is damaged" in asked.error("dao", "report", "--prove", REPORT, status=2)


def test_what_a_report_is_refused_for(
    asked: Console, benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = letter_model(tmp_path / "other", 5)
    words = asked.error(*reporting(replaced_folder(benchmark, other)))
    assert f"the proposal is about {benchmark.model_id[:16]}…" in words
    changed = tmp_path / "changed.jsonl"
    changed.write_bytes(benchmark.text.read_bytes().replace(b'"answer": 1', b'"answer": 0'))
    about = ("--suite", changed, "--proposal", PROPOSAL)
    words = asked.error("dao", "report", benchmark.folder, *about, "--bond", "1")
    assert "the proposal does not name suite" in words
    words = asked.error(*reporting(benchmark)[:-2], "--yes", status=2)
    assert "the node says that --bond 0.25 is the least" in words
    words = asked.error(*reporting(benchmark)[:-1], "0.2", status=2)
    assert "--bond 0.2: the least for this proposal is 0.25" in words
    assert "--prove REPORT" in asked.error("dao", "report", benchmark.folder, status=2)
    words = asked.error(*reporting(benchmark), "--prove", REPORT, status=2)
    assert "leave the rest out" in words
    words = asked.error(*reporting(benchmark)[:-1], "5000")
    assert "5000" in words.replace(",", "")
    assert asked.node.reports is not None
    asked.node.reports = replace(asked.node.reports, latest=0)
    assert "takes no report any more" in asked.error(*reporting(benchmark))
    asked.node.reports = replace(asked.node.reports, latest=99)
    assert asked.node.pending == {}


def replaced_folder(benchmark: Benchmark, folder: Path) -> Benchmark:
    return Benchmark(folder, benchmark.text, benchmark.suite, benchmark.model_id, benchmark.right)


def test_bits_are_told_apart(benchmark: Benchmark) -> None:
    flipped = bytes.fromhex(benchmark.bits(4))
    assert [bit(flipped, at) != benchmark.right[at] for at in range(ITEMS)] == [
        at == 4 for at in range(ITEMS)
    ]


def test_suites_that_a_proposal_cannot_name(
    console: Console, benchmark: Benchmark, tmp_path: Path
) -> None:
    console.wallet()
    proposing = ("dao", "propose", "--model", tmp_path, "--tier", "0", "--bond", "1")
    words = console.error(*proposing, "--suite", benchmark.text, status=2)
    assert "--suite: " in words
    assert "--write-suite" in words
    file = tmp_path / "suite"
    file.write_bytes(suite_bytes(benchmark.suite))
    words = console.error(*proposing, *("--suite", file) * 5, status=2)
    assert "5 are named, a proposal has room for 4" in words
    words = console.error("dao", "propose", "--set", "dust=2", "--suite", file, status=2)
    assert "are of a model: --model" in words


def test_a_model_is_shown_with_its_reports(asked: Console) -> None:
    refuted = s.RefutedItem(5, True, s.ProverReply(examples.BOB, "7e" * 64, 209), str(BOND))
    [plain] = examples.REPORTS.reports
    ended = replace(plain, state="refuted", next=None, sample=[], refuted=refuted)
    assert asked.node.reports is not None
    asked.node.reports = replace(asked.node.reports, reports=[plain, ended])
    told = asked.run("dao", "show", PROPOSAL)
    assert "no report stands, and one must when the vote closes" in told
    assert "suite 0: 37 of 120 right (30.8%); sampled" in told
    assert "at 218: its sample is judged; bond 25 ESP" in told
    assert f"item 17, right: proven by {examples.BOB}" in told
    assert "item 94, wrong: to be proven" in told
    assert f"item 5, reported right, is not: proven by {examples.BOB}, who got 0.25 ESP" in told
    assert len(asked.json("dao", "show", PROPOSAL)["reports"]["reports"]) == 2


def test_a_judge_that_is_no_model_of_the_network(
    asked: Console, benchmark: Benchmark, tmp_path: Path
) -> None:
    judge = letter_model(tmp_path / "judge", 5)
    judge_id = Examinee.of(judge, load_model(judge)).entry.model_id
    text = tmp_path / "judged.jsonl"
    text.write_bytes(lines_of(JUDGED, ITEMS_OF["judged"]))
    model = Examinee.of(benchmark.folder, load_model(benchmark.folder))
    suite = suite_of(parse_text(text.read_bytes()), model.vocabulary, judge_id)
    assert asked.node.reports is not None
    named = replace(asked.node.reports.suites[0], suite=suite.suite.id.hex(), items=1)
    asked.node.reports = replace(asked.node.reports, suites=[named])
    about = ("--suite", text, "--judge", judge, "--proposal", PROPOSAL, "--bond", "0.25")
    words = asked.error("dao", "report", benchmark.folder, *about)
    assert f"the suite's judge, {judge_id.hex()[:16]}…, is the model of no tier" in words
    tier = asked.node.tiers.tiers[0]
    judging = replaced(tier, model=replaced(tier.model, model_id=judge_id))
    asked.node.tiers = TierRegistry((judging,))
    asked.run("dao", "report", benchmark.folder, *about)
    assert len(asked.node.pending) == 1
