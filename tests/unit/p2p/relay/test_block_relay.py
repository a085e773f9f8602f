"""The relay of blocks, one way through at a time."""

from dataclasses import replace

from esper.consensus.block import decode_body
from esper.p2p.actions import End
from esper.p2p.faults import Offence
from esper.p2p.limits import ANNOUNCE_BURST, WAIT_FOR_OUTBOUND_MS
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import Adopt, CheckLists, CheckWork
from esper.p2p.relay.blocks.works import SEEN_WORKS, Works
from esper.p2p.relay.compact import BlockParts
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import Compact, Proof
from esper.p2p.wire.talk_messages import Announce, GetBlock, GetBlocks, GetBlockTxs
from esper.primitives.ids import WorkId
from esper.primitives.networks import REGTEST
from tests.support.block_workshop import Made
from tests.support.forge import forged
from tests.support.net.relay_world import (
    GENESIS,
    LIMITS,
    RelayWorld,
    chain_of,
    header_of,
    honest_answers,
    made_on,
    parts_of,
    transactions_of,
)
from tests.support.vm_world import MINER, address


def test_an_announced_block_is_fetched_proven_and_passed_on() -> None:
    world = RelayWorld()
    giver, other = world.outbound(2)
    listener = world.peer()
    world.do(world.relay.prefer(listener, 1, world.now))
    made = made_on(GENESIS, "alice", "bob")
    world.announce(giver, made)
    assert world.asked == [(giver, GetBlock(0, made.block_id))]
    world.serve(giver, made)
    assert world.has(made)
    assert world.pushed_to(made) == [listener]
    assert world.announced_to(made) == [other]
    assert world.offences() == []
    assert world.asks == {}
    assert world.relay.statistics().reserved_bytes == 0


def test_transactions_come_from_the_pool_and_from_recent_blocks() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    made = made_on(GENESIS, "alice", "bob")
    rival = made_on(GENESIS, "alice", "bob", payee="carol")
    world.pool.add(*transactions_of(made)[:-1])
    world.announce(giver, made)
    world.serve(giver, made, knows=lambda _: True)
    world.pool.transactions.clear()
    world.announce(giver, rival)
    world.serve(giver, rival, knows=lambda _: True)
    assert world.has(made)
    assert world.has(rival)
    assert {type(request) for _, request in world.asked} == {GetBlock}


def test_missing_transactions_are_asked_for_while_the_proof_is_on_its_way() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    made = made_on(GENESIS, "alice", "bob")
    world.pool.add(transactions_of(made)[0])
    world.announce(giver, made)
    world.serve(giver, made, knows=lambda _: True)
    assert world.asked == [
        (giver, GetBlock(0, made.block_id)),
        (giver, GetBlockTxs(0, made.block_id, (1,))),
    ]
    assert world.has(made)


def test_a_prefix_of_another_transaction_costs_the_whole_body_once_and_no_blame() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    made = made_on(GENESIS, "alice", "bob")
    first, second, _ = transactions_of(made)
    world.pool.add(first, second)
    prefix = next(iter(world.pool.transactions))
    world.pool.transactions[prefix] = second
    world.announce(giver, made)
    world.serve(giver, made, knows=lambda _: True)
    assert [type(request) for _, request in world.asked] == [GetBlock, GetBlocks]
    assert world.has(made)
    assert world.offences() == []


def test_two_transactions_of_a_prefix_cost_the_whole_body() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    made = made_on(GENESIS, "alice", "bob")
    rival = made_on(GENESIS, "alice", "bob", payee="carol")
    world.announce(giver, rival)
    world.serve(giver, rival)
    world.pool.add(*transactions_of(made))
    prefix = next(iter(world.pool.transactions))
    world.pool.transactions[prefix] = b"another one"
    world.announce(giver, made)
    world.serve(giver, made, knows=lambda _: True)
    assert [type(request) for _, request in world.asked] == [GetBlock, GetBlock, GetBlocks]
    assert world.has(made)


def test_a_block_of_ours_goes_to_everybody_once() -> None:
    world = RelayWorld()
    peers = world.outbound(3)
    world.do(world.relay.prefer(peers[1], 1, world.now))
    made = made_on(GENESIS, "alice")
    world.chain.grow(made)
    body = decode_body(made.data.body, len(made.data.body))
    world.do(world.relay.own_block(header_of(made), body, made.data.proof, world.now))
    world.do(world.relay.chain_changed(world.now))
    assert world.pushed_to(made) == [peers[1]]
    assert world.announced_to(made) == [peers[0], peers[2]]


def test_an_inbound_announcement_waits_for_an_outbound_one() -> None:
    world = RelayWorld()
    [inbound] = world.inbound(1)
    [outbound] = world.outbound(1)
    made, other = made_on(GENESIS, "alice"), made_on(GENESIS, "bob")
    world.announce(inbound, made)
    assert world.asked_of() == []
    assert world.relay.due() == WAIT_FOR_OUTBOUND_MS
    world.announce(outbound, made)
    assert world.asked_of() == [outbound]
    world.announce(inbound, other)
    world.pass_ms(WAIT_FOR_OUTBOUND_MS)
    assert world.asked_of() == [outbound, inbound]


def test_without_outbound_peers_nobody_waits_for_them() -> None:
    world = RelayWorld()
    [inbound] = world.inbound(1)
    world.announce(inbound, made_on(GENESIS))
    assert world.asked_of() == [inbound]


def test_nothing_is_fetched_or_announced_while_busy_and_the_tip_alone_afterwards() -> None:
    world = RelayWorld()
    giver, listener = world.outbound(2)
    first, second, third = chain_of(3)
    world.announce(giver, first)
    world.relay.busy = True
    world.serve(giver, first)
    world.do(world.relay.prefer(listener, 1, world.now))
    world.announce(giver, second)
    world.push(giver, second)
    world.chain.grow(second)
    world.relay.proven_by_sync(_Proven(second))
    world.do(world.relay.chain_changed(world.now))
    assert world.has(first)
    assert [one for one in world.sends if isinstance(one.message, Announce | Compact)] == []
    world.relay.busy = False
    due = world.relay.due()
    assert due is not None
    world.do(world.relay.on_time(due))
    assert world.announced_to(second) == [giver, listener]
    assert world.announced_to(first) == []
    assert world.pushed_to(second) == []
    world.announce(giver, third)
    assert world.asked_of() == [giver]


def test_a_change_of_chain_tells_those_who_lack_the_tip() -> None:
    world = RelayWorld()
    knowing, lacking = world.outbound(2)
    [made] = chain_of(1)
    world.chain.grow(made)
    world.relay.proven_by_sync(_Proven(made))
    world.announce(knowing, made)
    world.do(world.relay.chain_changed(world.now))
    world.do(world.relay.chain_changed(world.now))
    assert world.announced_to(made) == [lacking]


def test_a_tip_that_is_not_recent_is_not_announced() -> None:
    world = RelayWorld()
    world.outbound(1)
    world.chain.grow(*chain_of(1))
    world.do(world.relay.chain_changed(world.now))
    assert world.sends == []


def test_a_block_that_sync_brought_meanwhile_is_not_fetched() -> None:
    world = RelayWorld()
    [inbound], [_] = world.inbound(1), world.outbound(1)
    [made] = chain_of(1)
    world.announce(inbound, made)
    world.chain.grow(made)
    world.pass_ms(WAIT_FOR_OUTBOUND_MS)
    assert world.asked == []
    assert world.relay.statistics().works == 0


def test_a_child_of_a_block_that_is_being_executed_is_fetched() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    first, second = chain_of(2)
    world.announce(giver, first)
    world.serve(giver, first, jobs=False)
    while not isinstance(world.jobs[0], Adopt):
        world.run(world.jobs.pop(0))
    assert not world.has(first)
    world.announce(giver, second)
    assert world.asked_of() == [giver]
    assert world.to_sync == []
    world.serve(giver, second)
    assert world.has(second)


def test_a_refusal_or_a_late_answer_turns_to_the_next_at_once() -> None:
    world = RelayWorld()
    first, second, third = world.outbound(3)
    made = made_on(GENESIS, "alice")
    for number in (first, second, third):
        world.announce(number, made)
    for number, end in [(first, End.REFUSED), (second, End.LATE)]:
        [(key, _)] = world.open(number)
        world.end(number, key, end)
    assert world.asked_of() == [third]
    [(key, _)] = world.open(third)
    world.end(third, key, End.REFUSED)
    assert world.relay.statistics().works == 0
    assert world.relay.due() is None
    world.announce(first, made)
    world.serve(first, made)
    assert world.has(made)


def test_who_leaves_in_the_middle_is_replaced() -> None:
    world = RelayWorld()
    first, second = world.outbound(2)
    made = made_on(GENESIS, "alice")
    world.announce(first, made)
    world.announce(second, made)
    world.leave(first)
    assert world.asked_of() == [second]
    world.serve(second, made)
    assert world.has(made)


def test_who_leaves_behind_its_proof_leaves_the_block() -> None:
    world = RelayWorld()
    first, second = world.outbound(2)
    made = made_on(GENESIS, "alice", "bob")
    world.announce(first, made)
    world.announce(second, made)
    parts = parts_of(made)
    [(key, request)] = world.open(first)
    world.answer(first, key, *honest_answers(parts, request, lambda _: True))
    world.leave(first)
    world.work()
    world.serve(second, made)
    assert world.has(made)
    assert sum(isinstance(one, GetBlock) for _, one in world.asked) == 1


def test_two_proofs_of_a_work_are_verified_one_after_the_other() -> None:
    world = RelayWorld()
    first, second = world.outbound(2)
    made = made_on(GENESIS, "alice")
    world.announce(first, made)
    world.announce(second, made)
    world.pass_ms(1000)
    for number in (first, second):
        world.serve(number, made, jobs=False)
    assert len(world.jobs) == 1
    world.work()
    assert world.verifier.verified == 1
    assert world.has(made)


def test_trouble_of_our_own_blames_nobody_and_is_no_verdict() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    made = made_on(GENESIS, "alice")
    for stage in (CheckWork, CheckLists):
        world.announce(giver, made)
        world.serve(giver, made, jobs=False)
        while not isinstance(world.jobs[0], stage):
            world.run(world.jobs.pop(0))
        failure = Failure.of_machine(OSError("no memory"))
        world.do(world.relay.done(world.jobs.pop(0).key, failure, world.now))
        assert world.relay.statistics().reserved_bytes == 0
    assert world.offences() == []
    world.announce(giver, made)
    world.serve(giver, made)
    assert world.has(made)


def test_lists_that_break_a_rule_are_forged_whatever_proves_them() -> None:
    world = RelayWorld()
    giver, second = world.outbound(2)
    chain = GENESIS.chain
    made = forged(chain, address(MINER), transactions=(b"\x93\x01\x09",))
    header = made.header.to_bytes()
    parts = BlockParts.of(made.header.block_id, header, made.body, made.proof)
    world.announce(giver, header)
    world.announce(second, replace(made.header, proof_hash=bytes(64)).to_bytes())
    [(key, request)] = world.open(giver)
    world.answer(giver, key, *honest_answers(parts, request))
    world.work()
    assert world.offences() == [(giver, Offence.FORGED)]
    # Its siblings hold the same lists: they are not fetched.
    assert world.asks == {}
    assert world.relay.statistics().works == 0


def test_blocks_are_served_while_they_are_recent() -> None:
    world = RelayWorld()
    giver, asker = world.outbound(2)
    made = made_on(GENESIS, "alice")
    world.announce(giver, made)
    world.serve(giver, made)
    told = parts_of(made).prefixes[0]
    world.relay.knows_of = lambda number, prefix: (number, prefix) == (asker, told)
    found = world.relay.compact_for(asker, made.block_id)
    assert found is not None
    assert (found[0].number, found[0].shorts, found[1]) == (0, (told,), made.data.proof)
    assert world.relay.compact_for(giver, made.block_id)[0].shorts == ()  # type: ignore[index]
    assert world.relay.compact_for(asker, bytes(64)) is None
    transactions = transactions_of(made)
    assert world.relay.transactions_of(made.block_id, (0, 1)) == transactions
    assert world.relay.transactions_of(made.block_id, (2,)) is None
    assert world.relay.transactions_of(bytes(64), (0,)) is None


def test_a_branch_that_forks_deep_is_fetched_if_it_outweighs_ours() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    ours, theirs = chain_of(8), chain_of(9, payee="bob")
    world.chain.grow(*ours)
    for made in theirs[:8]:
        world.chain.proven[made.block_id] = made.chain.context
        assert made.parent is not None
        world.chain.parents[made.block_id] = made.parent.block_id
    rival = made_on(theirs[6], payee="carol")
    world.announce(giver, rival)
    assert world.asked == []
    world.announce(giver, theirs[8])
    assert world.asked == [(giver, GetBlock(0, theirs[8].block_id))]


def test_far_above_what_was_executed_sync_is_asked() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    theirs = chain_of(LIMITS.horizon + 1)
    for made in theirs[:-1]:
        world.chain.proven[made.block_id] = made.chain.context
        assert made.parent is not None
        world.chain.parents[made.block_id] = made.parent.block_id
    world.announce(giver, theirs[-2])
    world.announce(giver, theirs[-1])
    assert [one.header for one in world.to_sync] == [header_of(theirs[-1])]


def test_what_cannot_be_judged_yet_is_left_to_sync_without_blame() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    theirs = chain_of(REGTEST.governance.horizon + 1)
    for made in theirs[:-1]:
        world.chain.proven[made.block_id] = replace(made.chain.context, executed_height=0)
        assert made.parent is not None
        world.chain.parents[made.block_id] = made.parent.block_id
    world.announce(giver, theirs[-1])
    assert [one.header for one in world.to_sync] == [header_of(theirs[-1])]
    assert (world.asked, world.offences()) == ([], [])


def test_a_block_of_an_unknown_parent_is_fetched_once_that_is_here() -> None:
    """Sync asks for headers, and may be told of the parent alone: its giver executes that first."""
    world = RelayWorld()
    giver, silent = world.outbound(2)
    first, second, third = chain_of(3)
    world.announce(giver, second)
    world.announce(giver, third)
    world.announce(silent, third)
    assert [one.header for one in world.to_sync] == [
        header_of(second),
        header_of(third),
        header_of(third),
    ]
    assert world.relay.statistics().header_bytes == 2 * len(third.data.header)
    world.chain.grow(first)
    world.do(world.relay.chain_changed(world.now))
    assert world.asked == []
    world.chain.grow(second)
    world.do(world.relay.chain_changed(world.now))
    assert world.asked == [(giver, GetBlock(0, third.block_id))]
    world.serve(giver, third)
    assert world.has(third)
    assert world.relay.statistics().header_bytes == 0
    world.do(world.relay.chain_changed(world.now))
    assert len(world.asked) == 1


def test_what_has_a_parent_and_is_left_to_sync_is_not_looked_at_again() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    theirs = chain_of(LIMITS.horizon + 1)
    for made in theirs[:-1]:
        world.chain.proven[made.block_id] = made.chain.context
        assert made.parent is not None
        world.chain.parents[made.block_id] = made.parent.block_id
    world.announce(giver, theirs[-1])
    world.do(world.relay.chain_changed(world.now))
    assert len(world.to_sync) == 1


def test_the_last_announcement_of_a_busy_time_is_looked_at_when_it_ends() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    first, second = chain_of(2)
    world.relay.busy = True
    world.announce(giver, first)
    world.announce(giver, second)
    world.do(world.relay.chain_changed(world.now))
    assert (world.asked, world.to_sync) == ([], [])
    world.chain.grow(first)
    world.relay.busy = False
    due = world.relay.due()
    assert due is not None
    world.do(world.relay.on_time(due))
    assert world.asked == [(giver, GetBlock(0, second.block_id))]


def test_announcements_of_a_busy_time_count_like_all_others() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    made = chain_of(2)
    world.relay.busy = True
    for _ in range(int(ANNOUNCE_BURST)):
        world.announce(giver, made[0])
    world.announce(giver, made[1])
    assert world.relay.statistics().header_bytes == len(made[0].data.header)
    world.relay.busy = False
    due = world.relay.due()
    assert due is not None
    world.do(world.relay.on_time(due))
    assert world.asked == [(giver, GetBlock(0, made[0].block_id))]


def test_other_networks_and_rules_are_told_apart_from_forgers() -> None:
    made = made_on(GENESIS)
    header = header_of(made)
    for data, offence in [
        (b"no header", Offence.OTHER_RULES),
        (replace(header, pre=replace(header.pre, omega=1)).to_bytes(), Offence.OTHER_RULES),
        (replace(header, pre=replace(header.pre, height=2)).to_bytes(), Offence.FORGED),
    ]:
        world = RelayWorld()
        [giver] = world.outbound(1)
        world.announce(giver, data)
        assert world.offences() == [(giver, offence)]


def test_events_of_strangers_and_late_ones_are_ignored() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    made = made_on(GENESIS)
    gone = PeerNumber(99)
    world.announce(giver, made)
    [(key, request)] = world.open(giver)
    world.serve(giver, made)
    parts = parts_of(made)
    relay = world.relay
    for actions in (
        relay.announced(gone, made.data.header, 0),
        relay.pushed(gone, Proof(0, made.block_id, b""), 0),
        relay.prefer(gone, 1, 0),
        relay.left(gone, 0),
        relay.answered(giver, key, Proof(1, made.block_id, parts.proof), 0),
        relay.ended(giver, key, End.DONE, 0),
        relay.ended(giver, "another machine's", End.DONE, 0),
        relay.done(key, None, 0),
        relay.done("another machine's", None, 0),
    ):
        assert actions == []
    assert relay.statistics().preferrers == 0
    assert isinstance(request, GetBlock)


def test_nobody_else_is_asked_while_a_proof_is_being_verified() -> None:
    world = RelayWorld()
    first, second = world.outbound(2)
    made = made_on(GENESIS, "alice")
    world.announce(first, made)
    world.announce(second, made)
    world.serve(first, made, jobs=False)
    world.pass_ms(5_000)
    assert [number for number, _ in world.asked] == [first]


def test_who_left_is_forgotten() -> None:
    world = RelayWorld()
    giver, other = world.outbound(2)
    made = made_on(GENESIS)
    world.do(world.relay.prefer(giver, 1, world.now))
    world.announce(giver, made)
    world.serve(giver, made)
    found = world.relay.statistics()
    assert (found.preferred, found.preferrers, found.peers) == (1, 1, 2)
    world.announce(giver, made_on(made, "alice"))
    world.leave(giver)
    found = world.relay.statistics()
    assert (found.preferred, found.preferrers, found.peers) == (0, 0, 1)
    assert (found.works, found.ids, found.header_bytes) == (0, 0, 0)
    assert list(world.peers) == [other]


def test_a_push_of_a_block_whose_proof_is_here_takes_no_place() -> None:
    world = RelayWorld()
    friend, miser = world.outbound(2)
    first = made_on(GENESIS)
    world.announce(friend, first)
    world.serve(friend, first)
    made = made_on(first, "alice", "bob")
    world.announce(miser, made)
    [(key, request)] = world.open(miser)
    world.answer(miser, key, *honest_answers(parts_of(made), request, lambda _: True))
    world.work()
    world.push(friend, made, proof=False)
    assert world.relay.statistics().pushes == 0
    # Whoever pushed it has it all the same.
    [(key, _)] = world.open(miser)
    world.end(miser, key, End.REFUSED)
    world.serve(friend, made)
    assert world.has(made)


def test_a_push_of_a_peer_that_owes_another_block_is_asked_for_later() -> None:
    world = RelayWorld()
    [friend] = world.outbound(1)
    first = made_on(GENESIS)
    world.announce(friend, first)
    world.serve(friend, first)
    made, other = made_on(first, "alice"), made_on(first, "bob", payee="carol")
    world.announce(friend, other)
    world.push(friend, made)
    assert world.relay.statistics().pushes == 0
    world.serve(friend, other)
    world.serve(friend, made)
    assert world.has(made)
    assert world.offences() == []


def test_where_a_branch_forks_is_looked_up_again_when_the_tip_moves() -> None:
    world = RelayWorld()
    [giver] = world.outbound(1)
    theirs = chain_of(8, payee="bob")
    world.chain.grow(*chain_of(3))
    world.chain.grow(*theirs[:3])
    world.announce(giver, made_on(theirs[2], payee="carol"))
    world.chain.grow(*theirs[3:])
    rival = made_on(theirs[2], "alice", payee="carol")
    world.announce(giver, rival)
    assert world.to_sync == []


def test_proven_works_are_remembered_up_to_a_bound() -> None:
    works = Works()
    for number in range(SEEN_WORKS + 1):
        works.settle(WorkId(b"%064d" % number))
    assert works.seen_count == SEEN_WORKS
    assert not works.is_seen(WorkId(b"%064d" % 0))
    assert works.is_seen(WorkId(b"%064d" % 1))


class _Proven:
    """What sync hands on."""

    def __init__(self, made: Made) -> None:
        self.block_id = made.block_id
        self.data = made.data
        self.header = header_of(made)
        self.headers = made.chain.context
