"""The relay of blocks, one way through at a time."""

from esper.p2p.wire.talk_messages import GetBlock, GetBlocks, GetBlockTxs
from tests.support.relay_world import (
    GENESIS,
    RelayWorld,
    made_on,
    transactions_of,
)


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
    from esper.consensus.block import decode_body
    from tests.support.relay_world import header_of

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
