"""Periods, samples and amounts of the market, and their numbers on each network."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from esper.primitives.units import UNITS_PER_ESP

PER_MILLE: Final = 1000
BEACON_BLOCKS: Final = 4096
"""Blocks whose beacons the state keeps."""
KEPT_SLOTS: Final = 10
"""Slots whose Beats a provider's record keeps: of a claim, the one before it, and those up to the
last in which it may be settled."""
REPORT_SLOTS: Final = 2
"""Slots behind a claim's own in whose Beats reports on it stand."""
BEACON_SPARE: Final = 16
"""Blocks of one record of beacons, which is overwritten as a whole."""


@dataclass(frozen=True, slots=True)
class SettleShares:
    """Who gets which part of what a claim pays, in per mille; the provider gets what is left.

    Raises ValueError for parts that exceed the whole.
    """

    burned: int
    """Paid to nobody: what washing costs."""
    router: int
    """Whoever brought the session; burned where nobody did."""
    auditors: int
    """Those that replayed what was drawn, in equal parts."""
    maker: int
    """Who made the model; 0 until a vote says otherwise."""

    def __post_init__(self) -> None:
        total = self.burned + self.router + self.auditors + self.maker
        if min(self.burned, self.router, self.auditors, self.maker) < 0 or total > PER_MILLE:
            raise ValueError(f"shares of {total} per mille together, must be 0 to {PER_MILLE}")


@dataclass(frozen=True, slots=True)
class MarketParameters:
    """What a network's market is like. Raises ValueError where numbers contradict each other."""

    slot_blocks: int
    """Blocks of a slot: in each, a provider sends one Beat."""
    answer_blocks: int
    """Blocks behind the drawn height in which Beats may stand."""
    draw_blocks: int
    """Blocks behind a Beat before its beacon draws: the depth of an ordinary reorganisation."""
    data_blocks: int
    """Blocks behind a Beat before providers send drawn replies to verifiers."""
    settle_from: int
    """Slots behind its own from which a claim may be settled: two Beats to report before."""
    settle_until: int
    """Slots behind its own after which a claim is worth nothing."""
    early_close: int
    """Slots that a session lives on once its payer has closed it."""
    close_after: int
    """Slots behind its expiry after which anybody may close a session."""
    leave_after: int
    """Slots between the two steps of leaving: longer than anything can still be settled."""
    longest_session: int
    """Slots that a session may last."""
    ahead: int
    """Slots that a reply's own may lie ahead."""
    replies_a_draw: int
    """Replies of a claim for each draw."""
    most_draws: int
    """Draws of a claim, at most; without a bond, replies of a claim."""
    openings: int
    """Answered draws of a claim that are shown when it is settled."""
    bond: int
    """Least bond of a provider that has one, in units."""
    deposit: int
    """Deposit of every provider, in units: state is not free."""
    load_unit: int
    """Multiply-accumulates of one unit of load."""
    beats_per_block: int
    """Beats that a block may hold."""
    unbonded_beats_per_block: int
    """Of them, those of providers without bond."""
    settles_per_block: int
    """Settles that a block may hold."""
    shares: SettleShares
    """How what is settled is split."""

    def __post_init__(self) -> None:
        for name in ("slot_blocks", "answer_blocks", "replies_a_draw", "openings", "load_unit"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} must be 1 at least")
        if KEPT_SLOTS * self.slot_blocks + BEACON_SPARE > BEACON_BLOCKS:
            raise ValueError(
                f"slot_blocks {self.slot_blocks}: {KEPT_SLOTS} slots and {BEACON_SPARE} blocks "
                f"must not exceed the {BEACON_BLOCKS} whose beacons are kept"
            )
        if self.answer_blocks + self.data_blocks >= self.slot_blocks:
            raise ValueError(
                f"answer_blocks {self.answer_blocks} and data_blocks {self.data_blocks} together "
                f"must be below slot_blocks {self.slot_blocks}"
            )
        if not 1 <= self.draw_blocks <= self.data_blocks:
            raise ValueError(
                f"draw_blocks {self.draw_blocks} must be 1 to data_blocks {self.data_blocks}"
            )
        if not REPORT_SLOTS < self.settle_from <= self.settle_until <= KEPT_SLOTS - 2:
            raise ValueError(
                f"settle_from {self.settle_from} must exceed {REPORT_SLOTS} and settle_until "
                f"{self.settle_until} be from there to {KEPT_SLOTS - 2}"
            )
        if self.leave_after < self.settle_until:
            raise ValueError(
                f"leave_after {self.leave_after} must not be below settle_until "
                f"{self.settle_until}: a bond would go before what it stands for"
            )
        if self.close_after < self.settle_until + 1:
            raise ValueError(
                f"close_after {self.close_after} must exceed settle_until {self.settle_until}: "
                f"a session would end before its last claim"
            )
        if self.openings > self.most_draws:
            raise ValueError(
                f"openings {self.openings} must not exceed most_draws {self.most_draws}"
            )

    @property
    def first_blocks(self) -> int:
        """Blocks at the beginning of a slot of which one is drawn."""
        return self.slot_blocks - self.answer_blocks


MAINNET_MARKET: Final = MarketParameters(
    # 3.7 hours, and 11 minutes.
    slot_blocks=240,
    answer_blocks=12,
    draw_blocks=6,
    data_blocks=12,
    settle_from=3,
    settle_until=8,
    early_close=6,
    close_after=12,
    leave_after=8,
    # Ten days.
    longest_session=64,
    ahead=6,
    # A replay costs nearly what an answer does: one in sixteen is what the auditors' part carries.
    replies_a_draw=16,
    most_draws=16,
    openings=2,
    bond=100 * UNITS_PER_ESP,
    deposit=UNITS_PER_ESP // 100,
    # Minutes of a laptop.
    load_unit=1 << 40,
    # 3,072 providers a slot.
    beats_per_block=256,
    unbonded_beats_per_block=64,
    # Two milliseconds each.
    settles_per_block=64,
    # 5 % is what traffic with oneself costs.
    shares=SettleShares(burned=50, router=20, auditors=70, maker=0),
)

TESTNET_MARKET: Final = replace(MAINNET_MARKET, bond=10 * UNITS_PER_ESP, load_unit=1 << 38)

DEVNET_MARKET: Final = replace(
    MAINNET_MARKET,
    slot_blocks=20,
    answer_blocks=6,
    draw_blocks=2,
    data_blocks=3,
    replies_a_draw=4,
    most_draws=8,
    bond=UNITS_PER_ESP,
    load_unit=1 << 32,
    beats_per_block=64,
    unbonded_beats_per_block=16,
)

REGTEST_MARKET: Final = replace(
    DEVNET_MARKET,
    slot_blocks=8,
    answer_blocks=3,
    draw_blocks=1,
    data_blocks=1,
    longest_session=16,
    replies_a_draw=2,
    most_draws=4,
    load_unit=1 << 22,
    beats_per_block=8,
    unbonded_beats_per_block=2,
    settles_per_block=8,
)

MARKETS: Final[Mapping[str, MarketParameters]] = MappingProxyType(
    {
        "mainnet": MAINNET_MARKET,
        "testnet": TESTNET_MARKET,
        "devnet": DEVNET_MARKET,
        "regtest": REGTEST_MARKET,
    }
)
"""By the network's name. No genesis hash covers them yet."""
