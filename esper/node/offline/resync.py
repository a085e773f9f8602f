"""Giving up a chain to fetch it anew: for a node that stands on a branch that others left.

    blocks, proofs, index, history ──renamed──▶ set-aside-2026-12-01T10-20-30Z/

Keys, peers, settings and what waits in the mempool stay. The next start begins at the genesis.
Nothing is deleted: whoever is sure may delete the folder. Killed on the way, it is simply run
again.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from esper.node.chain.milestones import MILESTONE_FILE
from esper.node.datadir import DataDirectory
from esper.storage.datadir_lock import DirectoryLock
from esper.storage.format_version import FORMAT_FILE
from esper.storage.history.history_index import HISTORY_FOLDER
from esper.storage.history.history_index import OLD_FOLDER as OLD_HISTORY_FOLDER
from esper.storage.own_file import sync_folder
from esper.storage.reindex import NEW_FOLDER, OLD_FOLDER
from esper.storage.segments.block_files import BLOCK_FOLDER, PROOF_FOLDER
from esper.storage.side_blocks import FAR_FOLDER, SIDE_FOLDER
from esper.storage.store_options import INDEX_FOLDER
from esper.storage.system_errors import system_told

ASIDE: Final = "set-aside-"
"""How the name of a folder begins that holds a chain which was given up; a time follows."""
UNFINISHED: Final = ".part"
OF_THE_CHAIN: Final = (
    MILESTONE_FILE,
    INDEX_FOLDER,
    NEW_FOLDER,
    OLD_FOLDER,
    HISTORY_FOLDER,
    OLD_HISTORY_FOLDER,
    SIDE_FOLDER,
    FAR_FOLDER,
    PROOF_FOLDER,
    FORMAT_FILE,
    BLOCK_FOLDER,
)
"""All that goes. The blocks go last: without an index, nothing opens while they are there."""


class ResyncError(Exception):
    """Nothing was done; the message says why."""


@dataclass(frozen=True, slots=True)
class ResyncReport:
    """What was done."""

    aside: Path | None
    """Where the chain lies now, None if there was none."""


def resync(directory: DataDirectory, *, accept_loss: bool, now_ms: int) -> ResyncReport:
    """Set the chain of a data directory aside, so that the next start begins at the genesis.

    ``now_ms`` names the folder. A second call finds no chain and does nothing. Raises ResyncError
    unless ``accept_loss``, DirectoryLockedError while a node runs, and SystemRefusedError.
    """
    if not accept_loss:
        raise ResyncError(
            "every block has to be fetched and executed again, and what was paid to this node on "
            "its own branch is lost: say --accept-loss to go on; keys and peers stay"
        )
    path = directory.path
    with system_told(path), DirectoryLock(path):
        there = [name for name in OF_THE_CHAIN if (path / name).exists()]
        begun = sorted(path.glob(f"{ASIDE}*{UNFINISHED}"))
        if not there and not begun:
            return ResyncReport(None)
        aside = begun[0] if begun else path / f"{ASIDE}{_stamp(now_ms)}{UNFINISHED}"
        aside.mkdir(exist_ok=True)
        for name in there:
            (path / name).rename(_free(aside, name))
            sync_folder(aside)
            sync_folder(path)
        whole = _free(path, aside.name.removesuffix(UNFINISHED))
        aside.rename(whole)
        sync_folder(path)
        return ResyncReport(whole)


def _free(folder: Path, name: str) -> Path:
    """A name that nothing has yet: two of one second are told apart by a number."""
    found, number = folder / name, 1
    while found.exists():
        number += 1
        found = folder / f"{name}-{number}"
    return found


def _stamp(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
