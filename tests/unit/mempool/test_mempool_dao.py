"""What waits for the DAO, and what votes on parameters do to all that waits."""

from dataclasses import replace

from esper.dao.records import Live, SettingValue, SettingValues
from esper.dao.steps import Step, Subject
from esper.primitives.ids import Txid
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.vote import Vote
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay
from tests.support.dao_proposals import proposal
from tests.support.mempool_world import PoolWorld, move, pay
from tests.support.vm_world import ALICE, BOB, CAROL, address, make

PROPOSAL = Txid(bytes([3]) * 64)
FEE_KEY = 12


def changed(
    world: PoolWorld, step: Step | None = None, values: tuple[tuple[int, int], ...] = ()
) -> None:
    """Put a change's vote, or what votes have moved, into the state as a block would."""
    overlay = Overlay(world.world.state)
    records = DaoLedger(Ledger(overlay))
    if step is not None:
        if records.live(PROPOSAL) is not None:
            records.move(records.governance.live[0], step, 90)
        else:
            live = Live(1, PROPOSAL, Subject.CHANGE, 0, step, 90)
            records.open(live, proposal(subject=Subject.CHANGE))
    if values:
        moved = tuple(SettingValue(key, value, 1) for key, value in values)
        records.set_settings(SettingValues(moved, ()))
    world.world.state = world.world.state.with_changes(overlay.changes())


def told(world: PoolWorld) -> list[Txid]:
    """A block came that touched none of the senders; who left for it."""
    world.world.height += 1
    gone = move(world.pool, world.world.state, world.chain, touched=[], now_ms=world.now_ms)
    return [one.txid for one in gone]


def test_a_vote_leaves_when_its_proposal_closes() -> None:
    world = PoolWorld()
    changed(world, Step.TAIL)
    told(world)
    vote = world.send(ALICE, Vote(PROPOSAL, 1), 0)
    other = world.send(BOB, pay(ALICE), 0)
    changed(world, Step.CLOSE)
    assert told(world) == []
    changed(world, Step.DRAW)
    assert told(world) == [vote.txid]
    assert other.txid in world.pool


def test_a_vote_waits_while_nothing_happens_to_its_proposal() -> None:
    world = PoolWorld()
    changed(world, Step.TAIL)
    told(world)
    vote = world.send(ALICE, Vote(PROPOSAL, 1), 0)
    told(world)
    assert vote.txid in world.pool


def test_a_dearer_byte_is_asked_of_all_that_waits() -> None:
    world = PoolWorld()
    told(world)
    limits = world.params.limits
    size = len(world.signed(ALICE, pay(BOB), 0).to_bytes())
    cheap = limits.base_fee + 2 * limits.fee_per_byte * size
    poor = world.send(ALICE, pay(BOB), 0, fee=cheap)
    rich = world.send(BOB, pay(ALICE), 0, fee=4 * cheap)
    changed(world, values=((FEE_KEY, 8 * limits.fee_per_byte),))
    assert told(world) == [poor.txid]
    assert rich.txid in world.pool
    assert world.pool.minimum_fee_per_byte(world.now_ms) == 8 * limits.fee_per_byte


def test_a_cheaper_byte_lets_in_what_was_too_poor() -> None:
    world = PoolWorld()
    changed(world, values=((FEE_KEY, 1),))
    told(world)
    size = len(make(CAROL, pay(BOB), 0).to_bytes())
    world.send(CAROL, pay(BOB), 0, fee=world.params.limits.base_fee + size + 4_000)
    assert world.pool.pending_of(address(CAROL))


def test_a_wider_dust_limit_holds_for_those_that_wait() -> None:
    world = PoolWorld()
    empty = replace(world.world.account(CAROL), balance=0, stake=0, newer_credits=0, epoch_stake=0)
    world.world.state = world.world.state.with_account(address(CAROL), empty)
    told(world)
    dust = world.params.limits.dust
    sent = world.send(ALICE, pay(CAROL, dust), 0)
    assert world.pool._contents.incoming.needed_by(address(CAROL)) == []
    changed(world, values=((13, 2 * dust),))
    assert told(world) == [sent.txid]
    small = world.send(ALICE, pay(BOB, dust), 0)
    assert world.pool._contents.incoming.needed_by(address(BOB)) == [small.txid]
