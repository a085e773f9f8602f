"""What transactions say about proposals and reports, as the history keeps it."""

from esper.dao.benchmarks.item_proof import item_proof_bytes
from esper.dao.benchmarks.report import ReportBody, report_bytes
from esper.node.chain.history_entries import _Reading
from esper.node.chain.trace_entries import settled_trace, trace_of
from esper.primitives.ids import Txid
from esper.storage.history.history_records import NO_TXID, CallMade
from esper.storage.history.traces import Trace, Traced, index_bytes, indices_from
from esper.vm.governance.claim import Claim
from esper.vm.governance.prove import Prove
from esper.vm.governance.vote import Vote
from esper.vm.receipt import Receipt
from esper.vm.settled_bond import SettledBond
from tests.support.bench_suites import item, said, text_suite
from tests.support.dao_world import proving
from tests.support.hidden_sets import QUESTIONS, opens, withdrawal
from tests.support.vm_world import ALICE, address

MODEL, REPORT, TXID = Txid(b"m" * 64), Txid(b"r" * 64), Txid(b"t" * 64)
SENDER = address(ALICE)
CLAIM = Claim(1, 9, report_bytes(ReportBody(MODEL, 2, b"\x05")))
SUITE = text_suite([item(prompt=(1, 30, 100 + at)) for at in range(3)])
PROVE = Prove(2, REPORT, 0, item_proof_bytes(SUITE.proof(1, [said(40)])))


def no_call(call_id: Txid) -> CallMade:
    raise AssertionError(call_id)


def test_a_claim_is_about_its_proposal() -> None:
    found = trace_of(CLAIM, TXID, SENDER, 7)
    assert found == Trace(MODEL, 7, Traced.CLAIMED, TXID, SENDER, 2, b"\x05", 0, 0)


def test_a_proof_of_an_item_is_about_its_report() -> None:
    found = trace_of(PROVE, TXID, SENDER, 7)
    assert found == Trace(REPORT, 7, Traced.PROVED, TXID, SENDER, 1, b"", 0, 0)


def test_other_things_leave_no_trace() -> None:
    assert trace_of(Vote(MODEL, 1), TXID, SENDER, 7) is None
    assert trace_of(proving(MODEL, 3), TXID, SENDER, 7) is None
    assert trace_of(withdrawal(REPORT), TXID, SENDER, 7) is None


def test_a_hidden_set_is_about_its_tokenizer() -> None:
    found = trace_of(QUESTIONS.claim(), TXID, SENDER, 7)
    about = Txid(QUESTIONS.tokenizer)
    assert found == Trace(about, 7, Traced.COMMITTED, TXID, SENDER, 200, b"", 0, 0)


def test_an_opening_is_about_its_set_and_says_which_items() -> None:
    found = trace_of(opens(REPORT, QUESTIONS.proof([3, 199])), TXID, SENDER, 7)
    assert found is not None
    assert (found.about, found.what, found.number) == (REPORT, Traced.OPENED, 2)
    assert (found.bits, indices_from(found.bits)) == (index_bytes([3, 199]), (3, 199))


def test_a_settlement_is_about_what_held_the_coins() -> None:
    found = settled_trace(SettledBond(REPORT, SENDER, 4, 5), 8)
    assert found == Trace(REPORT, 8, Traced.SETTLED, NO_TXID, SENDER, 0, b"", 4, 5)


def test_the_entry_of_a_transaction_has_it_at_the_blocks_height() -> None:
    receipt = Receipt(CLAIM.KIND, TXID, SENDER, 9, 0, 0, 0, 0)
    entry = _Reading((), no_call, {}, 11).entry(CLAIM, receipt)
    assert entry.trace == trace_of(CLAIM, TXID, SENDER, 11)
