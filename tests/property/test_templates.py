"""A template is what its draft executed: the same as one that executes everything again."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper.consensus import execution as block_execution
from esper.consensus.chain import ProvenChain
from esper.consensus.template import BlockPlan, Template
from esper.crypto.signatures import SignatureClaim
from esper.crypto.signing import KeyPair
from esper.node.calls.ready_calls import ReadyCalls
from esper.node.mining.block_assembly import Assembled, assemble
from esper.node.mining.templates import TemplateMaker
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.vm import execute
from esper.vm.context import Answer
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.execute import apply_transaction, start_block
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from esper.vm.view import Overlay
from tests.support.chain_world import ChainWorld, funded_network
from tests.support.forge import worked
from tests.support.vm_world import ALICE, BOB, COIN, MINER, address

Pool = list[tuple[KeyPair, Payload | int, int]]
"""Who wants what, a number being the longest answer to a call, and luck: at 0 a nonce is wrong."""
PAYEE = address(MINER)
NEW = b"\x01" + bytes(32)
amounts = st.sampled_from([1, 10**5, COIN, 60 * COIN, 2000 * COIN])
receivers = st.sampled_from([address(ALICE), address(BOB), PAYEE, NEW])
payloads: st.SearchStrategy[Payload | int] = st.one_of(
    st.lists(st.builds(Output, receivers, amounts), min_size=1, max_size=3)
    .map(tuple)
    .map(Transfer),
    st.builds(Stake, amounts),
    st.builds(Unstake, amounts),
    st.builds(CreditTransfer, receivers, st.sampled_from([1, 10**6, 10**12])),
    st.sampled_from([4, 24]),
)
pools = st.lists(st.tuples(st.sampled_from([ALICE, BOB]), payloads, st.integers(0, 9)), max_size=10)


@cache
def staked() -> ChainWorld:
    """A chain whose next block lets a reward mature, with credits for Alice."""
    world = ChainWorld(funded_network(lane_lapses_per_block=2), signs_results=False)
    world.stake_and_wait()
    return world


def made(
    chain: ProvenChain, plan: BlockPlan, executed: block_execution.BlockExecution | None = None
) -> Template:
    params = chain.context.params
    maker = TemplateMaker(params, PAYEE, bytes(32))
    return maker.template(
        chain.context, chain.state, plan, model=params.model, time_ms=1, execution=executed
    )


def waiting(world: ChainWorld, pool: Pool) -> list[Transaction]:
    """Transactions in the order of a pool, some of them with a nonce that is not the next."""
    nonces = {key: world.chain.state.account(address(key)).nonce for key in (ALICE, BOB)}
    found = []
    for key, payload, luck in pool:
        wished = world.call(max_tokens=payload) if isinstance(payload, int) else payload
        found.append(world.signed(key, wished, nonce=nonces[key] + (luck == 0)))
        nonces[key] += luck > 0
    return found


def planned(world: ChainWorld, candidates: list[Transaction]) -> tuple[Assembled, ReadyCalls]:
    ready = ReadyCalls()
    world.planner._answer_calls(candidates, ready)
    chain = world.chain
    return assemble(chain.context, chain.state, PAYEE, candidates, ready), ready


def chosen_alone(
    world: ChainWorld, candidates: list[Transaction], answers: dict[bytes, Answer | None]
) -> tuple[list[bytes], dict[bytes, type[TransactionViolation]]]:
    """What fits, one after the other, on overlays of nothing but the start of the block."""
    context = world.chain.context.execution_context(world.chain.state, PAYEE)
    overlay = Overlay(world.chain.state)
    start_block(Ledger(overlay), context)
    taken: list[bytes] = []
    refused: dict[bytes, type[TransactionViolation]] = {}
    for one in candidates:
        above = Overlay(overlay)
        try:
            apply_transaction(one, Ledger(above), context, answers.get(one.txid))
        except TransactionViolation as violation:
            refused[one.txid] = type(violation)
        else:
            overlay.absorb(above.changes())
            taken.append(one.txid)
    return taken, refused


@settings(max_examples=60, deadline=None)
@given(pools)
def test_a_template_is_the_one_that_executes_again(
    pool: Pool,
) -> None:
    world = staked()
    candidates = waiting(world, pool)
    assembled, _ = planned(world, candidates)
    assert assembled.execution is not None
    again = made(world.chain, assembled.plan)
    assert made(world.chain, assembled.plan, assembled.execution) == again


@settings(max_examples=60, deadline=None)
@given(pools)
def test_a_draft_takes_what_fits_one_after_the_other(
    pool: Pool,
) -> None:
    world = staked()
    # The answers of calls come in groups, which stand or fall as a whole: another subject.
    pool = [one for one in pool if not isinstance(one[1], int)]
    candidates = waiting(world, pool)
    assembled, _ = planned(world, candidates)
    taken, refused = chosen_alone(world, candidates, {})
    assert [one.txid for one in assembled.plan.transactions] == taken
    assert {txid: type(found) for txid, found in assembled.left_out.items()} == refused


def test_each_transaction_is_executed_once_and_no_signature_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = staked()
    pay = Transfer((Output(address(BOB), COIN),))
    pool: Pool = [(ALICE, pay, 1), (ALICE, 4, 1), (BOB, Stake(1), 1)]
    candidates = [*waiting(world, pool), world.signed(BOB, Stake(5000 * COIN), nonce=1)]
    executed: list[bytes] = []
    checked: list[SignatureClaim] = []
    apply, holds = execute.apply_transaction, SignatureClaim.holds.fget  # type: ignore[attr-defined]
    assert holds is not None

    def count(transaction: Transaction, *rest: object) -> object:
        executed.append(transaction.txid)
        return apply(transaction, *rest)  # type: ignore[arg-type]

    def check(claim: SignatureClaim) -> bool:
        checked.append(claim)
        return bool(holds(claim))

    monkeypatch.setattr(execute, "apply_transaction", count)
    monkeypatch.setattr(SignatureClaim, "holds", property(check))
    assembled, _ = planned(world, candidates)
    template = made(world.chain, assembled.plan, assembled.execution)
    assert len(template.transactions) == 3 + 1
    assert executed == [one.txid for one in candidates]
    assert checked == []
    # Without the execution of the draft the template would do both.
    made(world.chain, assembled.plan)
    assert executed[4:] == executed[:3]
    assert len(checked) == 3


def test_a_false_signature_that_was_let_in_is_refused_with_the_block() -> None:
    """Why a template need not look: what mines it judges the block like any other."""
    world = ChainWorld(funded_network(), signs_results=False)
    forged = replace(world.signed(ALICE, Stake(COIN)), signature=bytes(3309))
    assembled, _ = planned(world, [forged])
    template = made(world.chain, assembled.plan, assembled.execution)
    assert len(template.transactions) == 2
    lists = (template.transactions, template.results, template.call_groups)
    pre = replace(template.pre, time_ms=world.now_ms)
    block = worked(pre, world.params, template.vrf_proof, lists)
    with pytest.raises(RejectedTransactionViolation, match="SignatureViolation"):
        world.accept(block)


def test_a_call_is_executed_with_its_answer() -> None:
    world = staked()
    assembled, ready = planned(world, waiting(world, [(ALICE, 4, 1)]))
    (answer,) = assembled.plan.answers
    assert isinstance(assembled.plan.transactions[0].payload, LlmCall)
    assert assembled.execution is not None
    assert assembled.execution.receipts[0].burned > 0
    assert answer == ready.groups[0].calls[0].answer
