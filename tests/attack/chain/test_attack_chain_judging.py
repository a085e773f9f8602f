"""Who spoils an honest block's name, and what is asked again or kept though it need not be."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain
from esper.node.chain import block_judge
from esper.node.chain import branches as branches_module
from esper.node.chain.branches import NoRoomBesideError
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.changes import executing
from esper.primitives.errors.block_errors import CoinbaseViolation, StateRootViolation
from esper.primitives.errors.chain_errors import TooDeepReorganisation
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.header_errors import TimeOldViolation, UnknownParentViolation
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.storage.errors import DiskReserveError
from esper.storage.side_blocks import SideBlocks
from esper.vm.records import account_path
from tests.attack.chain.test_attack_chain_disk import false_root
from tests.support.chain_world import ChainWorld
from tests.support.vm_world import ALICE, address
from tests.unit.node.chain.test_chain_manager import (
    FAR,
    PARAMS,
    SECRET,
    Node,
    assert_at,
    branch,
    network,
    submit,
)

SHORT = network(undo_depth=2)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, PARAMS)
    yield opened
    opened.store.close()


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, SHORT)
    yield opened
    opened.store.close()


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """Calls of a function that the judge uses."""
    real, calls = getattr(block_judge, name), list[Any]()

    def counting(*given: Any, **named: Any) -> Any:
        calls.append(given)
        return real(*given, **named)

    monkeypatch.setattr(block_judge, name, counting)
    return calls


def of_the_past(block: Block) -> Block:
    """The block with the genesis' time: its header breaks a rule, whoever looks."""
    pre = replace(block.header.pre, time_ms=PARAMS.genesis_time_ms)
    return replace(block, header=replace(block.header, pre=pre))


POISONS: dict[str, Callable[[BlockBytes, Block], BlockBytes]] = {
    "outputs": lambda data, block: replace(
        data,
        body=replace(
            block.body,
            outputs=replace(block.body.outputs, answers=block.body.outputs.answers[::-1]),
        ).to_bytes(),
    ),
    "proof": lambda data, block: replace(data, proof=data.proof + b"?"),
    "long proof": lambda data, block: replace(data, proof=bytes(PARAMS.limits.proof_bytes + 1)),
    "transactions": lambda data, block: replace(
        data, body=replace(block.body, transactions=block.body.transactions[1:]).to_bytes()
    ),
    "results": lambda data, block: replace(
        data, body=replace(block.body, results=(b"result",)).to_bytes()
    ),
    "groups": lambda data, block: replace(
        data, body=replace(block.body, call_groups=(b"group",)).to_bytes()
    ),
    "no body": lambda data, block: replace(data, body=b""),
    "long body": lambda data, block: replace(data, body=bytes(PARAMS.limits.body_bytes + 1)),
}


@pytest.mark.parametrize("poison", POISONS)
def test_other_bytes_under_an_honest_id_say_nothing_about_it(poison: str, node: Node) -> None:
    world, [honest] = branch(None, 1, step_ms=1)
    stage = Stage.LISTS if poison in ("transactions", "results", "groups") else Stage.WORK
    for _ in range(2):
        with pytest.raises(RuleViolation) as refused:
            node.manager.submit(POISONS[poison](BlockBytes.of(honest), honest), now_ms=FAR)
        assert consequence_of(refused.value, stage) is Consequence.WRONG_BYTES
    assert submit(node, honest) == (0, 1)
    assert_at(node, world.chain)


def test_a_header_that_is_refused_for_good_is_looked_at_once(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, [honest] = branch(None, 1, step_ms=1)
    looks = counted(monkeypatch, "check_header")
    for _ in range(3):
        with pytest.raises(TimeOldViolation):
            submit(node, of_the_past(honest))
    assert len(looks) == 1
    assert submit(node, honest) == (0, 1)


def test_lists_that_are_refused_for_good_are_read_once(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, [block] = branch(None, 1, step_ms=1)
    reads: list[Block] = []

    def two_coinbases(block: Block, *_: object) -> None:
        reads.append(block)
        raise CoinbaseViolation("2 of them, must be one at the end")

    monkeypatch.setattr(block_judge, "check_lists", two_coinbases)
    for _ in range(3):
        with pytest.raises(CoinbaseViolation):
            submit(node, block)
    assert len(reads) == 1


def test_what_the_judge_remembers_has_a_bound(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_judge, "REMEMBERED", 2)
    node.manager = ChainManager(
        node.store, PARAMS, ChainWorld(PARAMS).verifier, secret=SECRET, now_ms=node.now_ms
    )
    _, blocks = branch(None, 4, step_ms=1)
    looks = counted(monkeypatch, "check_header")
    past = [
        replace(bad, header=replace(bad.header, pre=replace(bad.header.pre, nonce=nonce)))
        for nonce, bad in enumerate([of_the_past(blocks[0])] * 4)
    ]
    for block in (*past, past[0], past[3]):
        with pytest.raises(TimeOldViolation):
            submit(node, block)
    # The first was forgotten for the last, which are remembered.
    assert len(looks) == 5
    for block in blocks:
        submit(node, block)
    assert len(node.manager.block_judge._refused._values) == 2
    assert len(node.manager.block_judge._worked._values) == 2


def test_a_judged_block_whose_parent_was_forgotten_meanwhile_is_no_mistake(node: Node) -> None:
    world, first = branch(None, 1, step_ms=1)
    _, other = branch(None, 2, step_ms=2)
    for block in (*first, other[0]):
        submit(node, block)
    data = BlockBytes.of(other[1])
    parent = node.manager.check_may_come(other[1].header)
    judged = node.manager.block_judge.judge(data, parent, now_ms=FAR, received_ms=FAR)
    node.manager.known.forget(other[0].header.block_id)
    with pytest.raises(UnknownParentViolation):
        node.manager.adopt(judged)
    # So it is for who asks while a block is on its way into the tree.
    _, [child] = branch(world.chain, 1, step_ms=3)
    del node.manager.known.headers[first[0].header.block_id]
    with pytest.raises(UnknownParentViolation):
        node.manager.check_may_come(child.header)


def test_a_block_that_was_judged_twice_is_adopted_once(node: Node) -> None:
    world, [block] = branch(None, 1, step_ms=1)
    parent = node.manager.check_may_come(block.header)
    data = BlockBytes.of(block)
    judged = [
        node.manager.block_judge.judge(data, parent, now_ms=FAR, received_ms=FAR) for _ in range(2)
    ]
    assert node.manager.adopt(judged[0]).new
    again = node.manager.adopt(judged[1])
    assert (again.new, again.undone, again.applied) == (False, (), ())
    assert node.side() == set()
    assert_at(node, world.chain)


def test_a_change_of_chain_without_reserve_writes_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, mine = branch(None, 2, step_ms=1)
    right, others = branch(None, 3, step_ms=2)
    for block in (*mine, *others[:2]):
        submit(node, block)
    asked: list[int] = []

    def spent(*_: object) -> None:
        asked.append(1)
        # There is just room for the block itself.
        if len(asked) > 1:
            raise DiskReserveError(node.datadir, 0, 1)

    monkeypatch.setattr(type(node.store.options), "check_reserve", spent)
    with pytest.raises(DiskReserveError):
        submit(node, others[2])
    assert_at(node, left.chain)
    assert node.side() == {block.header.block_id for block in others}
    monkeypatch.undo()
    submit(node, others[2])
    assert_at(node, right.chain)


def test_a_chain_that_was_put_aside_in_vain_is_not_taken_for_a_branch(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mine = branch(None, 2, step_ms=1)
    right, others = branch(None, 4, step_ms=2)
    size = sum(map(len, (mine[0].header.to_bytes(), mine[0].body.to_bytes(), mine[0].proof)))
    node.manager = ChainManager(
        node.store, PARAMS, ChainWorld(PARAMS).verifier, secret=SECRET, now_ms=node.now_ms,
        side_bytes=4 * size + size // 2,
    )  # fmt: skip
    for block in (*mine, *others[:2]):
        submit(node, block)
    put_aside = branches_module.Branches.put_aside
    left_to_put = [1]

    def filling(self: branches_module.Branches, *given: Any) -> None:
        if not left_to_put:
            raise OSError("no room")
        left_to_put.pop()
        put_aside(self, *given)

    monkeypatch.setattr(branches_module.Branches, "put_aside", filling)
    with pytest.raises(OSError, match="no room"):
        submit(node, others[2])
    monkeypatch.undo()
    # The tip lies on disk beside the chain whose tip it still is; it makes no room for others.
    assert mine[1].header.block_id in node.side()
    submit(node, others[3])
    assert_at(node, right.chain)
    assert node.side() == {block.header.block_id for block in mine}


def test_a_block_that_joined_is_told_whole_though_tidying_up_failed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, [block] = branch(None, 1, step_ms=1)
    before = node.manager.context.tip_id

    def refused(*_: object) -> None:
        raise OSError("no such device")

    monkeypatch.setattr(branches_module.Branches, "drop", refused)
    with pytest.raises(OSError, match="no such device"):
        submit(node, block)
    moved = node.manager.moved_from(before)
    assert moved.applied == (block.header.block_id,)
    assert account_path(address(ALICE)) in moved.touched
    assert block.header.block_id in moved.read
    assert_at(node, world.chain)


def test_what_builds_on_a_header_alone_is_a_header_alone(node: Node) -> None:
    _, first = branch(None, 3, step_ms=1)
    _, other = branch(None, 2, step_ms=2)
    for block in (*first, other[0]):
        submit(node, block)
    node.manager.known.branches.keep_bare(other[0].header.block_id)
    submit(node, other[1])
    assert node.manager.known.branches.is_bare(other[1].header.block_id)
    assert other[1].header.block_id not in node.side()


def test_a_header_that_found_no_room_is_none(short: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches_module, "HEADERS_ONLY", 0)
    _, chain = branch(None, 3, step_ms=1, params=SHORT)
    _, [old] = branch(None, 1, step_ms=2, params=SHORT)
    for block in chain:
        submit(short, block)
    with pytest.raises(NoRoomBesideError):
        submit(short, old)
    assert not short.manager.known.branches.is_bare(old.header.block_id)


def test_a_halted_node_stays_halted_whoever_extends_its_chain(short: Node) -> None:
    _, chain = branch(None, 4, step_ms=1, params=SHORT)
    _, old = branch(None, 4, step_ms=2, params=SHORT)
    for block in (*chain[:3], *old[:3]):
        submit(short, block)
    with pytest.raises(TooDeepReorganisation):
        submit(short, old[3])
    assert short.manager.knows(old[3].header.block_id)
    tip = short.manager.context.tip_id
    with pytest.raises(TooDeepReorganisation):
        submit(short, old[3])
    assert short.manager.context.tip_id == tip


def test_what_needs_the_operator_marks_nobody(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    world, [block] = branch(None, 1, step_ms=1)

    def halts(*_: object, **__: object) -> None:
        raise TooDeepReorganisation(3, 2)

    monkeypatch.setattr(executing, "connect", halts)
    with pytest.raises(TooDeepReorganisation):
        submit(node, block)
    monkeypatch.undo()
    assert submit(node, block) == (0, 1)
    assert_at(node, world.chain)


def test_a_block_that_failed_on_the_tip_is_not_kept(node: Node) -> None:
    stem, first = branch(None, 1, step_ms=1)
    submit(node, first[0])
    with pytest.raises(StateRootViolation):
        submit(node, false_root(stem.chain))
    assert node.side() == set()


def test_files_beside_the_chain_are_held_against_the_rules_of_headers(node: Node) -> None:
    _, mine = branch(None, 2, step_ms=1)
    _, [good] = branch(None, 1, step_ms=2)
    for block in mine:
        submit(node, block)
    bad, orphan = of_the_past(good), branch(ProvenChain.genesis(PARAMS), 3, step_ms=3)[1][2]
    # The last is on the chain: the process ended before its file was removed.
    for block in (good, bad, orphan, mine[0]):
        SideBlocks(node.datadir).put(block.header.block_id, BlockBytes.of(block))
    node.restart()
    known = [node.manager.knows(block.header.block_id) for block in (good, bad, orphan)]
    assert known == [True, False, False]
    assert node.side() == {good.header.block_id}
