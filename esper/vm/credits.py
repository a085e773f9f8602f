"""Credits: stake earns them block by block, calls burn them, and they lapse after two epochs.

    e = floor(h / E)
    every block, if T >= T_min at its start:   G_e += floor((C_b << 64) / T)

An account is settled before its stake changes and before its credits are read, at epoch e:

    e0 = e:       b[e]   += stake (G_e - g0) >> 64
    e0 = e - 1:   b[e-1] += stake (G_{e-1} - g0) >> 64,   b[e] = stake G_e >> 64
    e0 < e - 1:   b[e-1]  = stake G_{e-1} >> 64,          b[e] = stake G_e >> 64

so a block costs one division whatever the number of accounts, and an account that nobody touches
costs nothing. b[e-1] lapses when e + 1 begins. All roundings go down, hence for every epoch

    sum over accounts and lanes of b[e]  +  burned of e  <=  drawn of e  <=  issued of e,

equal on the left until something lapses. The right half is checked at every settlement.

Per epoch an account may burn floor(kappa min(stake, stake at its start) / 2^32), what others gave
it and a small allowance for everyone. Giving credits away uses up the giver's rate and raises the
receiver's, so passing credits around makes no room for more of them. What an account used and what
it was given cancel out: one of the two is always zero.

All amounts are micro-credits. The functions are pure and raise nothing but what they name.
"""

from dataclasses import dataclass, replace

from esper.primitives.errors.call_errors import CreditIssueViolation
from esper.primitives.params import CreditParameters
from esper.vm.records import Account, CreditTotals

INDEX_SHIFT = 64
RATE_SHIFT = 32


@dataclass(frozen=True, slots=True)
class Portions:
    """An amount of credits by the epoch that earned them."""

    older: int
    """Micro-credits of the epoch before."""
    newer: int
    """Micro-credits of the epoch."""

    @property
    def total(self) -> int:
        """Both together."""
        return self.older + self.newer


def epoch_at(height: int, rules: CreditParameters) -> int:
    """The credit epoch that the block at ``height`` lies in."""
    return height // rules.epoch_blocks


def totals_at_block(totals: CreditTotals, height: int, rules: CreditParameters) -> CreditTotals:
    """The totals after the start of the block at ``height``: a new epoch, and the block's share.

    Blocks that nobody executed earn nothing: their epochs' totals are zero.
    """
    epoch = epoch_at(height, rules)
    if epoch != totals.epoch:
        follows = epoch == totals.epoch + 1
        totals = CreditTotals(
            epoch=epoch,
            total_stake=totals.total_stake,
            previous_index=totals.index if follows else 0,
            previous_issued=totals.issued if follows else 0,
            previous_drawn=totals.drawn if follows else 0,
        )
    if totals.total_stake < max(rules.minimum_stake, 1):
        return totals
    share = (rules.per_block << INDEX_SHIFT) // totals.total_stake
    return replace(totals, index=totals.index + share, issued=totals.issued + rules.per_block)


def settled(account: Account, totals: CreditTotals) -> tuple[Account, CreditTotals]:
    """An account with what it has earned until now, and the totals that know of it.

    Raises CreditIssueViolation if more were drawn than issued: an invariant.
    """
    older, newer = account.older_credits, account.newer_credits
    if account.epoch == totals.epoch:
        earned = Portions(0, _earned(account.stake, totals.index - account.index))
    elif account.epoch == totals.epoch - 1:
        begun = account.index
        older, newer = newer, 0
        earned = Portions(
            _earned(account.stake, totals.previous_index - begun),
            _earned(account.stake, totals.index),
        )
    else:
        older, newer = 0, 0
        earned = Portions(
            _earned(account.stake, totals.previous_index), _earned(account.stake, totals.index)
        )
    same_epoch = account.epoch == totals.epoch
    account = replace(
        account,
        epoch=totals.epoch,
        index=totals.index,
        older_credits=older + earned.older,
        newer_credits=newer + earned.newer,
        epoch_stake=account.epoch_stake if same_epoch else account.stake,
        used=account.used if same_epoch else 0,
        allowance=account.allowance if same_epoch else 0,
    )
    return account, _with_drawn(totals, earned)


def _earned(stake: int, index: int) -> int:
    return stake * index >> INDEX_SHIFT


def _with_drawn(totals: CreditTotals, earned: Portions) -> CreditTotals:
    drawn, previous = totals.drawn + earned.newer, totals.previous_drawn + earned.older
    if drawn > totals.issued:
        raise CreditIssueViolation(totals.epoch, drawn, totals.issued)
    if previous > totals.previous_issued:
        raise CreditIssueViolation(totals.epoch - 1, previous, totals.previous_issued)
    return replace(totals, drawn=drawn, previous_drawn=previous)


def rate_limit(account: Account, rules: CreditParameters) -> int:
    """Micro-credits that a settled account may use in its epoch, those used already included."""
    staked = min(account.stake, account.epoch_stake)
    earned = rules.rate_per_staked_unit * staked >> RATE_SHIFT
    return earned + rules.starting_allowance + account.allowance


def taken(account: Account, amount: int) -> tuple[Account, Portions]:
    """A settled account less ``amount``, at most its credits, the older ones first; now used."""
    older = min(amount, account.older_credits)
    portions = Portions(older, amount - older)
    account = replace(
        account,
        older_credits=account.older_credits - portions.older,
        newer_credits=account.newer_credits - portions.newer,
    )
    return _with_use(account, amount), portions


def given(account: Account, portions: Portions) -> Account:
    """A settled account that received credits of its epoch and the one before, and their rate."""
    account = replace(
        account,
        older_credits=account.older_credits + portions.older,
        newer_credits=account.newer_credits + portions.newer,
    )
    return _with_use(account, -portions.total)


def returned(account: Account, portions: Portions, epoch: int) -> Account:
    """A settled account that gets back credits that it locked in ``epoch``.

    Each goes to the bucket it came from; what has lapsed meanwhile is gone. In the same epoch they
    no longer count as used.
    """
    if epoch == account.epoch:
        return given(account, portions)
    if epoch == account.epoch - 1:
        return replace(account, older_credits=account.older_credits + portions.newer)
    return account


def _with_use(account: Account, amount: int) -> Account:
    # Only the difference matters to the rate. Keeping both sums instead would let two accounts that
    # pass the same credits back and forth count beyond what a record holds.
    net = account.used - account.allowance + amount
    return replace(account, used=max(net, 0), allowance=max(-net, 0))
