"""The program of a farm's driver: ``python -m esper.node.workers.farm.driver.driver_main``.

It speaks and ends as other workers of a node do, but in records. Ray ends the process when the head
of its cluster is gone, which is why the node's own is another.
"""

import os
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

from esper.node.workers.farm.driver.cluster import Cluster, ClusterError
from esper.node.workers.farm.driver.farm_driver import FarmDriver
from esper.node.workers.farm.link_messages import (
    LinkKind,
    LinkMessage,
    decode_link,
    link_bytes,
    next_frame,
)
from esper.node.workers.worker_messages import LENGTH_BYTES


def main() -> None:
    """Drive a cluster of Ray until the input ends."""
    from esper.node.workers.farm.driver.ray_cluster import RayCluster

    drive(RayCluster.connect)


def drive(connect: Callable[[str], Cluster]) -> None:
    """Drive the cluster of the address that the node names until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    # Nothing that a library prints may get between the frames.
    os.dup2(2, 1)
    tell = _teller(answers)
    inward = sys.stdin.buffer
    try:
        first = decode_link(next_frame(inward))
        if first.kind is not LinkKind.CONNECT:
            raise ValueError(f"a driver is told its cluster first, not {first.kind.name}")
        cluster = connect(first.data.decode())
    except ClusterError as error:
        tell(LinkMessage(LinkKind.UNFIT, data=str(error).encode()))
        sys.exit(2)
    driver = FarmDriver(cluster, tell)
    tell(LinkMessage(LinkKind.UP))
    try:
        while True:
            driver.hear(decode_link(next_frame(inward)))
    except EOFError:
        # With the driver end its workers, which the cluster sees to.
        os._exit(0)


def _teller(answers: BinaryIO) -> Callable[[LinkMessage], None]:
    lock = threading.Lock()

    def tell(message: LinkMessage) -> None:
        data = link_bytes(message)
        with lock:
            answers.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
            answers.flush()

    return tell


if __name__ == "__main__":
    main()
