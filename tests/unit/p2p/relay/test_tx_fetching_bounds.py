"""Fetching transactions at its bounds: to the byte, to the millisecond, what follows at once."""

from esper.p2p.actions import Ask, Blame
from esper.p2p.faults import Offence
from esper.p2p.limits import TRANSACTION_BYTES, TX_NOT_ASKED_MS, TX_UNANSWERED
from esper.p2p.relay.known import prefix_of
from esper.p2p.wire.bulk_messages import Txs
from esper.p2p.wire.talk_messages import Announced, GetTxs, HaveTxs
from tests.support.net.tx_relay_world import TxWorld, having, silent, transactions


def test_what_a_peer_that_leaves_was_asked_counts_no_more_and_is_asked_of_the_next_at_once() -> (
    None
):
    world = TxWorld()
    (data,) = transactions(1)
    one, two = world.join(1, True), world.join(2, True)
    world.have(one, [data])
    world.have(two, [data])
    (ask,) = world.relay.left(one, world.now)
    assert isinstance(ask, Ask)
    assert (ask.peer, ask.request) == (two, GetTxs(0, (prefix_of(data),)))
    assert world.relay.statistics().held_bytes == len(data)
    assert world.relay.left(two, world.now) == []
    assert world.relay.statistics().held_bytes == 0
    assert world.relay.statistics().wanted == 0


def test_a_transaction_of_the_largest_size_is_asked_for() -> None:
    world = TxWorld()
    (data,) = transactions(1, size=TRANSACTION_BYTES)
    one = world.join(1, True, having([data]))
    world.have(one, [data])
    world.run(1_000)
    assert world.judged == [data]
    assert world.blames == []


def test_behind_a_size_that_cannot_be_nothing_is_looked_at() -> None:
    world = TxWorld(leave_on_blame=False)
    first, second, third = (prefix_of(one) for one in transactions(3))
    one = world.join(1, True)
    announced = (
        Announced(first, TRANSACTION_BYTES + 1),
        Announced(second, 200),
        Announced(third, TRANSACTION_BYTES + 1),
    )
    blames = world.relay.have(one, HaveTxs(announced), world.now)
    assert [type(blame) for blame in blames] == [Blame]
    assert world.relay.statistics().wanted == 0


def test_behind_an_offence_nothing_of_an_answer_is_taken() -> None:
    for given, sizes in (
        # Not asked for, of another size.
        ((b"x" * 200, *transactions(2)), (200, 200)),
        (tuple(transactions(2)), (199, 200)),
        (tuple(transactions(2)), (201, 200)),
    ):
        world = TxWorld(leave_on_blame=False)
        one = world.join(1, True)
        prefixes = [prefix_of(data) for data in transactions(2)]
        announced = tuple(map(Announced, prefixes, sizes))
        (ask,) = world.relay.have(one, HaveTxs(announced), world.now)
        assert isinstance(ask, Ask)
        assert isinstance(ask.key, int)
        found = world.relay.answered(one, ask.key, Txs(1, given), world.now)
        assert [type(one) for one in found] == [Blame]
        assert isinstance(found[0], Blame)
        assert found[0].offence in (Offence.UNASKED, Offence.SIZE)


def _silenced(world: TxWorld) -> int:
    """One that gave nothing of just so much that it is asked no more; when that began."""
    one = world.join(1, True, silent)
    world.have(one, transactions(TX_UNANSWERED - 1))
    world.run(20_000)
    assert world.relay.statistics().silent == 0
    world.have(one, transactions(1, salt=1))
    world.run(world.now + 2_900)
    assert world.relay.statistics().silent == 0
    began = world.now
    while not world.relay.statistics().silent:
        world.run(world.now + 1)
        assert world.now < began + 200
    return world.now


def test_who_is_silenced_is_asked_again_to_the_millisecond() -> None:
    for early, asked in ((1, 0), (0, 1)):
        world = TxWorld(leave_on_blame=False)
        began, before = _silenced(world), len(world.asked)
        world.run(began + TX_NOT_ASKED_MS - early)
        (one,) = world.answering
        world.have(one, transactions(1, salt=2))
        world.run(world.now + 1)
        assert len(world.asked) - before == asked


def test_one_more_that_it_does_not_give_silences_it_again() -> None:
    world = TxWorld(leave_on_blame=False)
    began = _silenced(world)
    (one,) = world.answering
    world.run(began + TX_NOT_ASKED_MS)
    world.have(one, transactions(1, salt=2))
    world.run(world.now + 5_000)
    before = len(world.asked)
    world.have(one, transactions(1, salt=3))
    world.run(world.now + 5_000)
    assert len(world.asked) == before
