"""Fork choice, case by case."""

import pytest

from esper.consensus.fork_choice import RIVAL_MS, BlockTree, Path, ProvenBlock
from esper.primitives.errors.chain_errors import (
    InvalidAncestorViolation,
    InvalidSiblingViolation,
    TooDeepReorganisation,
)
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.errors.rule_violation import Consequence
from esper.primitives.ids import BlockId, WorkId

SECRETS = [bytes([i]) * 32 for i in range(64)]


def block(name: str) -> BlockId:
    return BlockId(name.encode())


def road(undo: str, apply: str) -> Path:
    return Path(tuple(map(block, undo.split())), tuple(map(block, apply.split())))


class Grower:
    """A tree and the numbers that its blocks need."""

    def __init__(self, undo_depth: int = 10, secret: bytes = bytes(32)) -> None:
        self.order = 0
        root = ProvenBlock(block("root"), block(""), WorkId(b"work root"), 1, 0, 0)
        self.tree = BlockTree(root, height=100, total=1000, undo_depth=undo_depth, secret=secret)

    def add(
        self, name: str, parent: str, weight: int = 10, at: int = 0, work: str | None = None
    ) -> bool:
        self.order += 1
        work_id = WorkId(f"work {work or name}".encode())
        return self.tree.add(
            ProvenBlock(block(name), block(parent), work_id, weight, self.order, at)
        )

    def chain(self, prefix: str, parent: str, count: int, weight: int = 10) -> None:
        for index in range(count):
            self.add(f"{prefix}{index}", parent, weight)
            parent = f"{prefix}{index}"


def test_weight_decides_not_length() -> None:
    grown = Grower()
    grown.chain("long", "root", 3)
    grown.add("heavy", "root", 31)
    assert grown.tree.best_tip() == b"heavy"
    assert grown.tree.total(block("heavy")) == 1031
    assert grown.tree.height(block("long2")) == 103
    grown.add("long3", "long2")
    assert grown.tree.best_tip() == b"long3"


def test_first_verified_wins_against_late_rivals() -> None:
    for secret in SECRETS:
        grown = Grower(secret=secret)
        grown.add("first", "root", at=1000)
        grown.add("late", "root", at=1000 + RIVAL_MS + 1)
        assert grown.tree.best_tip() == b"first"


def test_an_early_header_proven_late_is_no_rival() -> None:
    for secret in SECRETS:
        grown = Grower(secret=secret)
        grown.add("first", "root", at=10_000)
        grown.add("slow", "root", at=10_000 - RIVAL_MS - 1)
        assert grown.tree.best_tip() == b"first"


def test_rivals_in_time_draw_lots() -> None:
    wins = 0
    for secret in SECRETS:
        grown = Grower(secret=secret)
        grown.add("first", "root", at=1000)
        grown.add("rival", "root", at=1000 + RIVAL_MS)
        assert grown.tree.best_tip() == grown.tree.best_tip()
        wins += grown.tree.best_tip() == b"rival"
    assert 20 <= wins <= 44


def test_siblings_of_one_work_have_one_lot_and_the_first_seen_stands() -> None:
    wins = 0
    for secret in SECRETS:
        grown = Grower(secret=secret)
        grown.add("honest", "root")
        for index in range(30):
            grown.add(f"copy{index}", "root", work="copied")
        assert grown.tree.best_tip() in {b"honest", b"copy0"}
        wins += grown.tree.best_tip() == b"copy0"
    assert 20 <= wins <= 44


def test_a_child_decides_between_siblings() -> None:
    grown = Grower()
    grown.add("a", "root", work="w")
    grown.add("b", "root", work="w")
    assert grown.tree.best_tip() == b"a"
    grown.add("child", "b")
    assert grown.tree.best_tip() == b"child"
    assert grown.tree.path(block("a"), block("child")) == road("a", "b child")


def test_siblings_of_one_work_cannot_differ_in_weight() -> None:
    grown = Grower()
    grown.add("a", "root", 10, work="w")
    with pytest.raises(ValueError, match="weigh 10 and 11"):
        grown.add("b", "root", 11, work="w")
    assert block("b") not in grown.tree


def test_what_add_refuses() -> None:
    grown = Grower()
    assert grown.add("a", "root")
    assert not grown.add("a", "root", 99)
    assert grown.tree.total(block("a")) == 1010
    with pytest.raises(UnknownParentViolation) as unknown:
        grown.add("x", "nowhere")
    assert unknown.value.parent == b"nowhere"
    assert consequence_of(unknown.value, Stage.HEADER) is Consequence.RETRY
    grown.order -= 3
    with pytest.raises(ValueError, match="order 1 must exceed 1"):
        grown.add("y", "root")
    with pytest.raises(ValueError, match="positive"):
        ProvenBlock(block("z"), block("root"), WorkId(b"w"), 0, 9, 0)


def test_invalid_blocks_take_their_descendants_along() -> None:
    grown = Grower()
    grown.chain("bad", "root", 3)
    grown.chain("good", "root", 2)
    grown.tree.mark_invalid(block("bad1"))
    assert grown.tree.best_tip() == b"good1"
    assert [grown.tree.is_invalid(block(f"bad{i}")) for i in range(3)] == [False, True, True]
    with pytest.raises(InvalidAncestorViolation) as refused:
        grown.add("bad3", "bad2", 10_000)
    assert (refused.value.block, refused.value.ancestor) == (b"bad3", b"bad2")
    assert not grown.add("bad1", "bad0")
    assert grown.tree.best_tip() == b"good1"
    with pytest.raises(KeyError):
        grown.tree.mark_invalid(block("nowhere"))


def test_an_invalid_root_needs_the_operator() -> None:
    grown = Grower(undo_depth=10)
    grown.chain("a", "root", 3)
    with pytest.raises(TooDeepReorganisation) as halted:
        grown.tree.mark_invalid(block("root"))
    assert (halted.value.depth, halted.value.limit) == (4, 10)
    assert grown.tree.best_tip() == b"a2"


def test_paths_between_branches() -> None:
    grown = Grower()
    grown.chain("a", "root", 3)
    grown.chain("b", "a0", 4)
    assert grown.tree.path(block("a2"), block("b3")) == road("a2 a1", "b0 b1 b2 b3")
    assert grown.tree.path(block("b3"), block("a2")) == road("b3 b2 b1 b0", "a1 a2")
    assert grown.tree.path(block("a0"), block("a2")) == road("", "a1 a2")
    assert grown.tree.path(block("a2"), block("a2")) == road("", "")
    with pytest.raises(KeyError):
        grown.tree.path(block("a2"), block("nowhere"))


def test_too_deep_is_a_halt_that_names_the_depth() -> None:
    grown = Grower(undo_depth=4)
    grown.chain("a", "root", 5)
    grown.chain("b", "a0", 1, weight=100)
    grown.chain("c", "root", 1, weight=1000)
    assert grown.tree.path(block("a4"), block("b0")).undo == (b"a4", b"a3", b"a2", b"a1")
    with pytest.raises(TooDeepReorganisation) as halted:
        grown.tree.path(block("a4"), grown.tree.best_tip())
    assert (halted.value.depth, halted.value.limit) == (5, 4)
    assert consequence_of(halted.value, Stage.STATE) is Consequence.HALT
    assert "undoes 5 blocks, at most 4" in str(halted.value)


def test_old_branches_are_forgotten_and_memory_is_bounded() -> None:
    grown = Grower(undo_depth=5)
    parent = "root"
    for index in range(200):
        grown.add(f"a{index}", parent)
        grown.add(f"side{index}", parent)
        parent = f"a{index}"
        grown.tree.settle(block(parent))
        # The root, ten blocks above it and their rivals.
        assert len(grown.tree) <= 1 + 2 * 10
    assert grown.tree.root == b"a189"
    assert grown.tree.height(block("a199")) == 300
    assert block("side189") not in grown.tree
    assert block("side190") in grown.tree
    with pytest.raises(UnknownParentViolation):
        grown.add("ghost", "a188")
    grown.add("deep", "a192", 10_000)
    with pytest.raises(TooDeepReorganisation) as halted:
        grown.tree.path(block("a199"), grown.tree.best_tip())
    assert halted.value.depth == 7


def test_forgetting_the_best_branch_chooses_again() -> None:
    grown = Grower(undo_depth=1)
    grown.chain("a", "root", 4)
    grown.chain("rival", "root", 1, weight=500)
    assert grown.tree.best_tip() == b"rival0"
    grown.tree.settle(block("a3"))
    assert block("rival0") not in grown.tree
    assert grown.tree.best_tip() == b"a3"


def test_no_node_settles_on_an_invalid_block() -> None:
    grown = Grower(undo_depth=1)
    grown.chain("a", "root", 4)
    grown.tree.mark_invalid(block("a0"))
    with pytest.raises(ValueError, match="invalid"):
        grown.tree.settle(block("a3"))
    with pytest.raises(KeyError):
        grown.tree.settle(block("nowhere"))
    assert grown.tree.root == b"root"
    assert grown.tree.best_tip() == b"root"


def test_a_block_that_is_taken_out_may_come_again() -> None:
    grown = Grower()
    grown.chain("a", "root", 2)
    with pytest.raises(ValueError, match="is the root"):
        grown.tree.forget(block("root"))
    with pytest.raises(KeyError):
        grown.tree.forget(block("nowhere"))
    assert grown.tree.forget(block("a1")) == (b"a1",)
    assert block("a1") not in grown.tree
    assert grown.tree.best_tip() == b"a0"
    assert grown.add("a1", "a0")
    assert grown.tree.best_tip() == b"a1"


def test_a_branch_is_taken_out_as_a_whole() -> None:
    grown = Grower()
    grown.chain("a", "root", 2)
    grown.chain("b", "root", 3)
    grown.add("b2x", "b1")
    assert grown.tree.children(block("b1")) == (b"b2", b"b2x")
    assert set(grown.tree.forget(block("b1"))) == {block("b1"), block("b2"), block("b2x")}
    assert grown.tree.children(block("b0")) == grown.tree.children(block("a1")) == ()
    assert grown.tree.best_tip() == b"a1"
    with pytest.raises(UnknownParentViolation):
        grown.add("b2", "b1")


def test_another_proof_of_a_work_whose_body_failed_is_refused() -> None:
    grown = Grower()
    grown.chain("a", "root", 2)
    work = grown.tree._nodes[block("a0")].block.work_id
    assert grown.tree.mark_invalid(block("a0")) == (b"a0", b"a1")
    with pytest.raises(InvalidSiblingViolation) as refused:
        grown.tree.check_may_join(block("twin"), block("root"), work)
    assert refused.value.work == work
    grown.tree.check_may_join(block("other"), block("root"), WorkId(b"other work"))
    # Forgotten with the height that it stood at.
    grown.chain("c", "root", 2 * 10 + 2)
    grown.tree.settle(block("c21"))
    grown.tree.check_may_join(block("twin"), block("c21"), work)
