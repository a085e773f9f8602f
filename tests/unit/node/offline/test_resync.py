"""A chain is set aside and a fresh one begins; keys and what waits stay."""

from pathlib import Path

import pytest

from esper.node.chain.milestones import MilestoneFile, Milestones
from esper.node.datadir import DataDirectory
from esper.node.offline.resync import OF_THE_CHAIN, ResyncError, resync
from esper.storage.datadir_lock import DirectoryLock
from esper.storage.errors import DirectoryLockedError
from tests.support.node.node_world import PARAMS, go, jump, node_world, pay
from tests.support.vm_world import ALICE, BOB

NOW_MS = 1_796_000_000_000
NAMED = "set-aside-2026-11-30T00-53-20Z"


def height_of(datadir: Path) -> tuple[int, int]:
    """Of the tip, and how many transactions wait."""
    found: list[int] = []

    async def look() -> None:
        async with node_world(datadir, mines=False) as world:
            found.extend((world.height, len(world.node.mempool.pool)))

    go(look)
    return found[0], found[1]


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    """Two blocks, a transaction that waits, and a chain that halted."""

    async def grow() -> None:
        async with node_world(tmp_path, mines=False) as world:
            for _ in range(2):
                jump(10)
                await world.others_turn()
            await world.node.mempool.submit(world.signed(ALICE, pay(BOB)).to_bytes())

    go(grow)
    MilestoneFile(tmp_path).save(Milestones(True, "halted"))
    for name in ("peers.dat", "node.key"):
        (tmp_path / name).write_bytes(b"kept")
    return DataDirectory(tmp_path, PARAMS)


def test_the_next_start_begins_at_the_genesis(directory: DataDirectory) -> None:
    path = directory.path
    secret = (path / "vrf.secret").read_bytes()
    report = resync(directory, accept_loss=True, now_ms=NOW_MS)
    assert report.aside == path / NAMED
    assert {one.name for one in report.aside.iterdir()} == {
        "blocks",
        "chain-milestones",
        "history",
        "index",
        "proofs",
        "storage-format",
    }
    for name in OF_THE_CHAIN:
        assert not (path / name).exists()
    assert (path / "vrf.secret").read_bytes() == secret
    assert (path / "peers.dat").read_bytes() == (path / "node.key").read_bytes() == b"kept"
    assert MilestoneFile(path).load() == Milestones()
    assert height_of(path) == (0, 1)


def test_a_second_call_does_nothing(directory: DataDirectory) -> None:
    resync(directory, accept_loss=True, now_ms=NOW_MS)
    before = sorted(directory.path.iterdir())
    assert resync(directory, accept_loss=True, now_ms=NOW_MS).aside is None
    assert sorted(directory.path.iterdir()) == before


def test_a_chain_that_came_since_gets_a_folder_of_its_own(directory: DataDirectory) -> None:
    first = resync(directory, accept_loss=True, now_ms=NOW_MS).aside
    assert height_of(directory.path) == (0, 1)
    second = resync(directory, accept_loss=True, now_ms=NOW_MS).aside
    assert first is not None
    assert second == first.with_name(f"{NAMED}-2")


@pytest.mark.parametrize("moved", range(1, 7))
def test_killed_on_the_way_it_is_run_again(
    directory: DataDirectory, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, left = Path.rename, [moved]

    def killed(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        resync(directory, accept_loss=True, now_ms=NOW_MS)
    monkeypatch.undo()
    aside = resync(directory, accept_loss=True, now_ms=NOW_MS + 60_000).aside
    assert aside is not None
    assert {one.name for one in aside.iterdir()} >= {"blocks", "index", "proofs"}
    assert [one for one in directory.path.iterdir() if "set-aside" in one.name] == [aside]
    assert height_of(directory.path) == (0, 1)


def test_it_is_refused_while_a_node_runs_and_unless_the_loss_is_accepted(
    directory: DataDirectory,
) -> None:
    with pytest.raises(ResyncError, match="--accept-loss"):
        resync(directory, accept_loss=False, now_ms=NOW_MS)
    with DirectoryLock(directory.path), pytest.raises(DirectoryLockedError):
        resync(directory, accept_loss=True, now_ms=NOW_MS)
    assert height_of(directory.path) == (2, 1)
