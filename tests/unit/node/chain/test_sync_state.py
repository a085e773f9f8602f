"""A node is current if its newest block is recent and its network knows of nothing better."""

from dataclasses import dataclass, replace

import pytest

from esper.consensus.context import ChainContext
from esper.node.chain.ahead_of_clock import next_block_ahead
from esper.node.chain.sync_state import LEAST_MS, RECENT_SPACINGS, why_not_synced
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
    assert why_not_synced(chain(params), None, TIP_MS) == ""
    assert why_not_synced(chain(params), None, TIP_MS + limit) == ""
    assert "old" in why_not_synced(chain(params), None, TIP_MS + limit + 1)


def test_a_clock_behind_the_tip_is_no_reason() -> None:
    assert why_not_synced(chain(MAINNET), None, TIP_MS - 10_000) == ""


@pytest.mark.parametrize("params", [MAINNET, TESTNET, DEVNET, REGTEST])
def test_a_chain_that_this_clock_would_refuse_is_ahead_of_it(params: NetworkParameters) -> None:
    limit, told = params.difficulty.future_limit_ms, "ahead of this machine's clock"
    alone = replace(chain(params), times_ms=(0, 0, TIP_MS))
    assert why_not_synced(alone, None, TIP_MS - limit) == ""
    assert told in why_not_synced(alone, None, TIP_MS - limit - 1)
    # Also where the tip itself is older than the median, which the next block must exceed.
    old = replace(chain(params), times_ms=(TIP_MS, TIP_MS, TIP_MS - 2 * limit))
    assert told in why_not_synced(old, None, TIP_MS - limit)


def test_it_is_told_by_how_much_and_until_when() -> None:
    ahead = replace(chain(REGTEST), times_ms=(TIP_MS,) * 11)
    now_ms = TIP_MS - 3 * 86_400_000
    expected = (
        "the chain is ahead of this machine's clock by 3 days: set the clock (NTP), or wait until "
        "2027-01-15 07:00:01 UTC"
    )
    assert next_block_ahead(ahead, now_ms) == expected
    assert next_block_ahead(ahead, TIP_MS - 3_600_000 + 1) == ""
    # Years that no calendar has are no reason to fail.
    assert "ms after 1970" in next_block_ahead(replace(ahead, times_ms=(10**19,)), now_ms)


def test_a_tip_alone_that_is_ahead_keeps_nobody_from_mining() -> None:
    assert next_block_ahead(replace(chain(REGTEST), times_ms=(0, 0, TIP_MS)), 0) == ""


def test_fast_networks_have_minutes() -> None:
    fast = replace(DEVNET, difficulty=replace(DEVNET.difficulty, spacing_ms=1))
    assert why_not_synced(chain(fast), None, TIP_MS + LEAST_MS) == ""
    assert why_not_synced(chain(fast), None, TIP_MS + LEAST_MS + 1) != ""


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
    assert (
        why_not_synced(chain(MAINNET), None, TIP_MS + age_ms)
        == f"the newest block here is {told} old"
    )


def test_the_genesis_alone_is_not_current() -> None:
    alone = ChainContext.genesis(MAINNET)
    assert "genesis" in why_not_synced(alone, None, MAINNET.genesis_time_ms)


def test_regtest_s_blocks_come_when_they_are_asked_for() -> None:
    assert why_not_synced(chain(REGTEST), None, TIP_MS + 10**12) == ""
    assert why_not_synced(ChainContext.genesis(REGTEST), None, TIP_MS) == ""


@dataclass(frozen=True)
class Network:
    """A network in which all is well."""

    near: bool = True
    busy: bool = False
    owed: int = 0
    outbound: int = 3
    alone: bool = False
    halted: str = ""
    heavy_enough: bool = True
    words: str = "block 3 of 9"


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (Network(halted="the best branch is too deep"), "the best branch is too deep"),
        (Network(busy=True), "a better chain is being fetched (block 3 of 9): wait"),
        (Network(busy=True, words=""), "a better chain is being fetched: wait"),
        (Network(outbound=0), "no peer that this node chose is connected (block 3 of 9): check"),
        (Network(near=False), "peers have more blocks than are here (block 3 of 9): wait"),
        (Network(owed=1), "a branch that peers told of must be compared first"),
        (Network(owed=2), "2 branches that peers told of must be compared first"),
        (Network(heavy_enough=False), "weighs less than this release knows"),
    ],
)
@pytest.mark.parametrize("params", [MAINNET, REGTEST])
def test_what_the_network_knows_counts_as_well(
    params: NetworkParameters, network: Network, told: str
) -> None:
    assert told in why_not_synced(chain(params), network, TIP_MS)


def test_a_network_in_which_all_is_well_leaves_the_age_to_decide() -> None:
    for network in (Network(), Network(outbound=0, alone=True)):
        assert why_not_synced(chain(MAINNET), network, TIP_MS) == ""
        assert "old" in why_not_synced(chain(MAINNET), network, TIP_MS + 10**9)
        assert why_not_synced(chain(REGTEST), network, TIP_MS + 10**9) == ""
        genesis = ChainContext.genesis(MAINNET)
        assert "genesis" in why_not_synced(genesis, network, MAINNET.genesis_time_ms)


def test_the_clock_is_named_before_the_peers() -> None:
    ahead = replace(chain(MAINNET), times_ms=(TIP_MS,) * 11)
    assert "set the clock" in why_not_synced(ahead, Network(busy=True), TIP_MS - 3 * 86_400_000)
