"""The store of packages of a data directory, as a node opens it with its keeper."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from esper.model.package.disk_rules import DiskRules
from esper.model.package.errors import ChunkDigestError, DigestListError, PackageDefectError
from esper.model.package.store import ModelStore
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock
from esper.node.datadir import DataDirectory
from esper.node.models.check_job import PackageChecker
from esper.node.models.check_process import ProcessChecker
from esper.node.models.keeper import ModelKeeper
from esper.node.models.kept_models import KeptModels
from esper.node.models.part_shelf import PartShelf
from esper.p2p.packages.ports import PackageErrors
from esper.p2p.service.packages.package_jobs import PackageSource

ERRORS: Final = PackageErrors(
    wrong=(DigestListError, ChunkDigestError), hopeless=(PackageDefectError,)
)
"""Whom errors of the store blame."""
GIB: Final = 1 << 30
PART_OF_BUDGET: Final = 2
"""One package that is fetched takes at most this part of what all may: it keeps no other away."""


@dataclass(frozen=True, slots=True)
class ModelsPlan:
    """How a node keeps packages."""

    kept: KeptModels
    """Told what lies here and was verified."""
    fetches: bool
    """Whether what is missing is fetched."""
    rules: DiskRules = field(default_factory=DiskRules)
    """How much of the disk they may take."""
    checker: PackageChecker = field(default_factory=ProcessChecker)
    """Looks at what came."""


def open_keeper(
    plan: ModelsPlan,
    directory: DataDirectory,
    chain: ChainService,
    clock: Clock,
    closing: ExitStack,
) -> ModelKeeper:
    """The keeper of a data directory; its store is closed with ``closing``.

    Raises StoreInUseError and OSError.
    """
    store = closing.enter_context(ModelStore.opened(directory.path, plan.rules))
    return ModelKeeper(
        store,
        plan.kept,
        chain,
        plan.checker,
        genesis=directory.params.model,
        fetches=plan.fetches,
        clock=clock,
        most_bytes=plan.rules.budget // PART_OF_BUDGET,
    )


def package_source(keeper: ModelKeeper | None, given: PackageSource | None) -> PackageSource | None:
    """What the network fetches for and gives from; None where nothing is fetched or lies here."""
    if keeper is None or not keeper.serves:
        return given
    return PackageSource(PartShelf(keeper.store, keeper.most_bytes), ERRORS)
