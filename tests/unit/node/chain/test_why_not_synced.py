"""A node is current if its newest block is recent, whatever its peers say or do not say."""

from dataclasses import replace

import pytest

from esper.consensus.context import ChainContext
from esper.node.chain.why_not_synced import LEAST_MS, RECENT_SPACINGS, why_not_synced
from esper.primitives.networks import DEVNET, MAINNET, REGTEST, TESTNET
from esper.primitives.params import NetworkParameters

TIP_MS = 1_800_000_000_000


def chain(params: NetworkParameters, height: int = 7) -> ChainContext:
    genesis = ChainContext.genesis(params)
    return replace(genesis, height=height, times_ms=(*genesis.times_ms, TIP_MS))


def allowed_ms(params: NetworkParameters) -> int:
    return max(RECENT_SPACINGS * params.difficulty.spacing_ms, LEAST_MS)


@pytest.mark.parametrize("params", [MAINNET, TESTNET, DEVNET])
def test_a_recent_tip_is_current_to_the_millisecond(params: NetworkParameters) -> None:
    limit = allowed_ms(params)
    assert why_not_synced(chain(params), TIP_MS) == ""
    assert why_not_synced(chain(params), TIP_MS + limit) == ""
    assert "old" in why_not_synced(chain(params), TIP_MS + limit + 1)


def test_a_clock_behind_the_tip_is_no_reason() -> None:
    assert why_not_synced(chain(MAINNET), TIP_MS - 10_000) == ""


def test_fast_networks_have_minutes() -> None:
    fast = replace(DEVNET, difficulty=replace(DEVNET.difficulty, spacing_ms=1))
    assert why_not_synced(chain(fast), TIP_MS + LEAST_MS) == ""
    assert why_not_synced(chain(fast), TIP_MS + LEAST_MS + 1) != ""


@pytest.mark.parametrize(
    ("age_ms", "told"),
    [
        (119 * 60_000, "119 minutes"),
        (120 * 60_000, "2 hours"),
        (47 * 3_600_000, "47 hours"),
        (48 * 3_600_000, "2 days"),
        (400 * 86_400_000, "400 days"),
    ],
)
def test_the_age_is_told(age_ms: int, told: str) -> None:
    assert why_not_synced(chain(MAINNET), TIP_MS + age_ms) == f"the newest block here is {told} old"


def test_the_genesis_alone_is_not_current() -> None:
    alone = ChainContext.genesis(MAINNET)
    assert "genesis" in why_not_synced(alone, MAINNET.genesis_time_ms)


def test_regtest_s_blocks_come_when_they_are_asked_for() -> None:
    assert why_not_synced(chain(REGTEST), TIP_MS + 10**12) == ""
    assert why_not_synced(ChainContext.genesis(REGTEST), TIP_MS) == ""
