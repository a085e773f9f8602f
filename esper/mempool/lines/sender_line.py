"""What waits of one sender: an unbroken line of nonces, and a few beyond a gap."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from esper.crypto.signatures import SignatureClaim
from esper.mempool.lines.next_block import NextBlock
from esper.mempool.lines.projection import Projection
from esper.mempool.policy import MempoolPolicy
from esper.mempool.waiting import Waiting
from esper.primitives.errors.transaction_errors import NonceUsedViolation, TransactionViolation

BEYOND_GAP = "the transactions before it are gone, and too many wait for that already"


@dataclass(slots=True)
class SenderLine:
    """One sender's transactions."""

    projection: Projection
    """The sender after ``ready``."""
    ready: list[Waiting] = field(default_factory=list)
    """By nonce, from the account's on, without a gap."""
    aside: list[Waiting] = field(default_factory=list)
    """By nonce, beyond a gap."""

    def __len__(self) -> int:
        return len(self.ready) + len(self.aside)

    def __iter__(self) -> Iterator[Waiting]:
        """By nonce."""
        yield from self.ready
        yield from self.aside

    @property
    def next_nonce(self) -> int:
        """The nonce that continues the line."""
        return self.projection.account.nonce

    def at(self, nonce: int) -> Waiting | None:
        """What waits with a nonce."""
        return next((waiting for waiting in self if waiting.nonce == nonce), None)

    @property
    def first_nonce(self) -> int:
        """The account's nonce on the chain."""
        return self.ready[0].nonce if self.ready else self.next_nonce


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Transactions of one sender put in order on a state."""

    line: SenderLine
    """What stays."""
    dropped: tuple[tuple[Waiting, Exception | str], ...]
    """What does not, and why."""
    claims: Mapping[bytes, SignatureClaim]
    """By txid: the signatures of what is ready."""


def arranged(
    sender: bytes, waiting: Iterable[Waiting], next_block: NextBlock, policy: MempoolPolicy
) -> Arrangement:
    """Put transactions with different nonces in order; what is unaffordable goes, tail first.

    Signatures are taken for checked.
    """
    projection = Projection(sender, next_block)
    line = SenderLine(projection)
    dropped: list[tuple[Waiting, Exception | str]] = []
    claims: dict[bytes, SignatureClaim] = {}
    broken = False
    for one in sorted(waiting, key=lambda item: item.nonce):
        expected = projection.account.nonce
        if one.nonce < expected:
            dropped.append((one, NonceUsedViolation(one.nonce, expected)))
        elif one.nonce == expected and not broken and len(line.ready) < policy.pending_per_sender:
            try:
                claims[one.txid] = projection.check(one.transaction, next_block)
            except TransactionViolation as violation:
                # The line ends here: whatever follows waits for another transaction in its place.
                dropped.append((one, violation))
                broken = True
                continue
            projection.apply(one.transaction, next_block)
            line.ready.append(one)
        elif len(line.aside) < policy.aside_per_sender:
            line.aside.append(one)
        else:
            dropped.append((one, BEYOND_GAP))
    return Arrangement(line, tuple(dropped), claims)
