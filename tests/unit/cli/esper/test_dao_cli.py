"""`esper dao`: looking, proposing, voting, delegating, with a fake node behind it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replaced

from esper.cli.esper.dao import model_folder
from esper.cli.esper.dao.setting_units import UNITS
from esper.consensus.registry import genesis_registry
from esper.dao.bodies import ChangeBody, RollbackBody
from esper.dao.registry import Puzzle
from esper.dao.settings import SETTINGS
from esper.dao.steps import Step
from esper.model.benchmarks.own import benchmark_file
from esper.model.benchmarks.text import read_text
from esper.primitives.networks import REGTEST
from esper.primitives.units import MAX_AMOUNT
from esper.rpc import schema as s
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.vote import Vote
from esper.wallet.errors import MisuseError
from tests.support.dao_world import model_body
from tests.support.vm_world import BOB, COIN, address
from tests.support.wallet.voting_console import model_under_way
from tests.support.wallet.wallet_console import Console, console, own_key

__all__ = ["console"]

OWN = own_key().address.to_text("resp")
OTHER = BOB.address.to_text("resp")
FEE = REGTEST.limits.fee_per_byte
DOUBLED = f"fee_per_byte={2 * FEE}"


@pytest.fixture
def voting(console: Console) -> Console:
    """At height 10 of regtest 500 coins of the wallet count."""
    console.wallet()
    console.run("stake", "500")
    while console.node.world.height < 10:
        console.node.mine()
    return console


def waiting(console: Console) -> Any:
    [found] = console.node.pending.values()
    return found.payload


def proposed(console: Console, *arguments: str) -> str:
    """Propose and mine it; the id."""
    txid = console.run("dao", "propose", *arguments, "--bond", "2").strip()
    console.node.mine()
    return txid


def test_nothing_is_under_way(console: Console) -> None:
    assert console.run("dao", "list") == "nothing is under way\n"
    assert console.json("dao", "list")["proposals"] == []


def test_a_change_is_proposed_shown_and_voted(voting: Console) -> None:
    txid = voting.run("dao", "propose", "--set", DOUBLED, "--bond", "2", "--link", "x").strip()
    payload = waiting(voting)
    assert isinstance(payload, Propose)
    assert (payload.subject, payload.bond) == (2, 2 * COIN)
    body = payload.read()
    assert isinstance(body, ChangeBody)
    assert ([(one.of, one.to) for one in body.settings], body.link) == ([(12, 2 * FEE)], b"x")
    voting.node.mine()

    listed = voting.run("dao", "list")
    assert f"1  {txid[:16]}…  change: fee_per_byte to {2 * FEE}" in listed
    assert "not passing" in listed
    shown = voting.run("dao", "show", txid[:8].upper())
    assert f"set       fee_per_byte to {2 * FEE}" in shown
    assert "closes    at 23" in shown
    assert "bond      2 ESP, 2 ESP of it would burn now" in shown
    assert voting.json("dao", "show", txid)["opened"] == 11

    voted = voting.run("dao", "vote", txid[:10], "yes").strip()
    vote = waiting(voting)
    assert vote == Vote(vote.proposal, 1)
    assert vote.proposal.hex() == txid
    # It lapses with the vote: no block from 23 on could take it.
    assert voting.node.pending[voted].expiry == 22
    voting.node.mine()
    assert "yes 500 ESP" in voting.run("dao", "show", txid)
    assert "nothing of it would burn now" in voting.run("dao", "show", txid)
    assert "proposal 1  500 ESP  yes" in voting.run("dao", "voter", OWN)
    assert f"{2 * FEE} by proposal 1" in voting.run("dao", "settings")
    while voting.node.world.height < 23:
        voting.node.mine()
    assert "the vote on proposal 1 is over" in voting.error("dao", "vote", txid, "no")
    assert json.loads(voting.error("dao", "vote", txid, "no", "--json"))["error"]["name"] == (
        "VoteClosedError"
    )


def test_texts_of_benchmarks_are_registered_by_a_change(voting: Console, tmp_path: Path) -> None:
    own = tmp_path / "sums.jsonl"
    own.write_text(
        '{"benchmark": 1, "form": "exact", "name": "sums", "source": "here", "licence": "CC0-1.0", '
        '"prompt": "{question} =", "limit": 4, "ends": ["\\n"]}\n'
        '{"question": "2 + 2", "answer": "4"}\n'
    )
    digests = [read_text(path).digest for path in (own, benchmark_file("own-choice"))]
    arguments = ("--text", own, "--text", "own-choice", "--bond", "2")
    txid = voting.run("dao", "propose", *arguments).strip()
    payload = waiting(voting)
    assert isinstance(payload, Propose)
    body = payload.read()
    assert isinstance(body, ChangeBody)
    assert body.texts == (tuple(digests),)
    voting.node.mine()
    shown = voting.run("dao", "show", txid)
    assert [line.split()[-1] for line in shown.splitlines() if line.startswith("text ")] == [
        digest.hex() for digest in digests
    ]
    assert voting.json("dao", "settings")["texts"] == []
    voting.run("dao", "vote", txid, "yes")
    while voting.node.world.height < 120:
        voting.node.mine()
        if DaoLedger(voting.node.world.ledger).settings.texts:
            break
    assert voting.json("dao", "settings")["texts"] == [digest.hex() for digest in digests]
    assert "(a model needs a report on it that stands)" in voting.run("dao", "settings")

    gone = voting.run("dao", "propose", "--no-texts", "--bond", "2").strip()
    payload = waiting(voting)
    assert isinstance(payload, Propose)
    body = payload.read()
    assert isinstance(body, ChangeBody)
    assert body.texts == ((),)
    voting.node.mine()
    assert "none is registered any more" in voting.run("dao", "show", gone)


def test_every_part_of_a_change(voting: Console) -> None:
    arguments = (
        *("--set", DOUBLED, "--set", "minimum_bid=9"),
        *("--shares", "1:25536,0:40000", "--omega", "0:1.5,2:0.25", "--retire", "3"),
    )
    # The fake network has one tier: its rules are the node's to tell, here the bytes count.
    out = json.loads(voting.error("dao", "propose", *arguments, "--dry-run", "--json"))
    assert out["error"]["name"] == "TierLimitViolation"
    assert out["error"]["data"]["least_bond"] == str(COIN)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name one thing"),
        (("--set", DOUBLED, "--model", "x"), "name one thing"),
        (("--set", "colour=1"), "votes move per_block"),
        (("--set", "dust"), "must be dust=NUMBER"),
        (("--set", "dust=-1"), "must be dust=NUMBER"),
        (("--set", "dust=1", "--set", "dust=2"), "named twice"),
        (("--set", f"dust={1 << 63}"), "no number is that large"),
        (("--shares", "0:x"), "must be TIER:NUMBER"),
        (("--shares", "300:1"), "must be TIER:NUMBER"),
        (("--omega", "0:1.2.3"), "must be TIER:NUMBER"),
        (("--omega", "0:"), "must be TIER:NUMBER"),
        (("--set", DOUBLED, "--tier", "1"), "are of a model"),
        (("--text", "own-exact", "--model", "x", "--tier", "1"), "name one thing"),
        (("--text", "own-exact", "--no-texts"), "leave it out, or --text"),
        (("--text", "own-exact", "--text", "own-exact"), "4 texts at most, each once"),
        (("--text", "no-such-file"), "--text: "),
        (("--set", DOUBLED, "--link", "é"), "printable ASCII"),
        (("--set", DOUBLED, "--link", "x" * 129), "128"),
        (("--model", "x"), "--tier N"),
        (("--set", DOUBLED), "--bond 1 is the least"),
    ],
)
def test_what_is_mistyped_is_said(voting: Console, arguments: tuple[str, ...], says: str) -> None:
    assert says in voting.error("dao", "propose", *arguments, status=2)
    assert voting.node.pending == {}


def test_what_the_rules_refuse_is_said_and_not_sent(voting: Console) -> None:
    dear = f"fee_per_byte={3 * FEE}"
    assert "fee_per_byte" in voting.error("dao", "propose", "--set", dear, "--bond", "1")
    small = voting.error("dao", "propose", "--set", DOUBLED, "--bond", "0.5", "--json")
    assert json.loads(small)["error"]["name"] == "BondViolation"
    assert voting.node.pending == {}


def test_a_dry_run_tells_all_and_sends_nothing(voting: Console) -> None:
    said = voting.run("dao", "propose", "--set", DOUBLED, "--dry-run")
    assert "the next block would take it; the least bond is 1 ESP" in said
    assert "closes    at height 23" in said
    assert voting.json("dao", "propose", "--set", DOUBLED, "--dry-run")["holds"] is True
    assert voting.node.pending == {}


def test_the_owner_sees_the_least_bond_and_agrees(voting: Console) -> None:
    voting.terminal, voting.typed = True, ["n"]
    err = voting.error("dao", "propose", "--set", DOUBLED)
    assert "bond      1 ESP, held until the vote closes" in err
    assert "may burn" in err
    assert voting.node.pending == {}
    voting.typed = ["y"]
    voting.run("dao", "propose", "--set", DOUBLED)
    assert waiting(voting).bond == COIN


def test_settings_are_shown_with_their_units(voting: Console) -> None:
    shown = voting.run("dao", "settings")
    for name, unit in UNITS.items():
        [line] = [line for line in shown.splitlines() if line.startswith(f"{name} ")]
        value, said = line.removeprefix(name).strip().split(" ", 1)
        assert value.isdigit()
        assert said.startswith(f"{unit}  ("), line
    assert [one.name for one in SETTINGS.values() if one.name not in UNITS] == []
    # Programs read bare numbers.
    assert all(one["in_force"].isdigit() for one in voting.json("dao", "settings")["settings"])


def test_a_bond_that_is_not_there(voting: Console) -> None:
    said = voting.error("dao", "propose", "--set", DOUBLED, "--bond", "800")
    assert "the balance is 499.9" in said
    assert "800 ESP" in said


def test_a_bond_that_nobody_could_pay_is_not_believed(
    voting: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = voting.node.check
    absurd = str(MAX_AMOUNT + 1)
    monkeypatch.setattr(
        voting.node, "check", lambda asked: replaced(honest(asked), least_bond=absurd)
    )
    voting.terminal = True
    assert "ask another" in voting.error("dao", "propose", "--set", DOUBLED)
    assert voting.node.pending == {}


def test_delegating(voting: Console) -> None:
    voting.run("dao", "delegate", OTHER)
    assert waiting(voting) == Delegate(address(BOB))
    voting.node.pending.clear()
    voting.run("wallet", "label", OTHER, "Bob")
    voting.run("dao", "delegate", "Bob")
    assert waiting(voting) == Delegate(address(BOB))
    voting.node.pending.clear()
    voting.run("dao", "delegate", "none")
    assert waiting(voting) == Delegate(b"")


def test_a_transaction_of_the_dao_says_what_it_does(voting: Console) -> None:
    txid = proposed(voting, "--set", DOUBLED)
    said = voting.run("tx", txid)
    assert f"set      fee_per_byte to {2 * FEE}" in said
    assert "bond     2 ESP" in said
    vote = voting.run("dao", "vote", txid, "abstain").strip()
    assert f"abstain, on proposal {txid}" in voting.run("tx", vote)
    voting.node.mine()
    delegation = voting.run("dao", "delegate", OTHER).strip()
    assert f"delegate  {OTHER} votes with this stake" in voting.run("tx", delegation)


@pytest.fixture
def passed(voting: Console, monkeypatch: pytest.MonkeyPatch) -> str:
    """Id of a model whose height is drawn; signatures are not the subject."""
    monkeypatch.setattr(voting.node.world, "checked", False)
    return model_under_way(voting, 26)


def test_a_model_is_shown_and_ready_says_what_to_run(voting: Console, passed: str) -> None:
    shown = voting.run("dao", "show", passed)
    assert "model     " in shown
    assert "rollback  cancel, may be opened until" in shown
    said = voting.run("dao", "ready", passed)
    assert "counted   0 of 0 blocks" in said
    assert "esperd mine" in said
    document = voting.json("dao", "ready", passed)
    assert (document["proposal"], document["package"]) == (passed, "00" * 64)
    assert document["run"].startswith("esperd mine")


def test_nobody_is_ready_for_a_change(voting: Console) -> None:
    txid = proposed(voting, "--set", DOUBLED)
    said = voting.error("dao", "ready", txid)
    assert "nobody has to be ready for proposal 1, which is about no model; at height 21: " in said
    assert "check  " not in voting.run("dao", "show", txid)


def test_a_voter_may_be_called_by_a_label(voting: Console) -> None:
    voting.run("wallet", "label", OTHER, "cousin")
    assert voting.run("dao", "voter", "cousin") == voting.run("dao", "voter", OTHER)
    assert "'nobody' is neither an address" in voting.error("dao", "voter", "nobody", status=2)


def test_a_dry_run_says_the_heights_to_programs_as_well(voting: Console) -> None:
    asked = ("dao", "propose", "--set", DOUBLED, "--dry-run")
    said = voting.run(*asked)
    found = voting.json(*asked)
    assert f"opens     at height {found['opens']} the earliest" in said
    late = found["closes_latest"] - found["closes"]
    assert f"closes    at height {found['closes']}, at most {late} blocks later" in said
    assert f"acts      at height {found['acts']} the earliest" in said


def test_a_number_serves_for_looking_alone(voting: Console) -> None:
    waits = voting.run("dao", "propose", "--set", DOUBLED, "--bond", "2").strip()
    assert "it is in no block yet" in voting.error("dao", "show", waits)
    assert "proposal 1 is not under way; there are: none" in voting.error(
        "dao", "show", "1", status=2
    )
    voting.node.mine()
    assert voting.run("dao", "show", "1") == voting.run("dao", "show", waits)
    assert "there are: 1" in voting.error("dao", "show", "2", status=2)
    assert "`esper dao show 1` shows" in voting.error("dao", "vote", "1", "yes", status=2)


def test_a_rollback(voting: Console, passed: str) -> None:
    voting.run("dao", "rollback", passed[:12], "--bond", "1")
    payload = waiting(voting)
    assert (payload.subject, payload.bond) == (3, COIN)
    body = payload.read()
    assert isinstance(body, RollbackBody)
    assert body.proposal.hex() == passed
    records = DaoLedger(voting.node.world.ledger)
    assert records.governance.live[0].step == Step.CHECK


def test_a_proposal_that_is_none(voting: Console) -> None:
    for command in (("show",), ("vote",), ("rollback",), ("ready",)):
        choice = ("yes",) if command == ("vote",) else ()
        assert "is under way" in voting.error("dao", *command, "ab" * 8, *choice)
        assert "hex digits" in voting.error("dao", *command, "nothex!!", *choice, status=2)


def test_a_node_that_names_another_proposal_is_not_believed(
    voting: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    txid = proposed(voting, "--set", DOUBLED)
    honest = voting.node.proposal

    monkeypatch.setattr(voting.node, "proposal", lambda _: honest(s.ProposalParams(txid)))
    assert "another proposal" in voting.error("dao", "vote", "ab" * 8, "yes")


def test_a_model_of_a_folder(
    voting: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def body_of(
        folder: Path, tier: int, share: int | None, _: Any, tiers: Any, **texts: Any
    ) -> Any:
        assert tiers == genesis_registry(REGTEST)
        asked.append((folder, tier, share, texts))
        return model_body(tier=tier, share=share or 0)

    monkeypatch.setattr("esper.cli.esper.dao.proposing.model_body_of", body_of)
    arguments = ("--model", str(tmp_path), "--tier", "3", "--share", "8192", "--name", "Small")
    _, note = voting.both("dao", "propose", *arguments, "--bond", "2")
    assert "keep it in a node that others reach, with `esper model pack DIR --into DATADIR`" in note
    told = {"puzzle": None, "more": (), "suites": (), "name": "Small", "licence": "", "link": ""}
    assert asked == [(tmp_path, 3, 8192, told)]
    assert (waiting(voting).subject, waiting(voting).read().entry.tier) == (1, 3)


def test_a_model_with_a_ticket_of_its_own_and_a_further_file(
    voting: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was packed with them is another package without."""
    asked: list[Any] = []

    def body_of(*_: Any, puzzle: Any, more: Any, **others: Any) -> Any:
        asked.append((puzzle, more))
        return model_body(tier=0)

    monkeypatch.setattr("esper.cli.esper.dao.proposing.model_body_of", body_of)
    arguments = ("--model", str(tmp_path), "--tier", "0", "--ticket", "1,64,49,16")
    voting.run("dao", "propose", *arguments, "--with", "notice", "--bond", "2")
    assert asked == [(Puzzle(1, 64, 49, 16), ["notice"])]
    assert "four numbers" in voting.error(
        *("dao", "propose", *arguments[:-1], "1,2,3", "--bond", "2"), status=2
    )
    assert "--ticket, --with" in voting.error(
        *("dao", "propose", "--set", DOUBLED, "--ticket", "1,64,49,16"), status=2
    )


def test_packages_that_this_program_cannot_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(model_folder, "import_module", missing)
    with pytest.raises(MisuseError, match="cannot read packages"):
        model_folder.model_body_of(tmp_path, 0, None, REGTEST, genesis_registry(REGTEST))


def test_fees_are_those_that_votes_have_moved(console: Console) -> None:
    console.wallet()
    console.run("send", OTHER, "1")
    (before,) = console.node.pending.values()
    console.node.pending.clear()
    limits = REGTEST.limits
    console.node.moved = {
        "base_fee": {"in_force": str(2 * limits.base_fee)},
        "fee_per_byte": {"in_force": str(2 * limits.fee_per_byte)},
    }
    console.run("send", OTHER, "1")
    (after,) = console.node.pending.values()
    assert after.fee == 2 * before.fee
    # Lower ones as well: nobody pays what nobody asks for.
    console.node.pending.clear()
    console.node.moved = {"fee_per_byte": {"in_force": str(limits.fee_per_byte // 2)}}
    params = console.node.world.params
    lower = replace(params.limits, fee_per_byte=limits.fee_per_byte // 2)
    console.node.world.params = replace(params, limits=lower)
    console.run("send", OTHER, "1")
    (cheap,) = console.node.pending.values()
    assert cheap.fee < before.fee


def test_what_was_built_for_lower_fees_is_signed_without_a_node(
    console: Console, tmp_path: Path
) -> None:
    console.wallet()
    limits = REGTEST.limits
    console.node.moved = {"fee_per_byte": {"in_force": str(limits.fee_per_byte // 2)}}
    console.run("build", "send", OTHER, "1", "--out", tmp_path / "a")
    console.run("sign", tmp_path / "a", "--out", tmp_path / "b")
    assert (tmp_path / "b").exists()


def test_status_tells_what_comes_next(console: Console) -> None:
    status = console.node.status

    def told() -> s.Status:
        return replaced(
            status(),
            dao_next="proposal 1: the vote closes",
            dao_next_height=32,
            reminders=["the model of tier 0 is old"],
        )

    assert "dao " not in console.run("status")
    console.node.status = told  # type: ignore[method-assign]
    said = console.run("status")
    assert "dao         at 32, proposal 1: the vote closes" in said
    assert "reminder    the model of tier 0 is old" in said
