"""Why a node is not synced, and what its operator should see to: causes and remedies in words.

The network page, section 8: a node is synced if it knows of nothing better, owes no branch a try,
and stands with at least one peer that it chose itself. Silence proves nothing.
"""

from statistics import median
from typing import Final

from esper.node.clock import duration_s, duration_text
from esper.node.peers.network_service import NetworkService
from esper.p2p.sync.sync_state import Phase

SKEW_MS: Final = 30_000
"""A clock that is further off than that is said."""


def why_not(service: NetworkService, now: int) -> str:
    """A sentence; empty if the network has no objection."""
    state = service.following.state
    table = service.table.settled()
    outbound = [one for one in table if one.connection.link.outbound]
    if state.phase is Phase.HALTED:
        return state.words
    if not outbound and not service.settings.alone:
        return _nobody(service, now)
    if state.phase is Phase.ASKING:
        return "it listens to what its peers have: wait some seconds"
    if not state.near or state.busy:
        return _catches_up(service)
    if state.owed:
        return f"{state.owed} other branches are still to be tried: wait"
    if not state.settled and not service.settings.alone:
        return "it has not heard enough of its peers yet: wait some seconds"
    return ""


def _nobody(service: NetworkService, now: int) -> str:
    inbound = len(service.table.settled())
    if inbound:
        return (
            f"{inbound} peers dialled this node, and it reached none itself: `esperd connect "
            "ADDRESS` adds one, `esperd peers` says why others left"
        )
    left = service.table.left
    if left:
        last = left[0]
        return (
            f"no peer is connected; the last one left {duration_text(now - last.at_ms)} ago: "
            f"{last.why}; `esperd connect ADDRESS` adds one"
        )
    if not len(service.parts.book) and not service.settings.static:
        return "it knows no peer: name one with `esperd connect ADDRESS` or the setting `connect`"
    return "no peer has answered yet: wait, or add one with `esperd connect ADDRESS`"


def _catches_up(service: NetworkService) -> str:
    state = service.following.state
    speed = f", {state.blocks_per_s:.1f} blocks a second" if state.blocks_per_s else ""
    left = "" if state.seconds_left is None else f", {duration_s(state.seconds_left)} to go"
    return f"block {state.height} of {max(state.target_height, state.height)}{speed}{left}: wait"


def warnings_of(service: NetworkService, now: int) -> tuple[str, ...]:
    """Sentences on what the operator has to see to."""
    found = []
    table = service.table.settled()
    skews = [one.skew_ms for one in table if one.connection.link.outbound]
    if len(skews) >= 3 and abs(median(skews)) > SKEW_MS:
        seconds = round(abs(median(skews)) / 1000)
        side = "behind" if median(skews) > 0 else "ahead of"
        found.append(f"this machine's clock is {seconds} s {side} its peers': set it (NTP)")
    penalties = service.parts.penalties
    if penalties.release_may_be_old(now):
        found.append("peers follow other rules: this release may be old, look for a newer one")
    if penalties.is_own_fault(now):
        found.append("this machine was too slow to hear its peers in time: nobody is blamed")
    return tuple(found)
