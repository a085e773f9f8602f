"""Blocks by id, on the chain and beside it, while the chain changes and proofs are pruned."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes
from esper.node.chain.changes import tip_mover
from esper.primitives.ids import BlockId
from esper.storage.block_reader import BlockReader
from esper.storage.errors import ProofPrunedError, UnknownBlockError
from esper.storage.segments.block_files import BlockFileError
from tests.unit.node.chain.test_chain_manager import Node, branch, network, submit

UNKNOWN = BlockId(b"?" * 64)
PARAMS = network(undo_depth=8)
STEM, STEM_BLOCKS = branch(None, 3, step_ms=1, params=PARAMS)
LEFT_WORLD, LEFT = branch(STEM.chain, 2, step_ms=2, params=PARAMS)
_, RIGHT = branch(STEM.chain, 3, step_ms=3, params=PARAMS)


def ids(*blocks: Block) -> list[BlockId]:
    return [block.header.block_id for block in blocks]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, PARAMS)
    for block in (*STEM_BLOCKS, *LEFT, *RIGHT[:2]):
        submit(opened, block)
    yield opened
    opened.store.close()


@pytest.fixture
def blocks(node: Node) -> BlockReader:
    return node.store.blocks()


@pytest.mark.parametrize("block", [STEM_BLOCKS[0], LEFT[1], RIGHT[1]])
def test_a_block_is_read_part_by_part_wherever_it_lies(blocks: BlockReader, block: Block) -> None:
    block_id, data = block.header.block_id, BlockBytes.of(block)
    assert blocks.header(block_id) == data.header
    assert blocks.body(block_id) == data.body
    assert blocks.proof(block_id) == data.proof
    assert blocks.parts(block_id) == data


def test_what_is_not_kept_is_said_to_be_unknown(blocks: BlockReader) -> None:
    for read in (blocks.header, blocks.body, blocks.proof):
        with pytest.raises(UnknownBlockError):
            read(UNKNOWN)


def test_heights_are_those_of_the_chain_alone(node: Node, blocks: BlockReader) -> None:
    genesis = node.store.index.genesis.block_id
    asked = [genesis, *ids(*STEM_BLOCKS, *LEFT, *RIGHT[:2]), UNKNOWN]
    heights = [blocks.height_of(one) for one in asked]
    assert heights == [0, 1, 2, 3, 4, 5, None, None, None]
    assert [blocks.id_at(height) for height in range(6)] == asked[:6]
    for height in (-1, 6):
        with pytest.raises(UnknownBlockError):
            blocks.id_at(height)


def test_headers_after_a_locator(node: Node, blocks: BlockReader) -> None:
    headers = [block.header.to_bytes() for block in (*STEM_BLOCKS, *LEFT)]
    stem, genesis = ids(*STEM_BLOCKS), node.store.index.genesis.block_id
    assert blocks.headers_after([genesis], 128) == (genesis, tuple(headers))
    assert blocks.headers_after([genesis], 2) == (genesis, tuple(headers[:2]))
    # The first that is on the chain counts; blocks beside it are on it no more than unknown ones.
    asked = [UNKNOWN, *ids(RIGHT[1]), stem[1], stem[0]]
    assert blocks.headers_after(asked, 2) == (stem[1], tuple(headers[2:4]))
    assert blocks.headers_after(ids(LEFT[1]), 9) == (ids(LEFT[1])[0], ())
    assert blocks.headers_after([UNKNOWN], 1) == (genesis, (headers[0],))
    assert blocks.headers_after([], 1) == (genesis, (headers[0],))


def test_a_changed_header_is_not_served(node: Node, blocks: BlockReader) -> None:
    header = STEM_BLOCKS[1].header.to_bytes()
    [path] = (node.datadir / "blocks").iterdir()
    data = bytearray(path.read_bytes())
    data[data.index(header) + len(header) - 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(BlockFileError, match="is not the header of block"):
        blocks.header(ids(STEM_BLOCKS[1])[0])


def test_proofs_from_rises_with_pruning_and_with_what_came_without(tmp_path: Path) -> None:
    node = Node(tmp_path, network(undo_depth=2))
    _, made = branch(None, 12, step_ms=1, params=node.params)
    blocks = node.store.blocks()
    assert blocks.proofs_from == 1
    for block in made[:4]:
        submit(node, block)
        # A file for each proof.
        node.store._proofs._segment_bytes = 1
    judge, parent = node.manager.block_judge, node.manager.context
    data = replace(BlockBytes.of(made[4]), proof=b"")
    node.manager.adopt(judge.judge(data, parent, now_ms=1 << 60, received_ms=0, assumed=True))
    assert blocks.proofs_from == 6
    with pytest.raises(ProofPrunedError):
        blocks.proof(made[4].header.block_id)
    for block in made[5:]:
        submit(node, block)
    assert blocks.proofs_from == 6
    assert node.store.prune_proofs(9) > 0
    assert blocks.proofs_from == 9
    for block in made[8:]:
        assert blocks.proof(block.header.block_id) == block.proof
    with pytest.raises(ProofPrunedError):
        blocks.proof(made[7].header.block_id)
    # Of a directory whose program did not write it down.
    node.store.index.store.write([(b"k", None)])
    assert blocks.proofs_from == 9
    node.restart()
    assert node.store.blocks().proofs_from == 9
    node.store.close()


def test_a_change_of_chain_takes_blocks_along_that_came_without_proof(tmp_path: Path) -> None:
    node = Node(tmp_path, PARAMS)
    judge = node.manager.block_judge
    for block in (*STEM_BLOCKS, *LEFT):
        data = replace(BlockBytes.of(block), proof=b"")
        parent = node.manager.context
        node.manager.adopt(judge.judge(data, parent, now_ms=1 << 60, received_ms=0, assumed=True))
    for block in RIGHT:
        submit(node, block)
    assert node.manager.context.tip_id == RIGHT[2].header.block_id
    blocks = node.store.blocks()
    assert blocks.body(LEFT[0].header.block_id) == LEFT[0].body.to_bytes()
    with pytest.raises(ProofPrunedError, match="block 4 "):
        blocks.proof(LEFT[0].header.block_id)
    _, longer = branch(LEFT_WORLD.chain, 2, step_ms=7, params=PARAMS)
    for block in longer:
        submit(node, block)
    assert node.manager.context.tip_id == longer[-1].header.block_id
    node.restart()
    assert node.manager.context.tip_id == longer[-1].header.block_id
    node.store.close()


def test_readers_find_every_block_while_chains_change_and_proofs_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tip_mover, "PRUNE_EVERY", 1)
    node = Node(tmp_path, network(undo_depth=6), prune=True)
    node.store._proofs._segment_bytes = 1
    world, made = branch(None, 3, step_ms=1, params=node.params)
    forks = []
    for number in range(6):
        _, left = branch(world.chain, 2, step_ms=2 + 2 * number, params=node.params)
        world, right = branch(world.chain, 3, step_ms=3 + 2 * number, params=node.params)
        forks.append((left, right))
    blocks, done, errors = node.store.blocks(), threading.Event(), list[BaseException]()
    told: list[Block] = []

    def read() -> None:
        try:
            while not done.is_set():
                for block in told[-6:]:
                    data, block_id = BlockBytes.of(block), block.header.block_id
                    assert blocks.header(block_id) == data.header
                    assert blocks.body(block_id) == data.body
                    try:
                        assert blocks.proof(block_id) == data.proof
                    except ProofPrunedError as error:
                        assert error.height < blocks.proofs_from  # noqa: PT017
                known = len(told)
                _, headers = blocks.headers_after([UNKNOWN], 128)
                assert len(headers) >= min(3, known)
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for block in made:
            submit(node, block)
            told.append(block)
        for left, right in forks:
            for block in (*left, *right):
                submit(node, block)
                told.append(block)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert errors == []
    assert blocks.proofs_from > 1
    node.store.close()
