"""A keeper of models over a chain that says what a test wants, and peers that give packages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.consensus.registry import genesis_registry
from esper.model.package.disk_rules import DiskRules
from esper.model.package.package import Package
from esper.model.package.store import ModelStore
from esper.node.models import keeper as keeping
from esper.node.models.check_job import CheckFailedError, CheckJob, CheckResult
from esper.node.models.keeper import ModelKeeper
from esper.node.models.kept_models import KeptModels
from esper.node.models.wanted import Proposed
from esper.p2p.packages.events import PackageProgress, Stage
from esper.p2p.service.packages.packages import PackageHopelessError
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelEntry
from esper.primitives.networks import REGTEST
from tests.support.dao_cases import entry
from tests.support.dao_world import model_body
from tests.support.node.node_world import rest
from tests.support.package_folders import packed

UNDO = 4
PARAMS = replace(REGTEST, limits=replace(REGTEST.limits, undo_depth=UNDO))
RIGHT = CheckResult(False, ("layers: nothing",))
WRONG = CheckResult(True, ("salt: the same twice",))


class ToldChain:
    """In the place of a ``ChainService``."""

    def __init__(self) -> None:
        self.height = 1
        self.live: tuple[Proposed, ...] = ()
        self.mined: tuple[ModelEntry, ...] = ()
        self.not_synced = ""
        self.registry = genesis_registry(PARAMS)
        self.next_change = trio.Event()

    @property
    def view(self) -> Any:
        context = SimpleNamespace(
            height=self.height,
            registry=self.registry,
            params_in_force=lambda _: PARAMS,
        )
        return SimpleNamespace(params=PARAMS, context=context, state=self)

    def why_not_synced(self, now_ms: int) -> str:
        return self.not_synced

    async def tip(self, height: int, *live: Proposed, mined: tuple[ModelEntry, ...] = ()) -> None:
        """The next block, and all that follows from it."""
        self.height, self.live, self.mined = height, live, mined
        self.next_change, old = trio.Event(), self.next_change
        old.set()
        await rest()


@dataclass
class Peers:
    """In the place of ``Packages``: gives so many chunks of each fetch, then nothing more."""

    store: ModelStore
    packages: dict[bytes, tuple[Package, list[bytes]]] = field(default_factory=dict)
    most: int = 1 << 16
    hopeless: str = ""
    fetched: list[bytes] = field(default_factory=list)
    offered: list[bytes] = field(default_factory=list)
    fetching: set[bytes] = field(default_factory=set)
    missing: set[bytes] = field(default_factory=set)
    """What nobody gives."""
    done: dict[bytes, int] = field(default_factory=dict)
    """What is told of progress."""

    async def fetch(self, root: bytes, priority: int = 0) -> None:
        self.fetched.append(root)
        await self.offer(root)
        self.fetching.add(root)
        try:
            await self._give(root)
        finally:
            self.fetching.remove(root)

    async def _give(self, root: bytes) -> None:
        if root in self.missing:
            await trio.sleep_forever()
        if self.hopeless:
            raise PackageHopelessError(root, self.hopeless)
        package, chunks = self.packages[root]
        put = self.store.begin(root, b"".join(package.digests))
        left = self.most
        while missing := put.missing():
            for index in missing:
                if not left:
                    await trio.sleep_forever()
                put.put(index, chunks[index])
                left -= 1

    async def offer(self, root: bytes) -> bool:
        if root not in self.offered:
            self.offered.append(root)
        return True

    def withdraw(self, root: bytes) -> None:
        if root in self.offered:
            self.offered.remove(root)

    def progress(self) -> Sequence[PackageProgress]:
        fetching = Stage.FETCHING
        return [PackageProgress(one, fetching, at, 0, 0, 0, "") for one, at in self.done.items()]


class Checker:
    """Says what it is told to; ``gate`` lets it end."""

    def __init__(self, *says: CheckResult | CheckFailedError) -> None:
        self.says = list(says)
        self.jobs: list[CheckJob] = []
        self.gate = trio.Event()
        self.gate.set()

    async def check(self, job: CheckJob) -> CheckResult:
        self.jobs.append(job)
        await self.gate.wait()
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, CheckFailedError):
            raise said
        return said


@dataclass
class KeeperWorld:
    """A keeper that runs."""

    keeper: ModelKeeper
    kept: KeptModels
    chain: ToldChain
    peers: Peers
    checker: Checker

    def gives(self, tmp_path: Path, number: int, *, final: bool = True) -> Proposed:
        """A live Model whose package the peers have."""
        made, chunks = packed(tmp_path / f"package-{number}", 1000, mark=number)
        self.peers.packages[made.root] = (made, chunks)
        return proposal_of(number, made.root, final=final)


def proposal_of(number: int, root: bytes, *, final: bool = True) -> Proposed:
    body = replace(model_body(number), entry=entry(0, number).model, package=root, descriptor=b"")
    return Proposed(Txid(number.to_bytes(64, "big")), number, body, final)


def tier_has(*models: Proposed) -> tuple[ModelEntry, ...]:
    return tuple(one.body.entry for one in models)


@asynccontextmanager
async def keeper_world(
    datadir: Path,
    monkeypatch: pytest.MonkeyPatch,
    *says: CheckResult | CheckFailedError,
    fetches: bool = True,
    chain: ToldChain | None = None,
) -> AsyncIterator[KeeperWorld]:
    """A keeper at work; whatever is under way is cut off at the end, as by a kill."""
    monkeypatch.setattr(keeping, "proposed", lambda state: state.live)
    monkeypatch.setattr(keeping, "mined", lambda _, state: state.mined)
    chain, kept, checker = chain or ToldChain(), KeptModels(), Checker(*(says or (RIGHT,)))
    with ExitStack() as closing:
        rules = DiskRules(reserve=0)
        store = closing.enter_context(ModelStore.opened(datadir, rules))
        keeper = ModelKeeper(
            store,
            kept,
            chain,  # type: ignore[arg-type]
            checker,
            genesis=PARAMS.model,
            fetches=fetches,
            clock=lambda: 0,
        )
        peers = Peers(store)
        keeper.network = peers
        async with trio.open_nursery() as nursery:
            await nursery.start(keeper.run)
            await rest()
            yield KeeperWorld(keeper, kept, chain, peers, checker)
            nursery.cancel_scope.cancel()
