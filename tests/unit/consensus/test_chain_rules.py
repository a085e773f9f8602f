"""Every rule of a block, broken one at a time, and its typed reason."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from esper.consensus import execution
from esper.consensus.batch import batch_inputs, draw_indices
from esper.consensus.block import Block, Coinbase, calls_root, result_root, transaction_root
from esper.consensus.block_isolation import check_block_in_isolation, read_body
from esper.consensus.chain import (
    BlockBytes,
    ProvenChain,
    check_proven,
    connect,
    extend,
    read_block,
)
from esper.consensus.header import work_seed
from esper.consensus.header_isolation import read_header
from esper.consensus.ticket import batch_result, wins
from esper.consensus.work_rules import check_work
from esper.crypto.vrf import VrfKey
from esper.dao.omega import reference_work, work_done
from esper.dao.registry import TierRegistry
from esper.node.offline.tamper import forgeries
from esper.primitives.address import Address
from esper.primitives.errors import (
    block_errors,
    call_errors,
    header_errors,
    transaction_errors,
    work_errors,
)
from esper.primitives.errors.block_errors import SupplyViolation
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence, RuleViolation, Scope
from esper.primitives.ids import ModelId
from esper.primitives.networks import DEVNET, REGTEST
from esper.primitives.units import FIXED_POINT_ONE
from esper.primitives.work_outputs import Candidate, ProvenAnswer
from esper.vm.records import PendingReward
from tests.support.fake_work import (
    FakeInference,
    FakeProver,
    FakeVerifier,
    fake_network,
    prompt_source,
)
from tests.support.plain_miner import Miner, standing
from tests.support.vm_world import pending_reward

PARAMS = fake_network()
PAYEE = Address(1, bytes(range(32))).to_bytes()
VERIFIER = FakeVerifier(PARAMS.model)
TICKET = (PARAMS.puzzle, PARAMS.model)
START = PARAMS.genesis_time_ms


def mine(chain: ProvenChain, params: Any = PARAMS, now: int | None = None) -> Block:
    miner = Miner(
        params,
        inference=FakeInference(params.model),
        prover=FakeProver(),
        bank=prompt_source(params),
        payee=PAYEE,
        vrf_secret=bytes(32),
    )
    time_ms = START + 10_000 * (chain.context.height + 1) if now is None else now
    return miner.mine(chain.context, chain.state, lambda: time_ms).block


@pytest.fixture(scope="module")
def parent() -> ProvenChain:
    chain = ProvenChain.genesis(PARAMS)
    for _ in range(3):
        block = mine(chain)
        chain = extend(chain, block, VERIFIER, now_ms=block.header.pre.time_ms)
    return chain


@pytest.fixture(scope="module")
def block(parent: ProvenChain) -> Block:
    """One whose first answer has several tokens, and can be cut."""
    start = START + 10_000 * (parent.context.height + 1)
    mined = (mine(parent, now=start + late) for late in range(64))
    return next(one for one in mined if len(first(one).tokens) > 1)


def refusal(block: Block, parent: ProvenChain, **now: int) -> RuleViolation:
    """The violation of a block that must not extend its parent."""
    with pytest.raises(RuleViolation) as raised:
        extend(parent, block, VERIFIER, now_ms=now.get("now_ms", block.header.pre.time_ms))
    return raised.value


def with_pre(block: Block, **changes: Any) -> Block:
    return replace(block, header=replace(block.header, pre=replace(block.header.pre, **changes)))


def with_header(block: Block, **changes: Any) -> Block:
    return replace(block, header=replace(block.header, **changes))


def with_transactions(block: Block, *transactions: bytes) -> Block:
    body = replace(block.body, transactions=transactions)
    return replace(with_pre(block, tx_root=transaction_root(transactions)), body=body)


def coinbase(block: Block, **changes: Any) -> bytes:
    made = Coinbase(0, block.header.pre.height, PAYEE, 45 * 10**8)
    return replace(made, **changes).to_bytes()


def test_the_honest_twin_is_accepted(parent: ProvenChain, block: Block) -> None:
    chain = extend(parent, block, VERIFIER, now_ms=block.header.pre.time_ms)
    assert chain.context.height == 4
    assert chain.context.tip_id == block.header.block_id
    # One ticket, for all of them win here.
    assert chain.context.weight == parent.context.weight + FIXED_POINT_ONE


HEADER_CASES: list[tuple[str, Callable[[Block], Block]]] = [
    ("HeaderVersionViolation", lambda b: with_pre(b, version=2)),
    ("NetworkViolation", lambda b: with_pre(b, genesis_hash=bytes(64))),
    ("PayeeViolation", lambda b: with_pre(b, payee=bytes(33))),
    ("ResultRangeViolation", lambda b: with_header(b, result=b"\xff" * 64)),
    ("VrfIndexViolation", lambda b: with_pre(b, vrf_index=256)),
    ("VrfIndexViolation", lambda b: with_pre(b, vrf_index=5)),
    ("VrfPathViolation", lambda b: with_pre(b, vrf_index=3)),
    ("VrfPathViolation", lambda b: with_pre(b, vrf_root=bytes(64))),
    ("UnknownParentViolation", lambda b: with_pre(b, parent=bytes(64))),
    ("TimeOldViolation", lambda b: with_pre(b, time_ms=START + 10_000)),
    ("TierViolation", lambda b: with_pre(b, tier=1)),
    ("ModelViolation", lambda b: with_pre(b, model_id=bytes(64))),
    ("TargetViolation", lambda b: with_pre(b, target=b"\x7f" + b"\xff" * 63)),
    ("BankViolation", lambda b: with_pre(b, bank_root=bytes(64))),
    ("OmegaViolation", lambda b: with_pre(b, omega=65537)),
    (
        "VrfOutputViolation",
        lambda b: with_header(b, vrf_proof=replace(b.header.vrf_proof, output=bytes(64))),
    ),
]


@pytest.mark.parametrize(("rule", "change"), HEADER_CASES)
def test_header_rules(
    rule: str, change: Callable[[Block], Block], parent: ProvenChain, block: Block
) -> None:
    assert refusal(change(block), parent).rule == rule


def test_height(parent: ProvenChain, block: Block) -> None:
    # A header for height 5 with a sound VRF, on a parent at height 3.
    key = VrfKey(bytes(32), start=0, depth=PARAMS.limits.vrf_depth, payee=PAYEE)
    jumped = with_header(
        with_pre(block, height=5, vrf_index=5), vrf_proof=key.prove(5, parent.context.tip_work_id)
    )
    jumped = with_transactions(jumped, coinbase(jumped))
    violation = refusal(jumped, parent)
    assert violation.rule == "HeightViolation"
    assert str(violation) == "height 5, must be 4"


def test_future_blocks_wait_and_do_not_offend(parent: ProvenChain, block: Block) -> None:
    limit = PARAMS.difficulty.future_limit_ms
    time_ms = block.header.pre.time_ms
    extend(parent, block, VERIFIER, now_ms=time_ms - limit)
    violation = refusal(block, parent, now_ms=time_ms - limit - 1)
    assert violation.rule == "TimeFutureViolation"
    assert consequence_of(violation, Stage.HEADER) is Consequence.RETRY


def test_a_header_beyond_the_horizon_waits_and_does_not_offend(
    parent: ProvenChain, block: Block
) -> None:
    height = block.header.pre.height
    reach = parent.context.params.governance.horizon
    known = replace(parent, context=replace(parent.context, executed_height=height - reach))
    extend(known, block, VERIFIER, now_ms=block.header.pre.time_ms)
    unknown = replace(parent, context=replace(parent.context, executed_height=height - 1 - reach))
    violation = refusal(block, unknown)
    assert violation.rule == "HorizonViolation"
    assert consequence_of(violation, Stage.HEADER) is Consequence.RETRY


def test_execution_looks_again_at_what_a_header_is_mined_with(
    parent: ProvenChain, block: Block
) -> None:
    content = check_proven(parent.context, block, VERIFIER, now_ms=block.header.pre.time_ms)
    connect(parent.context, parent.state, block, content, VERIFIER)
    tier = parent.context.registry.tiers[0]
    for field, rule in (("omega", "TargetViolation"), ("model", "ModelViolation")):
        other = replace(tier.model, model_id=ModelId(bytes(64))) if field == "model" else 7 << 16
        registry = TierRegistry((replace(tier, **{field: other}),))  # type: ignore[arg-type]
        difficulty = replace(parent.context.params.difficulty, max_target=1 << 500)
        params = replace(parent.context.params, difficulty=difficulty)
        executed = replace(parent.context, tip_registry=registry, params=params)
        with pytest.raises(RuleViolation) as caught:
            connect(executed, parent.state, block, content, VERIFIER)
        assert caught.value.rule == rule


def test_times_follow_the_median_not_the_parent(parent: ProvenChain) -> None:
    # Median of START, +10 s, +20 s, +30 s (the upper one of the middle) is +20 s.
    early = mine(parent, now=START + 20_001)
    assert extend(parent, early, VERIFIER, now_ms=START + 30_000).context.height == 4
    clamped = mine(parent, now=START)
    assert clamped.header.pre.time_ms == START + 20_001


def resulting(block: Block, **changes: Any) -> Block:
    return replace(block, body=replace(block.body, **changes))


BLOCK_CASES: list[tuple[str, Callable[[Block], Block]]] = [
    ("SizeViolation", lambda b: replace(b, proof=bytes(PARAMS.limits.proof_bytes + 1))),
    ("OutputsHashViolation", lambda b: with_header(b, outputs_hash=bytes(64))),
    ("ProofHashViolation", lambda b: replace(b, proof=b.proof + b"\0")),
    ("TransactionRootViolation", lambda b: resulting(b, transactions=())),
    ("ResultRootViolation", lambda b: resulting(b, results=(b"x",))),
    ("CallsRootViolation", lambda b: resulting(b, call_groups=(b"x",))),
    (
        "ResultCountViolation",
        lambda b: with_pre(resulting(b, results=(b"x",)), result_root=result_root((b"x",))),
    ),
    (
        "GroupEncodingViolation",
        lambda b: with_pre(resulting(b, call_groups=(b"x",)), calls_root=calls_root((b"x",))),
    ),
    (
        "SizeViolation",
        lambda b: with_transactions(b, bytes(PARAMS.limits.transaction_bytes + 1)),
    ),
    ("TransactionEncodingViolation", lambda b: with_transactions(b, b"junk")),
    ("TransactionEncodingViolation", lambda b: with_transactions(b, coinbase(b) + b"\0")),
    ("TransactionTypeViolation", lambda b: with_transactions(b, b"\x92\x01\x0c", coinbase(b))),
    ("CoinbaseViolation", lambda b: with_transactions(b)),
    (
        "CoinbaseViolation",
        lambda b: with_transactions(b, coinbase(b, amount=1), coinbase(b)),
    ),
    ("CoinbaseViolation", lambda b: with_transactions(b, coinbase(b, height=9))),
    ("CoinbaseViolation", lambda b: with_transactions(b, coinbase(b, payee=b"\1" + bytes(32)))),
]


@pytest.mark.parametrize(("rule", "change"), BLOCK_CASES)
def test_block_rules(rule: str, change: Callable[[Block], Block], block: Block) -> None:
    # Most of these change the work as well, which is judged before the lists.
    with pytest.raises(RuleViolation) as raised:
        check_block_in_isolation(change(block), PARAMS.limits)
    assert raised.value.rule == rule


BODY_CASES: list[tuple[str, Callable[[Block], Block]]] = [
    ("RewardViolation", lambda b: with_transactions(b, coinbase(b, amount=45 * 10**8 + 1))),
    ("RewardViolation", lambda b: with_transactions(b, coinbase(b, amount=45 * 10**8 - 1))),
    ("StateRootViolation", lambda b: with_pre(b, state_root=bytes(32))),
]


@pytest.mark.parametrize(("rule", "change"), BODY_CASES)
def test_body_rules(
    rule: str, change: Callable[[Block], Block], parent: ProvenChain, block: Block
) -> None:
    # Each of these changes the work as well, so the body is judged by itself.
    changed = change(block)
    content = check_block_in_isolation(changed, PARAMS.limits)
    with pytest.raises(RuleViolation) as raised:
        connect(parent.context, parent.state, changed, content, VERIFIER)
    assert raised.value.rule == rule


def test_encodings_and_sizes_of_the_wire(block: Block) -> None:
    data = BlockBytes.of(block)
    limits = PARAMS.limits
    with pytest.raises(header_errors.HeaderEncodingViolation, match="left over"):
        read_header(data.header + b"\0", limits)
    with pytest.raises(header_errors.HeaderEncodingViolation, match="at most 4096"):
        read_header(bytes(4097), limits)
    with pytest.raises(block_errors.BodyEncodingViolation, match="left over"):
        read_body(data.body + b"\0", limits)
    with pytest.raises(block_errors.SizeViolation, match="body of 1048577 bytes"):
        read_body(bytes(limits.body_bytes + 1), limits)


def with_outputs(block: Block, **changes: Any) -> Block:
    outputs = replace(block.body.outputs, **changes)
    return with_header(resulting(block, outputs=outputs), outputs_hash=outputs.hash)


def with_answer(block: Block, answer: ProvenAnswer) -> Block:
    return with_outputs(block, answers=(answer, block.body.outputs.answers[1]))


def with_opening(block: Block, **changes: Any) -> Block:
    openings = block.body.outputs.openings
    return with_outputs(block, openings=(replace(openings[0], **changes), openings[1]))


def first(block: Block) -> ProvenAnswer:
    return block.body.outputs.answers[0]


def with_prompt(block: Block, **changes: Any) -> Block:
    prompt = replace(block.body.outputs.openings[0].prompt, **changes)
    return with_opening(block, prompt=prompt)


def with_top(block: Block, *candidates: Candidate) -> Block:
    answer = first(block)
    return with_answer(block, replace(answer, top=(candidates, *answer.top[1:])))


def top(block: Block) -> tuple[Candidate, ...]:
    return first(block).top[0]


def cut(answer: ProvenAnswer, length: int) -> ProvenAnswer:
    return ProvenAnswer(answer.tokens[:length], answer.top[:length])


WORK_CASES: list[tuple[str, str, Callable[[Block], Block]]] = [
    ("IndexViolation", "the seed draws", lambda b: with_opening(b, index=0)),
    ("IndexViolation", "", lambda b: with_outputs(b, openings=b.body.outputs.openings[:1])),
    ("IndexViolation", "", lambda b: with_outputs(b, openings=b.body.outputs.openings[::-1])),
    ("OpeningViolation", "tokenizer", lambda b: with_prompt(b, tokenizer_id=bytes(64))),
    ("OpeningViolation", "vocabulary", lambda b: with_prompt(b, tokens=(1024,), mask_spans=())),
    ("OpeningViolation", "bank root", lambda b: with_prompt(b, json_hash=bytes(64))),
    ("OpeningViolation", "bank root", lambda b: with_opening(b, path=())),
    ("AnswerShapeViolation", "one of 1", lambda b: with_outputs(b, answers=(first(b),))),
    ("AnswerShapeViolation", "1 to 16", lambda b: with_answer(b, ProvenAnswer((), ()))),
    ("AnswerShapeViolation", "1 to 16", lambda b: with_answer(b, ProvenAnswer((5,) * 17, ()))),
    ("AnswerShapeViolation", "without EOS", lambda b: with_answer(b, cut(first(b), 1))),
    (
        "AnswerShapeViolation",
        "after EOS at 0",
        lambda b: with_answer(b, replace(first(b), tokens=(2, *first(b).tokens[1:]))),
    ),
    (
        "AnswerShapeViolation",
        "top lists",
        lambda b: with_answer(b, replace(first(b), top=first(b).top[:-1])),
    ),
    ("TopListViolation", "3 entries", lambda b: with_top(b, *top(b)[:3])),
    (
        "TopListViolation",
        "outside the vocabulary",
        lambda b: with_top(b, *top(b)[:3], Candidate(1024, -(10**6))),
    ),
    ("TopListViolation", "sorted", lambda b: with_top(b, top(b)[0], *top(b)[:0:-1])),
    (
        "TopListViolation",
        "repeats",
        lambda b: with_top(b, *top(b)[:3], Candidate(top(b)[1].token, -(10**6))),
    ),
    (
        "TopListViolation",
        "begins with",
        lambda b: with_top(b, *[Candidate(t, 5) for t in range(900, 904)]),
    ),
    (
        "DigestViolation",
        "",
        lambda b: with_top(b, *top(b)[:3], Candidate(top(b)[3].token, -(10**6))),
    ),
    ("DigestViolation", "", lambda b: with_header(b, result=bytes(64))),
]


@pytest.mark.parametrize(("rule", "reason", "change"), WORK_CASES)
def test_work_rules(
    rule: str,
    reason: str,
    change: Callable[[Block], Block],
    parent: ProvenChain,
    block: Block,
) -> None:
    violation = refusal(change(block), parent)
    assert violation.rule == rule
    assert reason in str(violation)
    assert violation.scope is Scope.BODY


def test_equal_logits_are_ordered_by_id(parent: ProvenChain, block: Block) -> None:
    best = top(block)[0]
    tied = [Candidate(best.token + i, best.logit) for i in range(4)]
    assert refusal(with_top(block, *tied), parent).rule == "DigestViolation"
    swapped = [tied[0], tied[2], tied[1], tied[3]]
    assert refusal(with_top(block, *swapped), parent).rule == "TopListViolation"


def test_a_prompt_that_leaves_too_little_salt(block: Block) -> None:
    tight = replace(PARAMS, puzzle=replace(PARAMS.puzzle, input_tokens=15))
    with pytest.raises(work_errors.InputLengthViolation, match="at most 1 leave"):
        check_work(
            block.header, block.body.outputs, block.proof, tight.puzzle, tight.model, VERIFIER
        )


def honest_work(block: Block, **changes: Any) -> Block:
    """The block with a changed pre-header and the answers that its new seed asks for."""
    block = with_pre(block, **changes)
    puzzle, model, source = PARAMS.puzzle, PARAMS.model, prompt_source(PARAMS)
    seed = work_seed(block.header.work_id)
    indices = draw_indices(seed, model.bank_size, puzzle.sequences)
    openings = source.openings(indices)
    inputs = batch_inputs(seed, [opening.prompt for opening in openings], puzzle, model)
    answers = FakeInference(model).answer(inputs, puzzle.max_answer, puzzle.top_k)
    result = batch_result(seed, model.model_id, puzzle, indices, inputs, answers)
    return with_header(with_outputs(block, openings=openings, answers=answers), result=result)


def _wins(block: Block) -> bool:
    work = work_done([len(one.tokens) for one in block.body.outputs.answers], *TICKET)
    header = block.header
    return wins(header.result_value, header.pre.target_value, work, reference_work(*TICKET))


def test_a_losing_ticket(block: Block) -> None:
    lost = honest_work(block, target=bytes(63) + b"\1")
    with pytest.raises(work_errors.TicketViolation, match="must be below target 1 x work"):
        check_work(
            lost.header, lost.body.outputs, lost.proof, PARAMS.puzzle, PARAMS.model, VERIFIER
        )
    # The same with an easy target goes on to the proof, which was made for another seed.
    tries = (honest_work(block, target=b"\xff" * 63 + bytes([last])) for last in range(64))
    won = next(one for one in tries if _wins(one))
    with pytest.raises(work_errors.ProofViolation):
        check_work(won.header, won.body.outputs, won.proof, PARAMS.puzzle, PARAMS.model, VERIFIER)


def test_proof_rules(parent: ProvenChain, block: Block) -> None:
    by_change = {f.change: refusal(f.block, parent) for f in forgeries(block, parent)}
    assert by_change["one bit flipped, proof hash repaired"].rule == "ProofViolation"
    appended = by_change["one byte appended, proof hash repaired"]
    assert appended.rule == "ProofEncodingViolation"
    assert appended.scope is Scope.ISOLATION


def test_every_forgery_is_refused_for_its_reason(parent: ProvenChain, block: Block) -> None:
    rules = [(f.part, refusal(f.block, parent).rule) for f in forgeries(block, parent)]
    assert rules == [
        ("header", "IndexViolation"),
        ("header", "TargetViolation"),
        ("payee", "VrfPathViolation"),
        ("payee", "IndexViolation"),
        ("answers", "OutputsHashViolation"),
        ("answers", "DigestViolation"),
        ("answers", "ProofViolation"),
        ("proof", "ProofHashViolation"),
        ("proof", "ProofViolation"),
        ("proof", "ProofEncodingViolation"),
    ]


def test_rewards_mature_and_supply_adds_up() -> None:
    chain = ProvenChain.genesis(PARAMS)
    for height in range(1, 9):
        block = mine(chain)
        chain = extend(chain, block, VERIFIER, now_ms=block.header.pre.time_ms)
        matured = max(0, height - PARAMS.reward.maturity)
        assert chain.state.account(PAYEE).balance == matured * 45 * 10**8
        assert chain.state.chain.issued == height * 45 * 10**8
        pending = [h for h in range(1, 20) if pending_reward(chain.state, h) is not None]
        assert pending == list(range(matured + 1, height + 1))


def test_the_beacon_lags_by_one_block(parent: ProvenChain) -> None:
    left, right = (mine(parent, now=START + 40_000 + n) for n in (0, 1))
    assert left.header.result != right.header.result
    chains = [extend(parent, b, VERIFIER, now_ms=START + 50_000) for b in (left, right)]
    # Neither has folded its own r in yet; their children do.
    assert chains[0].state.root == chains[1].state.root
    children = [mine(chain) for chain in chains]
    assert children[0].header.pre.state_root != children[1].header.pre.state_root
    proven = extend(chains[0], children[0], VERIFIER, now_ms=START + 90_000).state.chain
    answered = sum(len(answer.tokens) for answer in left.body.outputs.answers)
    assert (proven.paid_tokens, proven.proven_tokens) == (0, 2 * 49 + answered)


def test_supply_check_finds_coins_from_nowhere(
    parent: ProvenChain, block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fault that writes one unit more than the rule gives.
    monkeypatch.setattr(
        execution, "PendingReward", lambda payee, amount: PendingReward(payee, amount + 1)
    )
    with pytest.raises(SupplyViolation, match="hold 18000000001 units, 18000000000 were issued"):
        extend(parent, block, VERIFIER, now_ms=block.header.pre.time_ms)


def test_devnet_mines_to_its_target() -> None:
    params = fake_network(
        replace(
            DEVNET,
            difficulty=replace(DEVNET.difficulty, genesis_target=(1 << 512) >> 4),
            limits=REGTEST.limits,
        )
    )
    chain, verifier = ProvenChain.genesis(params), FakeVerifier(params.model)
    attempts = []
    miner = Miner(
        params,
        inference=FakeInference(params.model),
        prover=FakeProver(),
        bank=prompt_source(params),
        payee=PAYEE,
        vrf_secret=bytes(32),
        attempts_per_call=3,
    )
    for height in range(1, 5):
        found = miner.mine(chain.context, chain.state, standing(START + 10_000 * height))
        chain = extend(chain, found.block, verifier, now_ms=START + 10_000 * height)
        attempts.append(found.attempts)
        assert found.attempts == found.block.header.pre.nonce + 1
    assert max(attempts) > 3
    # floor(65,536 x 2^512 / (2^508 + 1)), one part less than 16 tickets a block, on schedule.
    assert chain.context.weight == 4 * (16 * FIXED_POINT_ONE - 1)


def test_a_vrf_key_ends_and_the_next_begins() -> None:
    params = replace(PARAMS, limits=replace(PARAMS.limits, vrf_depth=1))
    chain = ProvenChain.genesis(params)
    roots = []
    for _ in range(5):
        block = mine(chain, params)
        chain = extend(chain, block, VERIFIER, now_ms=block.header.pre.time_ms)
        roots.append((block.header.pre.vrf_root, block.header.pre.vrf_index))
    assert [index for _, index in roots] == [1, 0, 1, 0, 1]
    assert len({root for root, _ in roots}) == 3


def test_every_rule_is_told_apart_by_class() -> None:
    rules = {
        value
        for module in (header_errors, work_errors, block_errors, transaction_errors, call_errors)
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, RuleViolation)
        and "template" in vars(value)
    }
    assert len(rules) == 88
    assert all(rule.scope in Scope and rule.__doc__ for rule in rules)


def test_violations_survive_pickling() -> None:
    violation = header_errors.HeightViolation(got=3, expected=4)
    again = pickle.loads(pickle.dumps(violation))
    assert (again.rule, again.got, again.expected) == ("HeightViolation", 3, 4)


def test_unreadable_parts_are_refused_before_anything_else(block: Block) -> None:
    data = BlockBytes.of(block)
    with pytest.raises(header_errors.HeaderEncodingViolation):
        read_block(replace(data, header=b""), PARAMS.limits)
