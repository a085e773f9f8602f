"""`esper verify --strict`: the chain of a folder, followed block by block from its genesis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from esper.cli.esper.receipts.surroundings import NativeJudge
from esper.cli.esperd.answers import progress
from esper.consensus.ports import WorkVerifier
from esper.node.clock import wall_ms
from esper.node.datadir import DataDirectory
from esper.node.offline.verify_chain import VerifiedBlock, verified_blocks
from esper.primitives.params import NetworkParameters
from esper.receipts.form import decode_receipt
from esper.receipts.json_shapes import FormError
from esper.receipts.judging import judge_bytes
from esper.receipts.ports import Surroundings
from esper.receipts.verdict import Verdict
from esper.storage.segments.block_files import BlockFiles

Told = Callable[[int, int], None]
"""Told after each block that was followed: its height, and how many there are."""
ALL: Final = 0
"""No block is refused for its missing proof before it is looked at."""


class FollowedPrunedError(Exception):
    """A proof on the way is not kept, so that nothing above it is shown."""

    def __init__(self, height: int) -> None:
        super().__init__(
            f"the proof of block {height} is not kept here, so the chain cannot be followed beyond "
            f"block {height - 1}: name the folder of a node that prunes nothing, or a block that "
            "you know with --tip HEIGHT:ID"
        )
        self.height = height
        """The lowest block without a proof."""


class OtherChainError(Exception):
    """The folder holds another network than the receipt names."""


class FollowedChain:
    """The blocks of a data directory, headers, work, proofs and states, as far as it is asked.

    Nothing but its files is read, and no index is believed.
    """

    whose: Final = "the chain followed from genesis"

    def __init__(self, datadir: Path, verifier: WorkVerifier, told: Told) -> None:
        """Raises DataDirectoryError."""
        self._directory = DataDirectory.open(datadir)
        self._verifier = verifier
        self._told = told
        self._ids: list[bytes] = []
        self._blocks: Iterator[VerifiedBlock] | None = None

    @property
    def params(self) -> NetworkParameters:
        """Of the folder's network."""
        return self._directory.params

    def block_id(self, height: int) -> bytes | None:
        """64 bytes: id of the block at a height, None where the files end below it.

        Raises FollowedPrunedError, BlockRefusedError for a block that breaks a rule, and what
        damaged files raise.
        """
        if self._blocks is None:
            files = BlockFiles(self._directory.path).standing(ALL)
            self._blocks = verified_blocks(self.params, files, self._verifier, now_ms=wall_ms())
        while len(self._ids) < height:
            found = next(self._blocks, None)
            if found is None:
                return None
            if not found.had_proof:
                raise FollowedPrunedError(len(self._ids) + 1)
            self._ids.append(found.chain.context.tip_id)
            self._told(len(self._ids), min(height, found.blocks or height))
        return self._ids[height - 1] if height else None


def judged_strictly(data: bytes, around: Surroundings, datadir: Path) -> Verdict:
    """The verdict on a receipt by the chain in a folder.

    Raises OtherChainError, DataDirectoryError, and what following the chain raises.
    """
    with progress("following") as told:
        chain = FollowedChain(datadir, NativeJudge(), told)
        _check_network(data, chain.params)
        return judge_bytes(data, replace(around, chain=chain))


def _check_network(data: bytes, params: NetworkParameters) -> None:
    """A block of another network would be no sign of a lost branch."""
    try:
        named = decode_receipt(data).network.name
    except FormError:
        # That is for *form* to say.
        return
    if named != params.name:
        raise OtherChainError(
            f"the receipt is of {named[:32]!r}, the folder holds {params.name}: name another one "
            "with --datadir"
        )
