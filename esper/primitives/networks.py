"""The four networks, and why each number is what it is."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from esper.primitives.genesis_data import GENESIS_MODEL
from esper.primitives.params import (
    CallParameters,
    CreditParameters,
    DifficultyParameters,
    GovernanceParameters,
    LimitParameters,
    NetworkParameters,
    PuzzleParameters,
    RewardParameters,
)
from esper.primitives.units import MICRO, RANGE_512, UNITS_PER_ESP

KIB: Final = 1024
PROVING_SECOND: Final = 100_000_000
"""A second in the units of proving costs, 10 ns."""

PUZZLE: Final = PuzzleParameters(
    # Two sequences, so that one short answer moves the price of a ticket by half at most.
    sequences=2,
    # 49 + 16 - 1 = 64: every row of the proof is used.
    rows=64,
    input_tokens=49,
    max_answer=16,
    # Enough to see by how much a token won; each more costs a field element or two per position.
    top_k=4,
    salt_bits=128,
)

DEMO_ADDRESS: Final = bytes.fromhex(
    "01cca7ab630d8ab3e36335694a82f5654160fe21ff486a80c7969d75973dc8e45a"
)
"""The demonstration wallet's address on networks without value: everyone holds its key, which is
``esper.crypto.demo_key``."""

MAINNET: Final = NetworkParameters(
    name="mainnet",
    address_prefix="esp",
    genesis_time_ms=1_798_761_600_000,  # 2027-01-01 00:00 UTC
    model=GENESIS_MODEL,
    # The DAO adds them.
    further_tiers=(),
    puzzle=PUZZLE,
    difficulty=DifficultyParameters(
        spacing_ms=55_000,
        reference_proof_ms=5_500,
        retargets=True,
        # 11 hours.
        window=720,
        half_life_blocks=360,
        # 256 attempts: about a second of one machine, so that the network can never stall for good.
        max_target=RANGE_512 >> 8,
        # 2^16 attempts a block: about four two-core machines at 300 attempts a second.
        genesis_target=RANGE_512 >> 16,
        median_window=11,
        future_limit_ms=60_000,
    ),
    reward=RewardParameters(
        subsidy=50 * UNITS_PER_ESP,
        # Two years; 114.8 million ESP in the end.
        halving_blocks=1_147_680,
        bonus_divisor=10,
        bonus_credit_cap=2048 * MICRO,
        maturity=100,
        # Three weeks, longer than a vote and its evidence.
        unbonding=33_120,
        # Nobody has coins before the first block.
        genesis_allocation=(),
    ),
    credits=CreditParameters(
        # About 6.4 days.
        epoch_blocks=10_080,
        per_block=4096 * MICRO,
        # One hundredth of the first day's issue.
        minimum_stake=700 * UNITS_PER_ESP,
        # A staked ESP (10^8 units) burns at most 4 credits an epoch: 2^32 * 4 * 10^6 / 10^8.
        rate_per_staked_unit=171_798_691,
        # Two short calls, enough to try a gift of credits.
        starting_allowance=MICRO,
        # A call of 1,000 weighted tokens costs at least a hundredth of a credit.
        minimum_bid=10,
    ),
    calls=CallParameters(
        rows_per_group=1024,
        rows_per_call=256,
        groups_per_block=4,
        inline_answer_bytes=1024,
        lane_expiry_blocks=120,
        lane_lapses_per_block=64,
    ),
    governance=GovernanceParameters(
        # 7.3 days, one to answer a swing, two for a rollback.
        vote_window=11_520,
        vote_tail=1_440,
        rollback_window=2_880,
        draw_depth=6,
        # 11 hours.
        round_window=720,
        # Above the undo depth: the block that outweighs another branch can be judged.
        horizon=1_500,
        # Chance alone moves a count by 2 %.
        count_window=720,
        postponement=5_040,
        # 14.2 days each.
        grace=22_320,
        jitter=720,
        trial=22_320,
        least_bond=100 * UNITS_PER_ESP,
        penalty=100 * UNITS_PER_ESP,
        audits_per_block=1,
        audit_rows=1_024,
        report_samples=4,
        hidden_samples=8,
        # Until models can answer such questions.
        hidden_threshold_per_mille=0,
        texts=(),
        # 22 s of two cores: 5.5 s, a tenth of the spacing, of eight.
        proving_cost_limit=22 * PROVING_SECOND,
        # Six months.
        rotation_reminder=286_920,
        counts_issue=True,
        proposal_stake_per_mille=1,
        quorum_per_mille=200,
        parameter_majority_per_mille=600,
        # Two thirds, rounded up.
        rollback_per_mille=667,
    ),
    limits=LimitParameters(
        # 15 hashes, a target and a VRF proof of 17 levels are 1.7 KiB.
        header_bytes=4 * KIB,
        body_bytes=2048 * KIB,
        proof_bytes=768 * KIB,
        transaction_bytes=64 * KIB,
        # A transfer of 5.4 kB (an ML-DSA key and signature) pays about 0.0002 ESP.
        base_fee=10_000,
        fee_per_byte=2,
        dust=100_000,
        # 22 hours.
        undo_depth=1_440,
        # Three weeks of proofs, about 14 GB: evidence lives as long as unbonding does.
        pruning_depth=33_120,
        # 2^17 blocks are 83 days; making the key takes about a second.
        vrf_depth=17,
    ),
)

TESTNET: Final = replace(
    MAINNET,
    name="testnet",
    address_prefix="tesp",
    genesis_time_ms=1_796_083_200_000,  # 2026-12-01 00:00 UTC
    difficulty=replace(
        MAINNET.difficulty,
        spacing_ms=30_000,
        reference_proof_ms=3_000,
        # Few machines come and go: easier to restart, easier to begin.
        max_target=RANGE_512 >> 6,
        genesis_target=RANGE_512 >> 12,
    ),
    reward=replace(
        MAINNET.reward,
        halving_blocks=2_103_840,
        bonus_credit_cap=1024 * MICRO,
        unbonding=2_880,
    ),
    credits=replace(MAINNET.credits, epoch_blocks=2_880, per_block=2048 * MICRO),
    calls=replace(MAINNET.calls, rows_per_group=512, groups_per_block=2),
    governance=replace(
        MAINNET.governance,
        vote_window=720,
        vote_tail=90,
        rollback_window=180,
        round_window=240,
        horizon=750,
        count_window=240,
        postponement=480,
        grace=1_440,
        jitter=120,
        trial=2_160,
        least_bond=UNITS_PER_ESP,
        penalty=10 * UNITS_PER_ESP,
        audit_rows=512,
        proving_cost_limit=12 * PROVING_SECOND,
        rotation_reminder=40_320,
    ),
    limits=replace(MAINNET.limits, undo_depth=720, pruning_depth=2_880),
)

DEVNET: Final = replace(
    MAINNET,
    name="devnet",
    address_prefix="desp",
    genesis_time_ms=1_793_491_200_000,  # 2026-11-01 00:00 UTC
    # One sequence: two take 1.6 s on two cores to prove, one stays below the second.
    puzzle=replace(PUZZLE, sequences=1),
    difficulty=replace(
        MAINNET.difficulty,
        spacing_ms=10_000,
        reference_proof_ms=1_000,
        # Five minutes each, so that a session sees targets move.
        window=30,
        half_life_blocks=30,
        # Two attempts: a laptop that someone uses for other things keeps its ten seconds.
        max_target=RANGE_512 >> 1,
        # 2^10 attempts: a few seconds of a two-core machine, so that the first block comes soon.
        genesis_target=RANGE_512 >> 10,
    ),
    reward=replace(
        MAINNET.reward,
        # 28 hours an era.
        halving_blocks=10_000,
        bonus_credit_cap=512 * MICRO,
        maturity=10,
        unbonding=120,
        # Something to try transactions with before the first reward matures.
        genesis_allocation=((DEMO_ADDRESS, 10_000 * UNITS_PER_ESP),),
    ),
    credits=replace(
        MAINNET.credits,
        epoch_blocks=60,
        per_block=1024 * MICRO,
        # One mature reward is enough to see credits flow.
        minimum_stake=UNITS_PER_ESP,
    ),
    calls=replace(
        MAINNET.calls,
        rows_per_group=256,
        rows_per_call=128,
        groups_per_block=2,
        # Low, so that the second way of answering is ever used.
        inline_answer_bytes=64,
    ),
    governance=replace(
        MAINNET.governance,
        vote_window=30,
        vote_tail=4,
        rollback_window=15,
        round_window=10,
        horizon=60,
        count_window=20,
        postponement=30,
        grace=100,
        jitter=10,
        trial=150,
        least_bond=UNITS_PER_ESP,
        penalty=UNITS_PER_ESP,
        audits_per_block=4,
        audit_rows=256,
        report_samples=2,
        hidden_samples=2,
        proving_cost_limit=PROVING_SECOND,
        rotation_reminder=720,
        counts_issue=False,
    ),
    limits=replace(
        MAINNET.limits,
        body_bytes=1024 * KIB,
        proof_bytes=512 * KIB,
        undo_depth=50,
        pruning_depth=1_000,
        # 2^12 blocks are 11 hours; making the key takes about 30 ms.
        vrf_depth=12,
    ),
)

REGTEST: Final = replace(
    DEVNET,
    name="regtest",
    # Its own, although only one machine ever sees it: an address of the wrong chain is refused.
    address_prefix="resp",
    difficulty=replace(
        DEVNET.difficulty,
        retargets=False,
        max_target=RANGE_512 - 1,
        genesis_target=RANGE_512 - 1,
        # Tests move time by hand.
        future_limit_ms=3_600_000,
    ),
    reward=replace(
        DEVNET.reward, halving_blocks=150, maturity=5, unbonding=20, genesis_allocation=()
    ),
    credits=replace(DEVNET.credits, epoch_blocks=10),
    governance=replace(
        DEVNET.governance,
        vote_window=12,
        vote_tail=2,
        rollback_window=3,
        draw_depth=1,
        round_window=4,
        horizon=20,
        count_window=5,
        postponement=8,
        grace=32,
        jitter=1,
        trial=40,
        report_samples=1,
        # Nobody waits for a block there.
        proving_cost_limit=100 * PROVING_SECOND,
        rotation_reminder=100,
    ),
    # 2^8 blocks: a test makes a key in 2 ms and can outlive one.
    limits=replace(DEVNET.limits, undo_depth=16, vrf_depth=8),
)

NETWORKS: Final[Mapping[str, NetworkParameters]] = MappingProxyType(
    {network.name: network for network in (MAINNET, TESTNET, DEVNET, REGTEST)}
)


class UnknownNetworkError(KeyError):
    """A name that is none of the networks."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"network {self.name!r} is unknown, must be one of {', '.join(NETWORKS)}"


def network(name: str) -> NetworkParameters:
    """The parameters of a network. Raises UnknownNetworkError."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise UnknownNetworkError(name) from None


def network_of_prefix(prefix: str) -> str | None:
    """The name of the network whose addresses begin so; None if there is none."""
    return next((one.name for one in NETWORKS.values() if one.address_prefix == prefix), None)
