"""Reports on a model as the RPC shows them: each state, who proved what, what became of a bond."""

from dataclasses import replace

import pytest

from esper.dao.benchmarks.item_proof import item_proof_bytes
from esper.dao.benchmarks.report import ReportBody, bits_of, report_bytes
from esper.dao.benchmarks.suite import Form
from esper.node.views.dao.report_replies import report_named, reports_reply
from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.rpc import errors as e
from esper.rpc import schema as s
from esper.vm.governance.claim import Claim
from esper.vm.governance.prove import Prove
from tests.support.bench_suites import choice, item, made, said, text_suite
from tests.support.dao_world import RULES, change_body, model_body
from tests.support.report_world import ReportWorld
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address

PARAMS = replace(REGTEST, governance=replace(RULES, texts=(bytes([1]) * 64,), report_samples=2))
RIGHT = (True, False, True, False, True)
SUITE = text_suite([item(prompt=(1, 30, 100 + at)) for at in range(len(RIGHT))])
SECOND = made(Form.CHOICE, [choice(0), choice(1)])
BOND = COIN // 4


def proof_of(report: Txid, index: int, *, right: bool) -> Prove:
    body = SUITE.proof(index, [said(40 if right else 41)])
    return Prove(2, report, 0, item_proof_bytes(body))


@pytest.fixture
def world() -> ReportWorld:
    world = ReportWorld(PARAMS)
    world.stake(600, 300, 100)
    return world


@pytest.fixture
def asked(world: ReportWorld) -> Txid:
    """An open model with two suites, of which the first needs a report."""
    return world.propose(model_body(suites=(SUITE.named, SECOND.named)), bond=2 * COIN)


def claimed(world: ReportWorld, proposal: Txid) -> Txid:
    body = report_bytes(ReportBody(proposal, 0, bits_of(RIGHT)))
    (txid,) = world.block((BOB, Claim(1, BOND, body)))
    return txid


def all_of(world: ReportWorld, proposal: Txid) -> s.Reports:
    return reports_reply(world.records.place(proposal), world.sight, world.history)


def only(world: ReportWorld, proposal: Txid) -> s.ReportReply:
    (found,) = all_of(world, proposal).reports
    return found


def text(key: object) -> str:
    return address_text(address(key), PARAMS)  # type: ignore[arg-type]


def test_who_may_report_until_when_and_for_what(world: ReportWorld, asked: Txid) -> None:
    found = all_of(world, asked)
    close = world.proposal(asked).close
    assert (found.number, found.id, found.open, found.gate) == (1, asked.hex(), True, False)
    assert found.least_bond == str(BOND)
    assert found.latest + RULES.draw_depth + 1 + RULES.round_window == close
    assert [(one.place, one.items, one.required, one.standing) for one in found.suites] == [
        (0, 5, True, False),
        (1, 2, False, False),
    ]
    assert found.suites[0].suite == SUITE.suite.id.hex()
    assert found.reports == []
    world.until(found.latest - 1)
    txid = claimed(world, asked)
    assert world.height == found.latest, "the last block that may hold one"
    assert only(world, asked).id == txid.hex()


def test_a_report_from_its_claim_to_its_end(world: ReportWorld, asked: Txid) -> None:
    txid = claimed(world, asked)
    made_at = world.height
    found = only(world, asked)
    assert (found.state, found.right, found.items, found.made) == ("waits", 3, 5, made_at)
    assert (found.reporter, found.bond, found.sample) == (text(BOB), str(BOND), [])
    assert found.next == made_at + RULES.draw_depth + 1
    world.until(found.next)
    found = only(world, asked)
    record = world.records.report(txid)
    assert record is not None
    assert found.state == "sampled"
    assert [(one.item, one.right, one.proven, one.by) for one in found.sample] == [
        (at, RIGHT[at], False, None) for at in record.sample
    ]
    first = record.sample[0]
    (proof,) = world.block((CAROL, proof_of(txid, first, right=RIGHT[first])))
    found = only(world, asked)
    assert found.sample[0].by == s.ProverReply(text(CAROL), proof.hex(), world.height)
    assert [one.proven for one in found.sample] == [True, False]
    second = record.sample[1]
    world.block((ALICE, proof_of(txid, second, right=RIGHT[second])))
    assert found.next is not None
    world.until(found.next)
    found = only(world, asked)
    assert (found.state, found.next) == ("stands", None)
    assert all_of(world, asked).gate
    assert all_of(world, asked).suites[0].standing
    world.vote(asked, ALICE)
    world.until(world.proposal(asked).close)
    found = only(world, asked)
    assert (found.state, found.bond, found.returned, found.burned) == (
        "settled",
        "0",
        str(BOND),
        "0",
    )
    assert {one.item: one.by and one.by.prover for one in found.sample} == {
        first: text(CAROL),
        second: text(ALICE),
    }


def test_a_refuted_report_names_who_showed_it(world: ReportWorld, asked: Txid) -> None:
    txid = claimed(world, asked)
    (proof,) = world.block((CAROL, proof_of(txid, 1, right=True)))
    found = only(world, asked)
    assert (found.state, found.returned, found.burned) == ("refuted", "0", str(BOND - BOND // 2))
    assert found.refuted == s.RefutedItem(
        item=1,
        right=False,
        by=s.ProverReply(text(CAROL), proof.hex(), world.height),
        share=str(BOND // 2),
    )
    assert found.sample == []
    # Another one takes its place, and both are told.
    again = claimed(world, asked)
    assert [one.id for one in all_of(world, asked).reports] == [txid.hex(), again.hex()]


def test_what_nobody_proves_burns(world: ReportWorld, asked: Txid) -> None:
    claimed(world, asked)
    world.until(world.height + RULES.draw_depth + 1 + RULES.round_window)
    found = only(world, asked)
    assert (found.state, found.returned, found.burned) == ("unproven", "0", str(BOND))
    assert found.refuted is None


def test_one_report_has_its_bits(world: ReportWorld, asked: Txid) -> None:
    txid = claimed(world, asked)
    found = report_named(txid.hex()[:8], world.sight, world.history)
    assert found.report.bits == bits_of(RIGHT).hex()
    assert found.suite.suite == SUITE.suite.id.hex()
    assert only(world, asked).bits == ""
    world.block((CAROL, proof_of(txid, 1, right=True)))
    ended = report_named(txid.hex(), world.sight, world.history)
    assert (ended.report.state, ended.report.bits) == ("refuted", bits_of(RIGHT).hex())
    with pytest.raises(e.RpcError, match="no report abababab"):
        report_named("ab" * 4, world.sight, world.history)


def test_a_history_that_lags_leaves_names_out(world: ReportWorld, asked: Txid) -> None:
    txid = claimed(world, asked)
    world.history.undo(world.height)
    found = only(world, asked)
    assert (found.id, found.state, found.made) == (txid.hex(), "waits", None)


def test_a_history_that_lags_does_not_say_how_a_report_ended(
    world: ReportWorld, asked: Txid
) -> None:
    txid = claimed(world, asked)
    world.block((CAROL, proof_of(txid, 1, right=True)))
    world.history.undo(world.height)
    found = only(world, asked)
    assert (found.state, found.refuted, found.burned) == ("ended", None, "0")


def test_a_bond_that_came_back_because_the_judge_is_gone(world: ReportWorld) -> None:
    question = item(choices=(60, 61), expected=((40,),))
    suite = made(Form.JUDGED, [question], judge=bytes([77]) * 64)
    proposal = world.propose(model_body(suites=(suite.named,)), bond=2 * COIN)
    body = report_bytes(ReportBody(proposal, 0, bits_of((True,))))
    (txid,) = world.block((BOB, Claim(1, BOND, body)))
    world.block((CAROL, Prove(2, txid, 0, item_proof_bytes(suite.proof(0, [])))))
    found = only(world, proposal)
    assert (found.state, found.returned, found.burned) == ("returned", str(BOND), "0")
    assert found.refuted is None


def test_reports_are_about_models_alone(world: ReportWorld) -> None:
    fee = PARAMS.limits.fee_per_byte
    change = world.propose(change_body(settings=[(12, 2 * fee)]), bond=100 * COIN)
    with pytest.raises(e.RpcError, match="is of no model"):
        all_of(world, change)
