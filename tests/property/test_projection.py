"""A sender in the mempool is what execution leaves of it, whatever waits."""

from hypothesis import given, settings
from hypothesis import strategies as st

from esper.crypto.signatures import SignatureClaim
from esper.mempool.lines.next_block import NextBlock
from esper.mempool.lines.projection import Projection
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.execute import apply_transaction, start_block
from esper.vm.ledger import Ledger
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from esper.vm.view import Overlay
from tests.support.mempool_world import PoolWorld, call, earning_state
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address, make

SENDER = address(ALICE)
NEW = b"\x01" + bytes(32)
receivers = st.sampled_from([SENDER, address(BOB), NEW])
amounts = st.sampled_from([1, 10**5, 10**6, COIN, 400 * COIN])
payloads: st.SearchStrategy[Payload] = st.one_of(
    st.lists(st.builds(Output, receivers, amounts), min_size=1, max_size=3)
    .map(tuple)
    .map(Transfer),
    st.builds(Stake, amounts),
    st.builds(Unstake, amounts),
    st.builds(CreditTransfer, receivers, st.sampled_from([1, 10**6, 10**9, 6 * 10**11])),
    st.builds(call, price=st.integers(10, 100)),
)


class CountedReads:
    """The next block, and how often somebody looked at it."""

    def __init__(self, below: NextBlock) -> None:
        self.below = below
        self.reads = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.below, name)

    def get(self, path: bytes) -> bytes | None:
        self.reads += 1
        return self.below.get(path)


def executed(
    transaction: Transaction, ledger: Ledger, below: NextBlock
) -> SignatureClaim | TransactionViolation:
    try:
        return apply_transaction(transaction, ledger, below.context)[1]
    except TransactionViolation as violation:
        return violation


def assert_same_rule(one: object, other: object) -> None:
    assert type(one) is type(other)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(payloads, st.booleans()), min_size=1, max_size=8))
def test_a_projection_is_the_execution_of_its_sender(line: list[tuple[Payload, bool]]) -> None:
    world = PoolWorld(world=earning_state(ALICE, BOB, CAROL))
    below = NextBlock(world.world.state, world.chain)
    projection = Projection(SENDER, below)
    overlay = Overlay(world.world.state)
    ledger = Ledger(overlay)
    start_block(ledger, below.context)
    happened = 0
    for payload, with_key in line:
        transaction = make(ALICE, payload, projection.account.nonce, with_key=with_key)
        expected = executed(transaction, Ledger(Overlay(overlay)), below)
        try:
            claim = projection.check(transaction, below)
        except TransactionViolation as refused:
            assert_same_rule(expected, refused)
            continue
        assert claim == expected
        executed(transaction, ledger, below)
        projection.apply(transaction, below)
        assert projection.account == ledger.account(SENDER)
        happened += 1
    assert projection.account.nonce == happened


def test_a_payment_to_hundreds_reads_none_of_their_accounts() -> None:
    world = PoolWorld()
    below = CountedReads(NextBlock(world.world.state, world.chain))
    projection = Projection(SENDER, below)  # type: ignore[arg-type]
    outputs = tuple(Output(b"\x01" + bytes([number]) * 32, COIN) for number in range(200))
    below.reads = 0
    projection.apply(make(ALICE, Transfer(outputs), 0), below)  # type: ignore[arg-type]
    assert projection.account.balance == 800 * COIN - 100_000
    assert below.reads == 0
