"""The market's page says the numbers of the code."""

from pathlib import Path

import pytest

from esper.market.parameters import MAINNET_MARKET, MARKETS, MarketParameters
from esper.market.split import split
from esper.primitives.units import UNITS_PER_ESP

PAGE = Path(__file__).resolve().parents[3] / "docs" / "market.md"


def cells_of(beginning: str) -> list[str]:
    """What stands in the one row that begins so, behind its first cell."""
    found = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {beginning} |")]
    [row] = found
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_the_worked_example_is_split_as_the_page_says() -> None:
    splits = [
        split(40 * 56_000, 60_000, draws, unanswered, MAINNET_MARKET.shares, routed=True)
        for draws, unanswered in ((3, 0), (3, 1), (2, 0))
    ]
    for beginning, values in (
        ("back to the payer", [one.payer for one in splits]),
        ("burned", [one.burned for one in splits]),
        ("router", [one.router for one in splits]),
        ("each auditor that answered", [one.auditor for one in splits]),
        ("provider, the claim's price included", [one.provider for one in splits]),
    ):
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")][1:]
            for line in PAGE.read_text().splitlines()
            if line.startswith(f"| {beginning} |")
        ]
        assert [f"{value:,}" for value in values] in rows


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        ("blocks of a slot", "slot_blocks"),
        ("blocks in which Beats stand", "answer_blocks"),
        ("blocks from a Beat to its draws", "draw_blocks"),
        ("replies a draw", "replies_a_draw"),
        ("draws of a claim at most", "most_draws"),
        ("Beats a block", "beats_per_block"),
        ("Settles a block", "settles_per_block"),
        ("longest session, slots", "longest_session"),
    ],
)
def test_numbers_of_each_network(beginning: str, name: str) -> None:
    assert cells_of(beginning) == [str(getattr(each, name)) for each in MARKETS.values()]


def test_bonds_and_deposits_of_each_network() -> None:
    def in_esp(units: int) -> str:
        whole, rest = divmod(units, UNITS_PER_ESP)
        return f"{whole}" + (f".{rest * 100 // UNITS_PER_ESP:02}" if rest else "")

    networks: list[MarketParameters] = list(MARKETS.values())
    assert cells_of("least bond, ESP") == [in_esp(each.bond) for each in networks]
    assert cells_of("deposit, ESP") == [in_esp(each.deposit) for each in networks]


def test_shares_of_a_claim() -> None:
    shares = MAINNET_MARKET.shares
    assert cells_of("router that brought the session, else burned") == [str(shares.router)]
    assert cells_of("auditors, in equal parts for each draw") == [str(shares.auditors)]
    assert cells_of("maker of the model; a vote may say otherwise") == [str(shares.maker)]
