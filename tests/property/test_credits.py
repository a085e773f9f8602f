"""Credits against a model that visits every account in every block with exact fractions."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from esper.primitives.networks import REGTEST
from esper.primitives.params import CreditParameters
from esper.vm.credits import (
    Portions,
    rate_limit,
    returned,
    settled,
    taken,
    totals_at_block,
)
from esper.vm.credits import (
    given as received,
)
from esper.vm.records import Account, CreditTotals

ACCOUNTS = 4


@dataclass
class Exact:
    """The definition, straight: per account and epoch an exact amount, lapsing by deletion."""

    stakes: list[int] = field(default_factory=lambda: [0] * ACCOUNTS)
    buckets: list[dict[int, Fraction]] = field(
        default_factory=lambda: [{} for _ in range(ACCOUNTS)]
    )
    issued: dict[int, int] = field(default_factory=dict)

    def block(self, epoch: int, per_block: int, minimum: int) -> None:
        for bucket in self.buckets:
            for old in [e for e in bucket if e < epoch - 1]:
                del bucket[old]
        total = sum(self.stakes)
        if total < minimum or total == 0:
            return
        self.issued[epoch] = self.issued.get(epoch, 0) + per_block
        for stake, bucket in zip(self.stakes, self.buckets, strict=True):
            bucket[epoch] = bucket.get(epoch, Fraction(0)) + Fraction(per_block * stake, total)


@dataclass
class Lazy:
    """The code under test, with what left the accounts counted beside it."""

    accounts: list[Account] = field(default_factory=lambda: [Account()] * ACCOUNTS)
    totals: CreditTotals = field(default_factory=CreditTotals)
    settlements: list[int] = field(default_factory=lambda: [0] * ACCOUNTS)
    gone: dict[int, int] = field(default_factory=dict)
    locked: list[tuple[int, int, Portions]] = field(default_factory=list)

    def settle(self, index: int) -> Account:
        self.accounts[index], self.totals = settled(self.accounts[index], self.totals)
        self.settlements[index] += 1
        return self.accounts[index]

    def drawn(self, epoch: int) -> int:
        """All micro-credits of an epoch, wherever they are."""
        total = self.gone.get(epoch, 0)
        for account in self.accounts:
            total += account.newer_credits if account.epoch == epoch else 0
            total += account.older_credits if account.epoch == epoch + 1 else 0
        for _, lane_epoch, portions in self.locked:
            total += portions.newer if lane_epoch == epoch else 0
            total += portions.older if lane_epoch == epoch + 1 else 0
        return total

    def lose(self, epoch: int, amount: int) -> None:
        self.gone[epoch] = self.gone.get(epoch, 0) + amount


who = st.integers(0, ACCOUNTS - 1)
amounts = st.integers(1, 10**12)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("blocks"), st.integers(1, 8)),
        st.tuples(st.just("stake"), who, amounts),
        st.tuples(st.just("unstake"), who, amounts),
        st.tuples(st.just("burn"), who, amounts),
        st.tuples(st.just("give"), who, who, amounts),
        st.tuples(st.just("lock"), who, amounts),
        st.tuples(st.just("return"), st.integers(0, 3)),
        st.tuples(st.just("touch"), who),
    ),
    max_size=40,
)
Step = tuple[Any, ...]
"""What happens and its numbers: see ``follow``."""
rules = st.builds(
    lambda epoch_blocks, per_block, minimum: replace(
        REGTEST.credits, epoch_blocks=epoch_blocks, per_block=per_block, minimum_stake=minimum
    ),
    st.integers(1, 6),
    st.integers(1, 10**10),
    st.sampled_from([0, 1, 10**6]),
)


def spend(lazy: Lazy, exact: Exact, index: int, amount: int) -> Portions:
    """Take up to ``amount`` from both models; the exact one follows the epochs that were taken."""
    account = lazy.settle(index)
    amount = min(amount, account.older_credits + account.newer_credits)
    lazy.accounts[index], portions = taken(account, amount)
    assert portions.older == min(amount, account.older_credits)
    assert portions.total == amount
    epoch = account.epoch
    for age, part in ((epoch - 1, portions.older), (epoch, portions.newer)):
        if part:
            exact.buckets[index][age] -= part
    return portions


def follow(step: Step, lazy: Lazy, exact: Exact) -> None:
    match step:
        case ("stake", index, amount):
            account = lazy.settle(index)
            lazy.accounts[index] = replace(account, stake=account.stake + amount)
            lazy.totals = replace(lazy.totals, total_stake=lazy.totals.total_stake + amount)
            exact.stakes[index] += amount
        case ("unstake", index, amount):
            account = lazy.settle(index)
            amount = min(amount, account.stake)
            lazy.accounts[index] = replace(account, stake=account.stake - amount)
            lazy.totals = replace(lazy.totals, total_stake=lazy.totals.total_stake - amount)
            exact.stakes[index] -= amount
        case ("burn", index, amount):
            portions = spend(lazy, exact, index, amount)
            lazy.lose(lazy.totals.epoch - 1, portions.older)
            lazy.lose(lazy.totals.epoch, portions.newer)
        case ("give", giver, receiver, amount):
            portions = spend(lazy, exact, giver, amount)
            lazy.accounts[receiver] = received(lazy.settle(receiver), portions)
            epoch = lazy.totals.epoch
            for age, part in ((epoch - 1, portions.older), (epoch, portions.newer)):
                if part:
                    bucket = exact.buckets[receiver]
                    bucket[age] = bucket.get(age, Fraction(0)) + part
        case ("lock", index, amount):
            portions = spend(lazy, exact, index, amount)
            lazy.locked.append((index, lazy.totals.epoch, portions))
        case ("return", place) if place < len(lazy.locked):
            index, epoch, portions = lazy.locked.pop(place)
            account = lazy.settle(index)
            lazy.accounts[index] = returned(account, portions, epoch)
            for age, part in ((epoch - 1, portions.older), (epoch, portions.newer)):
                if part and age >= account.epoch - 1:
                    bucket = exact.buckets[index]
                    bucket[age] = bucket.get(age, Fraction(0)) + part
        case ("touch", index):
            lazy.settle(index)


@given(rules, steps)
def test_settling_late_is_the_same_as_visiting_everyone(
    rules: CreditParameters, steps: list[Step]
) -> None:
    lazy, exact, height = Lazy(), Exact(), 0
    blocks = 0
    for step in steps:
        if step[0] != "blocks":
            follow(step, lazy, exact)
            continue
        for _ in range(step[1]):
            height += 1
            blocks += 1
            epoch = height // rules.epoch_blocks
            if epoch != lazy.totals.epoch:
                # What is drawn of an epoch that ends twice over is not counted any more.
                lazy.gone = {age: part for age, part in lazy.gone.items() if age >= epoch - 1}
            lazy.totals = totals_at_block(lazy.totals, height, rules)
            exact.block(epoch, rules.per_block, rules.minimum_stake)
        check(lazy, exact, blocks)
    check(lazy, exact, blocks)


def check(lazy: Lazy, exact: Exact, blocks: int) -> None:
    totals = lazy.totals
    assert totals.total_stake == sum(exact.stakes)
    assert totals.issued == exact.issued.get(totals.epoch, 0)
    assert totals.previous_issued == exact.issued.get(totals.epoch - 1, 0)
    for index in range(ACCOUNTS):
        account, _ = settled(lazy.accounts[index], totals)
        bucket = exact.buckets[index]
        # Each settlement and each passing of credits rounds down by less than one, and so does
        # the index in every block, by a unit of 2^-64 for each staked one.
        slack = 2 * sum(lazy.settlements) + 2 + Fraction(blocks * 41 * 10**12, 1 << 64)
        for age, held in (
            (totals.epoch - 1, account.older_credits),
            (totals.epoch, account.newer_credits),
        ):
            assert bucket.get(age, Fraction(0)) - slack <= held <= bucket.get(age, Fraction(0))
    # Everybody settled at once draws no more than was issued, and it is all accounted for.
    everyone = replace(lazy, accounts=list(lazy.accounts), settlements=[0] * ACCOUNTS)
    for index in range(ACCOUNTS):
        everyone.settle(index)
    assert everyone.drawn(totals.epoch) == everyone.totals.drawn <= totals.issued
    older = everyone.drawn(totals.epoch - 1)
    assert older <= everyone.totals.previous_drawn <= totals.previous_issued


@given(rules, st.lists(st.tuples(who, who, amounts), max_size=30))
def test_passing_credits_around_makes_no_room(
    rules: CreditParameters, gifts: list[tuple[int, int, int]]
) -> None:
    """However credits are passed, what may still be used together never grows."""
    totals = CreditTotals(epoch=1)
    accounts = [
        Account(stake=10**9, epoch_stake=10**9, epoch=1, newer_credits=10**9)
        for _ in range(ACCOUNTS)
    ]

    def room() -> int:
        return sum(rate_limit(account, rules) - account.used for account in accounts)

    before, earned = room(), ACCOUNTS * 10**9
    for giver, receiver, amount in gifts:
        account, _ = settled(accounts[giver], totals)
        left = rate_limit(account, rules) - account.used
        amount = min(amount, left, account.older_credits + account.newer_credits)
        accounts[giver], portions = taken(account, amount)
        accounts[receiver] = received(accounts[receiver], portions)
        assert room() == before
        # Only one of both is ever there, so passing credits on and on never fills the record.
        assert all(0 in (account.used, account.allowance) for account in accounts)
        assert sum(account.newer_credits for account in accounts) == earned


def test_passing_back_and_forth_leaves_no_trace() -> None:
    totals = CreditTotals(epoch=1)
    first, second = (Account(stake=1, epoch=1, newer_credits=10**9) for _ in range(2))
    for _ in range(100):
        first, portions = taken(first, 10**9)
        second, back = taken(received(second, portions), 10**9)
        first = received(first, back)
    assert settled(first, totals)[0] == settled(second, totals)[0]
    assert (first.used, first.allowance) == (0, 0)


def test_an_untouched_account_settles_to_the_last_two_epochs() -> None:
    rules = replace(REGTEST.credits, epoch_blocks=10, per_block=1000, minimum_stake=1)
    account = Account(stake=3)
    totals = CreditTotals(total_stake=4)
    for height in range(1, 38):
        totals = totals_at_block(totals, height, rules)
    account, totals = settled(account, totals)
    assert (account.epoch, account.older_credits, account.newer_credits) == (3, 7500, 6000)
    assert (totals.issued, totals.previous_issued) == (8000, 10000)
    assert (totals.drawn, totals.previous_drawn) == (6000, 7500)
    assert account.epoch_stake == 3


def test_a_gap_of_epochs_leaves_nothing_behind() -> None:
    rules = replace(REGTEST.credits, epoch_blocks=10, per_block=1000, minimum_stake=1)
    totals = replace(totals_at_block(CreditTotals(total_stake=4), 5, rules), drawn=500)
    skipped = totals_at_block(totals, 25, rules)
    assert (skipped.previous_index, skipped.previous_issued, skipped.previous_drawn) == (0, 0, 0)
    next_one = totals_at_block(totals, 15, rules)
    assert next_one.previous_index == totals.index
    assert (next_one.previous_issued, next_one.previous_drawn, next_one.drawn) == (1000, 500, 0)


def test_too_little_stake_earns_nothing() -> None:
    rules = replace(REGTEST.credits, minimum_stake=5)
    assert totals_at_block(CreditTotals(total_stake=4), 1, rules).index == 0
    assert totals_at_block(CreditTotals(total_stake=5), 1, rules).index > 0
    none = replace(REGTEST.credits, minimum_stake=0)
    assert totals_at_block(CreditTotals(), 1, none).index == 0


def test_the_rate_of_an_account_begins_anew_with_the_epoch() -> None:
    for account in (
        Account(epoch=1, stake=7, epoch_stake=3, used=5),
        Account(epoch=1, stake=7, epoch_stake=3, allowance=5),
    ):
        same, _ = settled(account, CreditTotals(epoch=1))
        assert (same.used, same.allowance) == (account.used, account.allowance)
        assert same.epoch_stake == 3
        for epoch in (2, 9):
            later, _ = settled(account, CreditTotals(epoch=epoch))
            assert (later.used, later.allowance, later.epoch_stake) == (0, 0, 7)
