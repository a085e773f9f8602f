"""Packages of models for the RPC."""

from __future__ import annotations

from esper.model.package.store import KeptPackage
from esper.node.chain.chain_service import ChainService
from esper.node.models.keeper import ModelKeeper
from esper.node.models.notebook import MOST_WORDS
from esper.node.models.wanted import Note, Verdict
from esper.p2p.packages.events import PackageProgress
from esper.rpc import schema as s


class PackageViews:
    """Answers about packages that a node follows."""

    def __init__(self, chain: ChainService, keeper: ModelKeeper | None) -> None:
        """``keeper``: None in a node that follows none."""
        self._chain = chain
        self._keeper = keeper

    async def progress(self, _: s.NoParams) -> s.ModelPackages:
        """Every package that a note names."""
        keeper = self._keeper
        if keeper is None:
            return s.ModelPackages(self._chain.view.context.height, False, [])
        here = await keeper.packages()
        view = self._chain.view
        coming = () if keeper.network is None else keeper.network.progress()
        by_root = {one.root: one for one in coming}
        depth = view.params.limits.undo_depth
        rows = [
            _row(note, keeper, here.get(note.root), by_root.get(note.root), depth)
            for note in keeper.notes
        ]
        return s.ModelPackages(view.context.height, keeper.fetches, rows)


def _row(
    note: Note,
    keeper: ModelKeeper,
    kept: KeptPackage | None,
    coming: PackageProgress | None,
    undo_depth: int,
) -> s.ModelPackage:
    task = keeper.task(note.root)
    checking = task is not None and task.checking
    done, total = (0, 0) if kept is None else (kept.chunks_here, kept.chunks)
    trouble = "" if task is None else task.trouble
    if coming is not None:
        done, total = coming.done, coming.total or total
        trouble = trouble or coming.trouble
    return s.ModelPackage(
        root=note.root.hex(),
        proposal=note.proposal.hex(),
        number=note.number,
        model_id=note.body.entry.model_id.hex(),
        state=_state(note, kept, waits=task is not None, comes=coming is not None),
        done=done,
        total=total,
        bytes_per_second=0 if coming is None else coming.bytes_per_s,
        peers=0 if coming is None else coming.peers,
        checking=checking,
        verdict=note.verdict.value,
        words=note.words[:MOST_WORDS],
        trouble=trouble,
        until=note.until(undo_depth),
    )


def _state(note: Note, kept: KeptPackage | None, *, waits: bool, comes: bool) -> str:
    if note.verdict is Verdict.REFUSED:
        return "refused"
    if kept is not None and kept.whole:
        if note.verdict is Verdict.VERIFIED:
            return "verified"
        return "checking" if waits else "whole"
    if comes:
        return "fetching"
    return "waiting" if waits else "absent"
