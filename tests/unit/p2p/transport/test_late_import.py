"""libp2p is imported when it is needed, and no sooner: it costs 2 seconds and 65 MB."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_transport_imports_no_libp2p() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, esper.p2p.transport.listener, esper.p2p.transport.dialler\n"
            "print([name for name in sys.modules if name.partition('.')[0] == 'libp2p'])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "[]\n"
