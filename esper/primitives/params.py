"""The kinds of parameters a network has. The numbers and their reasons are in ``networks``."""

from dataclasses import dataclass
from typing import Final

from esper.primitives.model_entry import ModelEntry

_ON_DEMAND: Final = "regtest"
_LOCAL: Final = frozenset({"devnet", _ON_DEMAND})


@dataclass(frozen=True, slots=True)
class PuzzleParameters:
    """The fixed shape of one lottery ticket: what is inferred and proven per attempt."""

    sequences: int
    """n: prompts per batch. At most 4, so that a proof stays small."""
    rows: int
    """T: rows per sequence in the proof, a power of two; input_tokens + max_answer - 1 fit."""
    input_tokens: int
    """Lin: exact length of BOS, salt and prompt together. One length for all, so that seeds with
    short prompts are no bargain."""
    max_answer: int
    """g: answer tokens at most, EOS included."""
    top_k: int
    """K: (id, logit) pairs published per answer position."""
    salt_bits: int
    """Least entropy of a sequence's salt, against tables of answers; 128, as the whole stack."""


@dataclass(frozen=True, slots=True)
class DifficultyParameters:
    """How targets follow the hash rate."""

    spacing_ms: int
    """tau: mean time between blocks; on regtest only the unit of the timestamps."""
    reference_proof_ms: int
    """Proving time on the reference machine, at most tau / 10: a stale rate of about 10 %."""
    retargets: bool
    """False on regtest, where every block has max_target."""
    window: int
    """Blocks between anchors, and between updates of the tier multipliers."""
    half_life_blocks: int
    """hl: the target doubles when the chain is this many spacings late."""
    max_target: int
    """Tmax: the easiest target, below 2^512."""
    genesis_target: int
    """Target of the first blocks, before there are times to judge by."""
    median_window: int
    """A block's time exceeds the median of this many times before it."""
    future_limit_ms: int
    """How far a block's time may lie ahead of the node's clock; later ones are retried, not
    punished."""


@dataclass(frozen=True, slots=True)
class RewardParameters:
    """Issue and what ties it to use."""

    subsidy: int
    """S: units created by each block of the first era."""
    halving_blocks: int
    """Blocks per era; the subsidy halves from one to the next."""
    bonus_divisor: int
    """S / bonus_divisor of the subsidy depends on the credits burned in the block."""
    bonus_credit_cap: int
    """Bcap: micro-credits burned in a block that earn the whole bonus."""
    maturity: int
    """Blocks before a reward can be spent; slashable until then."""
    unbonding: int
    """Blocks between unstaking and having the coins."""
    genesis_allocation: tuple[tuple[bytes, int], ...]
    """(address in wire form, units) that exist from the start."""


@dataclass(frozen=True, slots=True)
class CreditParameters:
    """Credits pay for calls; stake earns them."""

    epoch_blocks: int
    """E: length of a credit epoch; credits lapse after two."""
    per_block: int
    """C_b: micro-credits shared among all stake per block."""
    minimum_stake: int
    """T_min: units staked in all before credits accrue, so that a lone first staker does not draw
    every credit for dust."""
    rate_per_staked_unit: int
    """kappa, as a fraction of 2^32: micro-credits that may burn per epoch and staked unit."""
    starting_allowance: int
    """Micro-credits that an account without stake may burn per epoch, once someone sends it any."""
    minimum_bid: int
    """Least price, micro-credits per weighted token (prompt + 4 x answer)."""


@dataclass(frozen=True, slots=True)
class CallParameters:
    """Paid inference: calls proven in groups beside the lottery's proof."""

    rows_per_group: int
    """Proof rows of one call group."""
    rows_per_call: int
    """T_call: longest prompt and answer of one call in rows."""
    groups_per_block: int
    """Call groups a block may hold."""
    inline_answer_bytes: int
    """Larger answers come back by an own transaction instead of with the block."""
    lane_expiry_blocks: int
    """Blocks after which an unanswered off-block call returns its credits."""
    lane_lapses_per_block: int
    """Most calls that lapse in one block, to bound its work."""


@dataclass(frozen=True, slots=True)
class GovernanceParameters:
    """Periods and shares of the model DAO: blocks, per mille, units. Letters are those of its page.

    Raises ValueError where periods contradict each other; what they owe to other parameters,
    ``dao.periods`` checks.
    """

    vote_window: int
    """V: blocks from opening to the first closing height."""
    vote_tail: int
    """t: blocks before closing in which the outcome is noted, and of each extension."""
    rollback_window: int
    """Vr: blocks in which a rollback gathers votes."""
    draw_depth: int
    """d: blocks behind a height before its beacon is drawn from."""
    round_window: int
    """D: blocks of a round of hidden sets, and for proving the sample of a report."""
    horizon: int
    """L: what is confirmed acts at least so many blocks later; above the undo depth."""
    count_window: int
    """W: blocks in which readiness and the trial are counted."""
    postponement: int
    """P: blocks that an activation moves when too few were ready."""
    grace: int
    """G: blocks between finality and activation, for downloads and rehearsal."""
    jitter: int
    """J: activation is delayed by a beacon value below this."""
    trial: int
    """R: blocks for which a replaced model may still be mined."""
    least_bond: int
    """Bmin: units."""
    penalty: int
    """Most units that evidence against a gateway takes."""
    audits_per_block: int
    """Prove transactions a block may hold."""
    audit_rows: int
    """Most rows of the proof of one, all sequences together."""
    report_samples: int
    """k_r: items of a report that are drawn to be proven."""
    hidden_samples: int
    """k_h: items of a hidden set that are drawn in a round."""
    hidden_threshold_per_mille: int
    """theta: a round below it opens a rollback; 0 for never."""
    texts: tuple[bytes, ...]
    """Texts that a model's first benchmark suites must be made from, 64 bytes each, at most 4."""
    proving_cost_limit: int
    """Cmax: most that proving a ticket may cost, in units of 10 ns of two cores."""
    rotation_reminder: int
    """Blocks after which people are reminded that a tier's model grows old; no rule."""
    counts_issue: bool
    """Whether electorates are measured by the coins issued as well as by stake. Not on networks
    whose coins are worth nothing."""
    proposal_stake_per_mille: int
    """Part of all stake that a proposer needs."""
    quorum_per_mille: int
    """Part of the quorum that yes and abstentions must reach."""
    parameter_majority_per_mille: int
    """Part of yes among yes and no that a parameter change needs; a model needs more yes than
    no."""
    rollback_per_mille: int
    """Part of the quorum that takes an active model back."""

    def __post_init__(self) -> None:
        if self.postponement < self.count_window:
            raise ValueError(
                f"postponement {self.postponement} must not be below count_window "
                f"{self.count_window}"
            )
        least = self.horizon + self.round_window + self.draw_depth + 2
        least += max(self.rollback_window, self.count_window)
        for name in ("grace", "trial"):
            if getattr(self, name) < least:
                raise ValueError(f"{name} {getattr(self, name)} must not be below {least}")


@dataclass(frozen=True, slots=True)
class LimitParameters:
    """Sizes, fees and depths."""

    header_bytes: int
    """Largest encoded header, its VRF proof included."""
    body_bytes: int
    """Largest encoded body, without the proof."""
    proof_bytes: int
    """Largest work proof."""
    transaction_bytes: int
    """Largest encoded transaction."""
    base_fee: int
    """Units that every transaction pays."""
    fee_per_byte: int
    """Units per byte of its wire form."""
    dust: int
    """Least output that may create an account: each is kept for ever by everyone."""
    undo_depth: int
    """Deepest reorganisation; deeper needs the operator."""
    pruning_depth: int
    """Proofs below this depth may be deleted."""
    vrf_depth: int
    """Height of the VRF key tree: a key serves 2^depth blocks."""


@dataclass(frozen=True, slots=True)
class TierParameters:
    """A tier that a network begins with beside that of its own model."""

    model: ModelEntry
    """Its model; ``model.tier`` is at least 1."""
    share: int
    """Part of all blocks that it should have, 16.16."""


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """Everything that makes a network; its hash is the genesis hash."""

    name: str
    """mainnet, testnet, devnet or regtest."""
    address_prefix: str
    """Human-readable part of addresses."""
    genesis_time_ms: int
    """Time of the genesis block."""
    model: ModelEntry
    """The model and prompt bank of the first tier."""
    further_tiers: tuple[TierParameters, ...]
    """Tiers beside the first, by ascending id."""
    puzzle: PuzzleParameters
    """The lottery ticket."""
    difficulty: DifficultyParameters
    """Targets and times."""
    reward: RewardParameters
    """Issue."""
    credits: CreditParameters
    """Credits."""
    calls: CallParameters
    """Paid inference."""
    governance: GovernanceParameters
    """The DAO."""
    limits: LimitParameters
    """Sizes, fees and depths."""

    # What follows is no parameter: it says how nodes treat the network, and nobody hashes it.

    @property
    def is_local(self) -> bool:
        """Whether it is for trying things out on one's own machines.

        Its coins are worth nothing: the demonstration key is everyone's, and old proofs are deleted
        unless somebody asks for them.
        """
        return self.name in _LOCAL

    @property
    def mines_on_demand(self) -> bool:
        """Whether a block is mined when somebody asks for one, and not before."""
        return self.name == _ON_DEMAND
