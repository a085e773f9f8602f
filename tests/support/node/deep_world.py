"""The sync machine over a real chain: real blocks of fake work, scripted peers, no sockets.

Jobs are done by ``ChainJobs`` on a ``ChainService`` with its store on disk, at the moment when the
plain event queue says so; the machine sees the chain through ``NodeChain``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import trio

from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.node.chain.block_judge import JudgedBlock
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.chain_service import ChainService
from esper.node.chain.going_back import go_back_if_asked
from esper.node.chain.milestones import MilestoneFile
from esper.node.chain.store_state import genesis_of, replay_of
from esper.node.datadir import DataDirectory
from esper.node.peers.chain_port import NodeChain
from esper.node.peers.jobs import ChainJobs
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import Adopt, JudgeBlock, LookAgain, Reroot
from esper.p2p.sync.events import KeepFrom, SyncedOnce
from esper.p2p.sync.sync import Sync, SyncSettings
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.storage.store_options import StoreOptions
from tests.support.chain_world import funded_network
from tests.support.fake_work import FakeInference, FakeProver, FakeVerifier, prompt_source
from tests.support.net.sync_world import World
from tests.support.plain_miner import Miner, standing
from tests.support.vm_world import MINER, address

UNDO = 8
FAR = 1 << 50
"""A clock so late that no block is from the future."""


def deep_params(undo: int = UNDO) -> NetworkParameters:
    params = funded_network()
    limits = replace(params.limits, undo_depth=undo, pruning_depth=undo + 1)
    governance = replace(params.governance, horizon=undo + max(1, undo // 5))
    return replace(params, limits=limits, governance=governance)


PARAMS = deep_params()


@dataclass(frozen=True, eq=False)
class RealMade:
    """A block with its chain."""

    header: Header
    headers: HeaderChain
    parent: RealMade | None
    data: BlockBytes
    chain: ProvenChain

    @property
    def block_id(self) -> BlockId:
        return self.headers.tip_id

    @property
    def height(self) -> int:
        return self.headers.height

    @property
    def body(self) -> bytes:
        return self.data.body

    @property
    def proof(self) -> bytes:
        return self.data.proof


class RealMakers:
    """Makes blocks by mining; no two are alike. All are remembered."""

    def __init__(self, params: NetworkParameters = PARAMS) -> None:
        self.params = params
        chain = ProvenChain.genesis(params)
        nothing = BlockBytes(b"", b"", b"")
        self.genesis = RealMade(None, chain.context, None, nothing, chain)  # type: ignore[arg-type]
        self.by_id: dict[Any, Any] = {self.genesis.block_id: self.genesis}
        self.by_header: dict[bytes, Any] = {}
        self._verifier = FakeVerifier(params.model)
        self._branches = 0
        self._miner = Miner(
            params,
            inference=FakeInference(params.model),
            prover=FakeProver(),
            bank=prompt_source(params),
            payee=address(MINER),
            vrf_secret=bytes(32),
            attempts_per_call=1,
        )

    def chain(
        self,
        parent: RealMade,
        count: int,
        *,
        spoiled: int | None = None,
        spacing_ms: int = 10_000,
    ) -> list[RealMade]:
        """So many blocks on top of a parent, the lowest first.

        ``spoiled``: the number of one with real work whose state root is wrong.
        """
        self._branches += 1
        made = []
        for number in range(count):
            parent = self._block(parent, spacing_ms, spoil=number == spoiled)
            made.append(parent)
        return made

    def _block(self, parent: RealMade, spacing_ms: int, *, spoil: bool) -> RealMade:
        chain = parent.chain
        time_ms = chain.context.times_ms[-1] + spacing_ms + self._branches
        state: Any = _Spoiled(chain.state) if spoil else chain.state
        block = self._miner.mine(chain.context, state, standing(time_ms)).block
        if spoil:
            headers = chain.context.extended(block.header, block.body.outputs, 0)
            grown = ProvenChain(headers, chain.state)
        else:
            grown = extend(chain, block, self._verifier, now_ms=FAR)
        made = RealMade(block.header, grown.context, parent, BlockBytes.of(block), grown)
        self.by_id[made.block_id] = made
        self.by_header[block.header.to_bytes()] = made
        return made


class _Spoiled:
    """A state that says a wrong root."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def get(self, path: bytes) -> Any:
        return self._state.get(path)

    def root_after(self, changes: Any) -> bytes:
        return bytes(32)


class Disk:
    """An open data directory."""

    def __init__(self, folder: Path, params: NetworkParameters) -> None:
        options = StoreOptions(
            undo_depth=params.limits.undo_depth, reserve_bytes=0, segment_bytes=1 << 16
        )
        self.directory = DataDirectory(folder, params)
        go_back_if_asked(self.directory, 0)
        self.store = ChainStore(folder, genesis_of(params), replay_of(params), options)
        self.verifier = FakeVerifier(params.model)
        self.manager = ChainManager(self.store, params, self.verifier, secret=bytes(32), now_ms=FAR)
        self.time = 0
        # Rivals that come far apart draw no lots.
        self.service = ChainService(self.manager, lambda: FAR, self._later, MilestoneFile(folder))
        self.service.keep_far()

    def _later(self) -> int:
        self.time += 10_000
        return self.time


class DeepWorld(World):
    """The machine, a real chain, scripted peers and the time."""

    chain: Any

    def __init__(
        self,
        folder: Path,
        *,
        makers: Any = None,
        params: NetworkParameters = PARAMS,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        chosen: Any = makers or RealMakers(params)
        super().__init__(makers=chosen, seed=seed)
        self.folder, self.params = folder, params
        self.current = False
        self.rerooted: list[BlockId] = []
        self.values: list[object] = []
        self.limits = NetworkLimits.of(params)
        self._settings = settings
        self.proofs_judged = 0
        self._open_disk()

    def _open_disk(self) -> None:
        self.disk = Disk(self.folder, self.params)
        service = self.disk.service
        self.chain = _Port(self, service, self.disk.manager)
        self.jobs = ChainJobs(service, self._brought)
        self.sync = Sync(
            self.limits,
            self.chain,
            Random(0),
            replace(
                SyncSettings(was_synced=service.was_synced, halted=service.halted),
                **self._settings,
            ),
            self.now,
        )

    def _brought(self, block: JudgedBlock) -> None:
        del block

    def restart(self, *, kill: bool = False) -> None:
        """The node ends and is started again; its peers come back.

        ``kill``: as a process that is killed leaves it, with nothing closed.
        """
        scripts = list(self.peers.values())
        self.peers.clear()
        self._open.clear()
        self._queue.clear()
        if kill:
            left = self.folder.with_name(self.folder.name + "-killed")
            shutil.copytree(self.folder, left)
            self.folder = left
        self.disk.store.close()
        self._open_disk()
        for script in scripts:
            self.join(script)

    def close(self) -> None:
        self.disk.store.close()

    @property
    def service(self) -> ChainService:
        return self.disk.service

    @property
    def tip(self) -> Any:
        return self.makers.by_id[self.service.tip]

    def stand_on(self, tip: Any) -> None:
        """Our chain is that one, as if an earlier run had brought it."""
        path = []
        while tip.height:
            path.append(tip)
            tip = tip.parent
        for made in reversed(path):
            self._await(partial(self.service.submit, made.data))
        self._do(self.sync.chain_changed(self.now))

    def honest(self, tip: Any, **fields: Any) -> PeerNumber:
        """A peer that stands on a block joins."""
        return super().honest(tip, **fields)

    def move(self, number: PeerNumber, tip: Any) -> None:
        """A peer stands on another block now, and says so."""
        super().move(number, tip)

    # Inside.

    def _await(self, work: Any) -> Any:
        return trio.run(work)

    def _do(self, actions: Iterable[Any]) -> None:
        rest: list[Any] = []
        for action in actions:
            match action:
                case KeepFrom(height):
                    self.service.want_undo_from(height)
                    self._later(20, self._keep_undo)
                case SyncedOnce():
                    self.syncs += 1
                    self._await(self.service.note_synced)
                case JudgeBlock() | Adopt() | Reroot() | LookAgain():
                    if isinstance(action, Reroot):
                        self.rerooted.append(BlockId(action.block_id))
                    self._later(self._adopt_ms, partial(self._run_job, action))
                case _:
                    rest.append(action)
        super()._do(rest)

    def _keep_undo(self) -> None:
        self._await(self.service.keep_undo_from)
        self._do(self.sync.on_time(self.now))

    def _run_job(self, job: Any) -> None:
        before = self.service.tip
        value = self._await(partial(self.jobs.run, job))
        self.values.append(value)
        if self.service.tip != before:
            self._do(self.sync.chain_changed(self.now))
        self._do(self.sync.done(job.key, value, self.now))


class _Port(NodeChain):
    """The real one, whose tip is as old as the test says."""

    def __init__(self, world: DeepWorld, service: ChainService, manager: ChainManager) -> None:
        super().__init__(service, manager, lambda: FAR, 0)
        self._world = world

    def tip_is_current(self) -> bool:
        return self._world.current
