"""Which workers are asked for next. Where they are placed, and when, the cluster decides."""

from collections.abc import Mapping

from esper.node.workers.farm.worker_spec import Role


def asked_next(
    ready: Mapping[Role, int], most: Mapping[Role, int], *, same_resources: bool
) -> frozenset[Role]:
    """Roles of which one worker should wait for a place, beside those that are ready.

    So a machine that joins the cluster, or frees what another worker held, is used at once. Where
    both roles take the same resources one worker waits in all, for the cluster gives a place to
    whoever asked first: a prover before the first search, and then whichever of them there is none
    of; further searches come last, since there may be any number.
    """
    lacking = [role for role in (Role.PROVE, Role.SEARCH) if ready[role] < most[role]]
    if not same_resources:
        return frozenset(lacking)
    lacking.sort(key=lambda role: ready[role] > 0)
    return frozenset(lacking[:1])
