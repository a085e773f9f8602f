"""A process that fetches a package into a store, from one seeder, until it has it or is killed.

python -m tests.support.net.fetching_process FOLDER ROOT PORT NODE_ID
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from esper.model.package.store import ModelStore
from esper.node.peers.model_packages import packages_of
from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.transport.link import LinkClosed
from tests.support.net.bare_network import bare_network, running
from tests.support.net.transport_world import HOST


async def fetch(store: ModelStore, root: bytes, seeder: PeerAddress) -> None:
    """Return once the package is whole."""
    node = bare_network(2, models=packages_of(store))
    async with running(node):
        while not node.table.settled():
            try:
                await node.network.connect(seeder)
            except LinkClosed:
                await trio.sleep(0.1)
        await node.packages.fetch(root)


def main() -> None:
    """Fetch as the command line says."""
    folder, root, port, node_id = sys.argv[1:]
    seeder = PeerAddress(ip_from_text(HOST), int(port), bytes.fromhex(node_id))
    with ModelStore.opened(Path(folder)) as store:
        trio.run(fetch, store, bytes.fromhex(root), seeder)


if __name__ == "__main__":
    main()
