"""What an address held when an epoch began, without a list of everybody.

Before stake, delegate or pot of an address change in epoch e, its ring takes in (e, old values) if
its last epoch is not e. The value when epoch e* began is that of the first ring entry with an epoch
of e* or more, or else the current one. Entries of epochs before e - 3 leave, so a question about
one of the last four epochs is answered exactly.

The *pot* of an address is the stake of all that delegate to it. It is never passed on: one who
delegates keeps what others delegated to it, and votes with that.
"""

from dataclasses import dataclass, replace
from typing import Final

RING: Final = 4
"""Most entries of a ring: one an epoch, the current one and the three before."""


@dataclass(frozen=True, slots=True)
class Held:
    """Stake, delegate and pot of an address at a moment."""

    stake: int
    """Units staked."""
    delegate: bytes
    """33 bytes: who votes for it unless it does; empty for nobody."""
    pot: int
    """Units staked by those that delegate to it."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What an address held when ``epoch`` began, or since an earlier one."""

    epoch: int
    stake: int
    delegate: bytes
    pot: int

    @property
    def held(self) -> Held:
        """Without the epoch."""
        return Held(self.stake, self.delegate, self.pot)


@dataclass(frozen=True, slots=True)
class Cast:
    """A vote of an address, or what is known before it votes."""

    number: int
    """The proposal's."""
    choice: int
    """0 no, 1 yes, 2 abstain, 3 not yet."""
    override: int
    """Units of those in its pot that voted by themselves."""


@dataclass(frozen=True, slots=True)
class Voter:
    """What the DAO keeps of an address; one of nothing but defaults is absent."""

    delegate: bytes = b""
    """33 bytes, or empty."""
    pot: int = 0
    """Units."""
    ring: tuple[Noted, ...] = ()
    """By ascending epoch."""
    votes: tuple[Cast, ...] = ()
    """By ascending number, for proposals that are open."""
    ready: tuple[int, ...] = ()
    """Numbers of the models that it has shown to be ready for, ascending."""

    def vote(self, number: int) -> Cast:
        """Its vote on a proposal."""
        return next((cast for cast in self.votes if cast.number == number), Cast(number, 3, 0))

    def with_vote(self, cast: Cast) -> "Voter":
        """With that vote in place of the one of the same number."""
        others = [one for one in self.votes if one.number != cast.number]
        return replace(self, votes=tuple(sorted((*others, cast), key=lambda one: one.number)))


def noted(voter: Voter, stake: int, epoch: int) -> Voter:
    """Before stake, delegate or pot change in ``epoch``; ``stake`` is the account's so far."""
    ring = voter.ring
    if not ring or ring[-1].epoch != epoch:
        ring = (*ring, Noted(epoch, stake, voter.delegate, voter.pot))
    return replace(voter, ring=tuple(one for one in ring if one.epoch + RING > epoch))


def held_at(voter: Voter, stake: int, epoch: int) -> Held:
    """What it held when ``epoch`` began; ``stake`` is the account's now.

    Exact for the current epoch of the last note and the three before it.
    """
    for one in voter.ring:
        if one.epoch >= epoch:
            return one.held
    return Held(stake, voter.delegate, voter.pot)
