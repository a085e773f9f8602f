"""How many sockets a process may have open beside its files."""

import logging
import resource
from typing import Final

from esper.saying import warn

LOG: Final = logging.getLogger("esper.http")

FILES: Final = 256
"""Open files that are left to everything else: the store, its logs, worker processes."""


def room_for(connections: int) -> int:
    """How many of so many connections may be open at once, at least one.

    The process' own limit is raised for them as far as the system lets it. Where that is not far
    enough, at most half of the limit goes to connections, and the log says so.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    wanted = connections + FILES
    if soft < wanted:
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        if wanted > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    found = max(1, min(connections, max(soft - FILES, soft // 2)))
    if found < connections:
        warn(
            LOG,
            "few_descriptors",
            "{found} connections at most, not {wanted}: the limit of open files is {limit}; "
            "`ulimit -n {needed}` before the start lifts it",
            found=found,
            wanted=connections,
            limit=soft,
            needed=connections + FILES,
        )
    return found
