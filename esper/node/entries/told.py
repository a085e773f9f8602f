"""Log lines about the workers of entries."""

import logging
from typing import Final

from esper.node.entries.prospects import Prospect
from esper.node.workers.loadable import Loadable
from esper.saying import complain, say, warn

LOG: Final = logging.getLogger("esper.mining")


def tell_missing(entry: Loadable) -> None:
    """An own entry's files are not here."""
    warn(
        LOG,
        "model_missing",
        "model {short} of tier {tier} is not here: this node mines what it has",
        short=entry.short,
        tier=entry.model.tier,
        model=entry.model_id.hex(),
    )


def tell_choice(found: Prospect) -> None:
    """Another entry is mined than before."""
    say(
        LOG,
        "mining_entry",
        "mining tier {tier} with {which}model {short}",
        tier=found.entry.model.tier,
        which="its previous " if found.previous else "",
        short=found.loadable.short,
        model=found.entry.model.model_id.hex(),
    )


def tell_released(entry: Loadable) -> None:
    """The workers of an entry are let go."""
    say(
        LOG,
        "model_released",
        "model {short} of tier {tier} may not be mined any more and is released",
        short=entry.short,
        tier=entry.model.tier,
        model=entry.model_id.hex(),
    )


def tell_refused(entry: Loadable, reason: str) -> None:
    """The workers of an entry cannot begin."""
    complain(
        LOG,
        "model_refused",
        "model {short} of tier {tier} cannot be loaded: {reason}; this node mines without it until "
        "it is started again",
        short=entry.short,
        tier=entry.model.tier,
        model=entry.model_id.hex(),
        reason=reason,
    )
