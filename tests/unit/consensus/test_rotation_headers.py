"""Headers over an activation and its trial, without any state: which model, at which target."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from esper.consensus.block import Block
from esper.consensus.chain import ProvenChain, check_header, check_work_of, extend
from esper.consensus.header_chain import HeaderChain
from esper.consensus.ports import WorkClaim
from esper.consensus.tiers import TierTally
from esper.dao.registry import ONE, Entry, Puzzle
from esper.dao.schedule import Activation, Reversal, Scheduled, Settlement
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry
from tests.support.fake_work import (
    FakeInference,
    FakeProver,
    FakeVerifier,
    fake_network,
    prompt_source,
)
from tests.support.plain_miner import Miner, standing
from tests.support.vm_world import MINER, address

PARAMS = fake_network()
OLD = PARAMS.model
NEW = replace(OLD, model_id=ModelId(bytes(64)))
TIER_1 = replace(NEW, tier=1)
SHORT = Puzzle(sequences=1, rows=64, input_tokens=52, max_answer=8)
SECONDS = 10_000


class AnyFake:
    """The fake verifier of all fake models, which differ in nothing but their names."""

    def __init__(self) -> None:
        self.seen: list[ModelId] = []

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        self.seen.append(claim.model_id)
        FakeVerifier(OLD).verify(claim, proof)


def mined(chain: ProvenChain, model: ModelEntry, puzzle: Puzzle | None = None) -> Block:
    params = PARAMS
    if puzzle is not None:
        params = replace(PARAMS, puzzle=puzzle.on(PARAMS.puzzle))
    miner = Miner(
        params,
        inference=FakeInference(model),
        prover=FakeProver(),
        bank=prompt_source(PARAMS),
        payee=address(MINER),
        vrf_secret=bytes(32),
        model=model,
    )
    time_ms = PARAMS.genesis_time_ms + SECONDS * (chain.context.height + 1)
    return miner.mine(chain.context, chain.state, standing(time_ms)).block


def begun(*schedule: Scheduled) -> ProvenChain:
    """The genesis block, by whose execution this was confirmed."""
    chain = ProvenChain.genesis(PARAMS)
    return replace(chain, context=replace(chain.context, schedule=schedule))


def grown(chain: ProvenChain, models: Sequence[ModelEntry]) -> tuple[ProvenChain, list[Block]]:
    blocks = []
    for model in models:
        blocks.append(mined(chain, model))
        chain = extend(chain, blocks[-1], AnyFake(), now_ms=1 << 60)
    return chain, blocks


def as_headers(chain: ProvenChain, blocks: Sequence[Block]) -> HeaderChain:
    """The same by headers and their work alone, nothing executed."""
    headers: HeaderChain = chain.context
    for block in blocks:
        check_header(block.header, headers, now_ms=1 << 60)
        check_work_of(block.header, block.body.outputs, block.proof, headers, AnyFake())
        headers = headers.extended_by_header(block.header)
    return headers


def rule_of(chain: ProvenChain, block: Block) -> str:
    with pytest.raises(RuleViolation) as caught:
        extend(chain, block, AnyFake(), now_ms=1 << 60)
    return caught.value.rule


def activation(height: int, model: ModelEntry = NEW, omega: int = ONE, share: int = 0) -> Scheduled:
    puzzle = Puzzle.of(PARAMS.puzzle)
    return Scheduled(height, Activation(Entry(model, omega, puzzle), share))


def test_a_new_model_is_mined_from_its_height_on_and_the_old_beside_it() -> None:
    start = begun(activation(3), Scheduled(5, Settlement(NEW)))
    chain, blocks = grown(start, [OLD, OLD])
    with pytest.raises(RuleViolation):
        mined(grown(start, [OLD])[0], NEW)
    chain, more = grown(chain, [NEW, OLD, NEW])
    assert [block.header.pre.model_id for block in more] == [
        NEW.model_id,
        OLD.model_id,
        NEW.model_id,
    ]
    targets = [block.header.pre.target_value for block in more]
    assert targets[1] == (PARAMS.difficulty.max_target * (ONE // 4)) >> 16
    assert targets[0] == targets[2] == PARAMS.difficulty.max_target
    assert chain.context.schedule == ()
    # The trial is over: the old model is no tier's.
    assert [len(tier.previous) for tier in chain.context.registry.tiers] == [0]

    headers = as_headers(start, [*blocks, *more])
    assert headers.registry == chain.context.registry
    assert (headers.tip_id, headers.weight) == (chain.context.tip_id, chain.context.weight)


def test_what_a_header_may_not_say() -> None:
    start = begun(activation(2))
    chain, _ = grown(start, [OLD])
    block = mined(chain, NEW)
    pre = block.header.pre

    def with_pre(**fields: object) -> Block:
        return replace(block, header=replace(block.header, pre=replace(pre, **fields)))  # type: ignore[arg-type]

    # The old model at the new one's target, and the other way round.
    assert rule_of(chain, with_pre(model_id=OLD.model_id)) == "TargetViolation"
    quarter = (pre.target_value // 4).to_bytes(64, "big")
    assert rule_of(chain, with_pre(target=quarter)) == "TargetViolation"
    assert rule_of(chain, with_pre(model_id=ModelId(bytes([7]) * 64))) == "ModelViolation"
    assert rule_of(chain, with_pre(bank_root=bytes(64))) == "BankViolation"
    assert rule_of(chain, with_pre(tier=1)) == "TierViolation"


def test_a_reversal_gives_the_old_model_its_whole_target_again() -> None:
    start = begun(activation(2), Scheduled(3, Reversal(NEW, new_tier=False)))
    chain, blocks = grown(start, [OLD, NEW, OLD])
    assert blocks[-1].header.pre.target_value == PARAMS.difficulty.max_target
    with pytest.raises(RuleViolation):
        mined(chain, NEW)


def test_a_new_tier_is_counted_from_nothing_and_a_removed_one_forgotten() -> None:
    params = replace(PARAMS, difficulty=replace(PARAMS.difficulty, retargets=True))
    start = ProvenChain.genesis(params)
    schedule = (
        activation(2, TIER_1, 2 * ONE, share=ONE // 4),
        Scheduled(4, Reversal(TIER_1, new_tier=True)),
    )
    context = replace(start.context, schedule=schedule)
    headers: HeaderChain = context
    plain = mined(ProvenChain.genesis(PARAMS), OLD).header
    for height in (1, 2, 3, 4):
        # Nobody checks these: what is asked is what the chain makes of their tiers.
        pre = replace(plain.pre, height=height, parent=headers.tip_id)
        headers = headers.extended_by_header(replace(plain, pre=pre))
        # Those that the next block may be of.
        ids = [tally.tier for tally in headers.tiers.tallies]
        assert ids == ([0, 1] if height in (1, 2) else [0])
    assert headers.tiers.tallies == (TierTally(0, ONE, 4),)


def test_a_ticket_has_the_shape_of_its_own_model() -> None:
    entry = Entry(NEW, ONE, SHORT)
    start = begun(Scheduled(2, Activation(entry, 0)))
    chain, _ = grown(start, [OLD])
    block = mined(chain, NEW, SHORT)
    seen = AnyFake()
    after = extend(chain, block, seen, now_ms=1 << 60)
    assert seen.seen == [NEW.model_id]
    answered = len(block.body.outputs.answers[0].tokens)
    assert after.context.tip_work.proven_tokens == 52 + answered
    # A ticket of the old shape is none of the new model's.
    assert rule_of(chain, mined(chain, NEW)) == "IndexViolation"


def test_the_horizon_moves_with_execution_alone() -> None:
    start = begun()
    reach = PARAMS.governance.horizon
    assert start.context.horizon == reach
    chain, blocks = grown(start, [OLD, OLD])
    assert chain.context.horizon == 2 + reach
    assert as_headers(start, blocks).horizon == reach


def test_what_acts_within_the_horizon_cannot_be_confirmed_any_more() -> None:
    chain, _ = grown(begun(), [OLD, OLD])
    reach = PARAMS.governance.horizon
    with pytest.raises(ValueError, match=f"an act of height {1 + reach}, must be at least"):
        chain.context.executed((activation(1 + reach),))
    told = chain.context.executed((activation(2 + reach),))
    assert told.schedule == (activation(2 + reach),)


def test_a_branch_is_told_what_its_executed_part_confirmed() -> None:
    start = begun()
    _, blocks = grown(start, [OLD, OLD, OLD])
    branch = as_headers(start, blocks)
    # The second block confirmed a model for the fourth, and one for later.
    confirmed = (activation(4), Scheduled(9, Settlement(NEW)))
    second, _ = grown(start, [OLD, OLD])
    executed = replace(second.context, schedule=confirmed)
    told = branch.told(executed)
    assert told.horizon == executed.horizon == 2 + PARAMS.governance.horizon
    assert [entry.model for entry in told.registry.tier(0).entries] == [NEW, OLD]
    assert told.schedule == confirmed
    assert (told.tip_id, told.tip_tiers, told.weight) == (
        branch.tip_id,
        branch.tip_tiers,
        branch.weight,
    )
    # Whoever knows more already is told nothing.
    assert told.told(start.context) is told
    assert told.told(executed) is told


def test_a_top_at_its_horizon_counts_a_new_tier_from_nothing_and_forgets_one_that_goes() -> None:
    """Tallies are matched to the tiers of a height when it is asked for, and not before."""
    params = replace(PARAMS, difficulty=replace(PARAMS.difficulty, retargets=True))
    start = ProvenChain.genesis(params).context
    plain = mined(ProvenChain.genesis(PARAMS), OLD).header
    coming, going = activation(4, TIER_1, ONE, share=ONE // 4), Reversal(TIER_1, new_tier=True)
    for executed, ids in (
        (replace(start, schedule=(coming,), executed_height=1), [0, 1]),
        (replace(start, schedule=(coming, Scheduled(4, going)), executed_height=1), [0]),
    ):
        untold: HeaderChain = start
        whole: HeaderChain = executed
        for height in (1, 2, 3):
            header = replace(plain, pre=replace(plain.pre, height=height, parent=untold.tip_id))
            untold, whole = untold.extended_by_header(header), whole.extended_by_header(header)
        told = untold.told(executed)
        assert told == whole
        assert [tally.tier for tally in told.tiers.tallies] == ids
