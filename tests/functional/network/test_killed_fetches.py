"""A package is fetched by a process that is killed on the way, by the system and not by itself."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
import trio

from esper.model.package.port import CHUNK_BYTES
from esper.model.package.staging import PART, PackageFolder
from esper.model.package.store import FOLDER, ModelStore
from esper.node.peers.model_packages import packages_of
from tests.support.net.bare_network import BareNetwork, bare_network, running
from tests.support.node.node_process import environment
from tests.support.package_folders import plain_folder

pytestmark = pytest.mark.serial

WEIGHTS = 12 * CHUNK_BYTES + 7
GIVEN_AT_FIRST = 5
PATIENCE_S = 120


def fetching(folder: Path, root: bytes, seeder: BareNetwork) -> list[str]:
    address = (str(seeder.address.port), seeder.identity.node_id.hex())
    return [
        *(sys.executable, "-m", "tests.support.net.fetching_process"),
        *(str(folder), root.hex(), *address),
    ]


def test_a_killed_process_goes_on_with_the_chunks_that_it_has(tmp_path: Path) -> None:
    source = plain_folder(tmp_path / "source", WEIGHTS)
    folder, asked, killed = tmp_path / "node", list[int](), threading.Event()
    with ModelStore.opened(tmp_path / "seeder") as seeding:
        package = seeding.take_in(source)
        root, honest = package.root, package.get

        def held(index: int) -> bytes:
            asked.append(index)
            if len(asked) > GIVEN_AT_FIRST:
                assert killed.wait(PATIENCE_S)
            return honest(index)

        package.get = held  # type: ignore[method-assign]

        async def main() -> set[int]:
            seeder = bare_network(1, models=packages_of(seeding))
            async with running(seeder):
                await seeder.packages.offer(root)
                call = fetching(folder, root, seeder)
                process = await trio.lowlevel.open_process(call, env=environment())
                with trio.fail_after(PATIENCE_S):
                    while len(asked) <= GIVEN_AT_FIRST:
                        assert process.poll() is None
                        await trio.sleep(0.02)
                    process.kill()
                    await process.wait()
                    killed.set()
                    while seeder.table.all():
                        await trio.sleep(0.02)
                    missing = missing_chunks(folder, root)
                    asked.clear()
                    await trio.run_process(call, env=environment())
            return missing

        missing = trio.run(main)
    # Without the manifest nothing else is asked for: that at least it had.
    assert missing
    assert 0 not in missing
    assert set(asked) == missing
    with ModelStore.opened(folder) as store:
        found = store.find(root)
        assert found is not None
        files = found.complete()
        for one in source.iterdir():
            assert (files / one.name).read_bytes() == one.read_bytes()


def missing_chunks(folder: Path, root: bytes) -> set[int]:
    """Of a package on its way, by its bytes on the disk."""
    found = PackageFolder.open(folder / FOLDER / (root.hex() + PART), root)
    assert found is not None
    return set(found.missing())
