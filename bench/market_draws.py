"""What cheating, lying and silence bring a provider, by the market's own draws and splits.

    python -m bench.market_draws [--seed 1] [--claims 400]

The tables of ``docs/decisions/market.md`` are printed by this script. Thresholds and lies are
exact, over all outcomes; what silent verifiers cost is drawn from rosters, by seed.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import Final

from esper.market.draws import drawn, picked
from esper.market.parameters import MAINNET_MARKET
from esper.market.records.claim import SessionClaim
from esper.market.records.statuses import DrawStatus
from esper.market.roster import RosterPlace, place_behind
from esper.market.split import split

AMOUNT: Final = 16_000_000
"""Units of a claim, so many that rounding is nothing."""
SAVED: Final = (25, 40, 50, 63)
"""Hundredths of a reply's price that a cheater saves in computing."""
DRAWS: Final = (1, 2, 4, 16)
SHARES: Final = MAINNET_MARKET.shares
OPENINGS: Final = MAINNET_MARKET.openings


def earned(draws: int, unanswered: int) -> Fraction:
    """Part of a claim that its provider gets."""
    found = split(AMOUNT, 0, draws, unanswered, SHARES, routed=True)
    return Fraction(found.provider, AMOUNT)


def told(draws: int, answered: int, lies: int, openings: int = OPENINGS) -> Fraction:
    """The same where ``lies`` unanswered draws are said to be answered: all of it or nothing."""
    said = answered + lies
    shown = min(openings, said)
    return earned(draws, draws - said) * Fraction(comb(answered, shown), comb(said, shown))


def best_told(draws: int, answered: int, openings: int = OPENINGS) -> Fraction:
    """What the best lie brings, no lie among them."""
    return max(told(draws, answered, lies, openings) for lies in range(draws - answered + 1))


def cheating(draws: int, colluding: Fraction) -> Fraction:
    """Part of its claims that a provider gets of which every reply is false.

    ``colluding``: part of the verifying load that says it agrees; others say nothing.
    """
    covered = 1 - (1 - colluding) ** 2
    return sum(
        (
            comb(draws, at) * covered**at * (1 - covered) ** (draws - at) * best_told(draws, at)
            for at in range(draws + 1)
        ),
        Fraction(0),
    )


def threshold(draws: int, saved: int) -> int:
    """Hundredths of the load that must collude before cheating brings more than honesty."""
    return next(
        at
        for at in range(101)
        if cheating(draws, Fraction(at, 100)) + Fraction(saved, 100) > earned(draws, 0)
    )


@dataclass(frozen=True)
class Crowd:
    """A roster of equal providers, each with an owner of its own."""

    places: tuple[RosterPlace, ...]

    @property
    def count(self) -> int:
        """Places."""
        return len(self.places)

    @property
    def weight(self) -> int:
        """Units of load."""
        return self.places[-1].cumulative

    def place(self, index: int) -> RosterPlace:
        """The place with this index."""
        return self.places[index]


def crowd(size: int) -> Crowd:
    """So many providers; the number of each is its first two bytes."""
    names = [at.to_bytes(2, "big").ljust(33, b"\0") for at in range(size)]
    places: list[RosterPlace] = []
    for name in names:
        places.append(place_behind(places[-1].cumulative if places else 0, name, name, 7))
    return Crowd(tuple(places))


def silent_verifiers(silent: int, claims: int, seed: int) -> tuple[float, float]:
    """What a payer with ``silent`` of 100 verifiers gains, and what its provider loses.

    Parts of what is claimed, over so many claims of 16 draws; the provider tells the truth.
    """
    chooser, roster = random.Random(seed), crowd(100)
    payer = provider = 0
    full = split(AMOUNT, 0, 16, 0, SHARES, routed=True)
    for _ in range(claims):
        claim = SessionClaim(chooser.randbytes(64), 0, 256, 0, AMOUNT, bytes(64))
        listed = drawn(claim, 900, chooser.randbytes(64), 16, roster, b"\xff" * 33)
        unanswered = sum(
            all(one is None or one.provider[1] < silent for one in draw.verifiers)
            for draw in listed
        )
        found = split(AMOUNT, 0, 16, unanswered, SHARES, routed=True)
        payer += found.payer - full.payer
        provider += full.provider - found.provider
    return payer / claims / AMOUNT, provider / claims / AMOUNT


def caught(answered: int, lies: int, trials: int, seed: int) -> float:
    """How often lies are picked, by the market's own picks."""
    chooser = random.Random(seed)
    statuses = [DrawStatus.FIRST] * (answered + lies)
    hits = sum(
        any(
            at < lies
            for at in picked(chooser.randbytes(64), 900, chooser.randbytes(64), statuses, OPENINGS)
        )
        for _ in range(trials)
    )
    return hits / trials


def table(*rows: Sequence[object]) -> None:
    """Rows as Markdown, the first one as its head."""
    for row in (rows[0], ["---"] * len(rows[0]), *rows[1:]):
        print("| " + " | ".join(str(one) for one in row) + " |")
    print()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--claims", type=int, default=400)
    asked = parser.parse_args()
    print("Colluding part of the load at which cheating first pays, by saved part of the price\n")
    table(
        ("draws", *(f".{saved}" for saved in SAVED)),
        *((draws, *(f".{threshold(draws, saved):02}" for saved in SAVED)) for draws in DRAWS),
    )
    print("Part of a claim of 16 draws, by how many are unanswered\n")
    table(
        ("unanswered", "truth", "best lie", "best lie, three openings"),
        *(
            (
                lost,
                f"{float(earned(16, lost)):.3f}",
                f"{float(best_told(16, 16 - lost)):.3f}",
                f"{float(best_told(16, 16 - lost, 3)):.3f}",
            )
            for lost in range(9)
        ),
    )
    print(
        f"How often 4 lies of 16 are picked: {caught(12, 4, 20 * asked.claims, asked.seed):.3f}, "
    )
    print(f"exactly {1 - comb(12, 2) / comb(16, 2):.3f}\n")
    print("Silent verifiers of a payer: parts of what is claimed\n")
    table(
        ("silent", "the payer gains", "the provider loses"),
        *(
            (f".{silent:02}", *(f"{part:.4f}" for part in parts))
            for silent in (10, 20, 30, 50)
            for parts in [silent_verifiers(silent, asked.claims, asked.seed)]
        ),
    )


if __name__ == "__main__":
    main()
