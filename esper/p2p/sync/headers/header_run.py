"""What a peer's headers say: where they leave our chain, how far they fit, and who is at fault."""

from dataclasses import dataclass

from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import read_header
from esper.p2p.faults import Offence
from esper.p2p.ports import ChainPort
from esper.p2p.sync.headers.header_branch import Link
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import Headers
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.header_errors import HorizonViolation, TimeFutureViolation
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.ids import BlockId


@dataclass(frozen=True, slots=True)
class HeaderRun:
    """Headers that were read, as far as they fit."""

    start: HeaderChain
    """The block that they follow."""
    fork: HeaderChain
    """The last of them, or the block that they follow, that is on our executed chain."""
    base: HeaderChain
    """The last whose block we have, proven."""
    links: tuple[Link, ...]
    """The headers above the base."""
    failure: Failure | None = None
    """Why the next one does not fit; the links before it do."""
    future: bool = False
    """Whether the next one lies ahead of our clock."""
    cut: bool = False
    """Whether the next one lies beyond the horizon: it can be judged when more of the branch is
    executed, and where its giver's chain ends is not known."""

    @property
    def top(self) -> HeaderChain:
        """With all that fit."""
        return self.links[-1].headers if self.links else self.base


def read_run(
    answer: Headers, start: HeaderChain, chain: ChainPort, left: HeaderChain | None = None
) -> HeaderRun:
    """Check headers from the child of ``start``: of a block that we have, or of a branch's top.

    ``left``: where it parts from our executed chain, if it is not on that. One pass: each header is
    read, named, and checked on the one before it.
    """
    on_chain = chain.height_on_chain(start.tip_id) is not None
    fork = start if on_chain or left is None else left
    base = start
    parent = start
    links: list[Link] = []
    for data in answer.headers:
        try:
            header = read_header(data, start.params.limits)
            if header.pre.parent != parent.tip_id:
                words = "its headers do not follow each other"
                failure = Failure(Consequence.INVALID, Offence.UNASKED, words)
                return HeaderRun(start, fork, base, tuple(links), failure)
            if not links and chain.headers_of(parent.tip_id) is not None:
                known = chain.headers_of(header.block_id)
                if known is not None:
                    base = parent = known
                    on_chain = on_chain and chain.height_on_chain(known.tip_id) is not None
                    fork = known if on_chain else fork
                    continue
                chain.check_may_come(header)
            chain.check_header(header, parent)
        except TimeFutureViolation:
            return HeaderRun(start, fork, base, tuple(links), future=True)
        except HorizonViolation:
            return HeaderRun(start, fork, base, tuple(links), cut=True)
        except RuleViolation as violation:
            return HeaderRun(start, fork, base, tuple(links), failure_of(violation))
        link = Link.on(parent, header, len(data))
        links.append(link)
        parent = link.headers
    return HeaderRun(start, fork, base, tuple(links))


def failure_of(violation: RuleViolation) -> Failure:
    """What a header's violation says of a peer in whose executed chain it stands.

    Whoever executed what we know to fail follows other rules. A header that was refused before
    comes back with what it was refused for, found at whichever stage.
    """
    for stage in (Stage.HEADER, Stage.WORK, Stage.LISTS):
        try:
            failure = Failure.of(violation, stage)
        except LookupError:
            continue
        return blamed_for_state(failure)
    return blamed_for_state(Failure.of(violation, Stage.STATE))


def blamed_for_state(failure: Failure) -> Failure:
    """The failure, as the fault of who says that he executed the block."""
    if failure.consequence is not Consequence.FAILED:
        return failure
    return Failure(failure.consequence, Offence.OTHER_RULES, failure.reason, failure.rule)


def start_of(answer: Headers, locator: tuple[BlockId, ...], chain: ChainPort) -> HeaderChain | None:
    """The block behind which an answer's headers stand; None if we named no such block."""
    fork = BlockId(answer.fork)
    return chain.headers_of(fork) if fork in locator else None
