"""Blocks of any transactions on any parent, sound ones and spoiled ones, with fake work.

A spoiled block is proven like any other and breaks one rule that only its execution brings to
light; so do all blocks built on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from esper.consensus.batch import batch_inputs, draw_indices
from esper.consensus.block import (
    KIND_COINBASE,
    Block,
    Coinbase,
    calls_root,
    result_root,
    transaction_root,
)
from esper.consensus.call_groups import CallGroup, encode_result
from esper.consensus.chain import BlockBytes, ProvenChain
from esper.consensus.execution import BlockExecution, execute_block
from esper.consensus.header import work_id, work_seed
from esper.consensus.ports import WorkClaim
from esper.consensus.template import Template, build_template, finished_block
from esper.consensus.ticket import batch_result, wins
from esper.crypto.vrf import VrfKey
from esper.dao.omega import reference_work, work_done
from esper.node.workers.call_answerer import AnsweredCall, CallAnswerer, OpenCall
from esper.primitives.errors.block_errors import (
    RejectedTransactionViolation,
    RewardViolation,
    StateRootViolation,
)
from esper.primitives.ids import BlockId, Txid
from esper.primitives.networks import REGTEST
from esper.primitives.work_outputs import WorkOutputs
from esper.vm.context import Answer
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.vote import Vote
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.support.fake_work import FakeInference, FakeProver, fake_network, prompt_source
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER, Unchecked, address, make, sign

KEYS = {"alice": ALICE, "bob": BOB, "carol": CAROL, "miner": MINER}

# Everything that falls due does so within the depth of the changes of chain that are tried.
PARAMS = fake_network(
    replace(
        REGTEST,
        reward=replace(
            REGTEST.reward,
            genesis_allocation=((address(ALICE), 9 * COIN), (address(BOB), 9 * COIN)),
            maturity=2,
            unbonding=3,
            halving_blocks=8,
        ),
        credits=replace(
            REGTEST.credits, epoch_blocks=4, minimum_stake=COIN, rate_per_staked_unit=1 << 30
        ),
        calls=replace(
            REGTEST.calls, groups_per_block=16, lane_expiry_blocks=3, lane_lapses_per_block=2
        ),
        governance=replace(REGTEST.governance, vote_window=8, vote_tail=2),
        # Whole histories are taken back, down to the genesis block.
        limits=replace(REGTEST.limits, undo_depth=200),
    )
)
INFERENCE = FakeInference(PARAMS.model)
ANSWERER = CallAnswerer(
    INFERENCE,
    FakeProver(),
    PARAMS.calls,
    genesis_hash=ProvenChain.genesis(PARAMS).context.genesis_hash,
)
VRF_KEYS = {
    name: VrfKey(bytes(32), start=0, depth=PARAMS.limits.vrf_depth, payee=address(key))
    for name, key in KEYS.items()
}
SPOILS = {
    "transaction": RejectedTransactionViolation,
    "reward": RewardViolation,
    "root": StateRootViolation,
}
"""Ways to spoil a block, and the rule that finds out."""

Action = tuple[Any, ...]
"""What somebody wants: kind, name of the sender, details. See ``_payload``."""


@dataclass(frozen=True, eq=False)
class Made:
    """A block that was made, and the chain up to it."""

    block_id: BlockId
    """64 bytes."""
    parent: Made | None
    """What it builds on; None for the genesis block."""
    data: BlockBytes
    """Its bytes."""
    chain: ProvenChain
    """Context and state with it on top; the state of a spoiled block is its parent's."""
    calls: tuple[tuple[bytes, LlmCall], ...]
    """Calls that were ever left open up to it, the newest first."""
    spoiled: bool
    """Whether it breaks a rule by itself."""
    broken: type[Exception] | None
    """The rule that it or the nearest of its ancestors breaks."""

    @property
    def height(self) -> int:
        return self.chain.context.height

    def ancestor(self, height: int) -> Made:
        found = self
        while found.height > height:
            assert found.parent is not None
            found = found.parent
        return found

    @property
    def branch(self) -> list[Made]:
        """From the block after genesis up to this one."""
        return [self.ancestor(height) for height in range(1, self.height + 1)]


@dataclass
class _Draft:
    """What goes into a block."""

    transactions: list[Transaction]
    answers: list[Answer | None]
    groups: list[CallGroup]
    calls: list[tuple[bytes, LlmCall]]
    refused: list[tuple[Transaction, bool]]
    """Transactions that the rules do not allow behind the others, and whether each is a call."""


class Workshop:
    """Makes blocks; no two are alike."""

    def __init__(self, *, real_signatures: bool) -> None:
        self._real = real_signatures
        self._made = 0
        chain = ProvenChain.genesis(PARAMS)
        nothing = BlockBytes(b"", b"", b"")
        self.genesis = Made(chain.context.tip_id, None, nothing, chain, (), False, None)

    def block(
        self, parent: Made, actions: list[Action], *, payee: str = "miner", spoil: str | None = None
    ) -> Made:
        """A block of those actions that the rules allow; spoiled, of one more or of a lie."""
        self._made += 1
        chain = parent.chain
        draft = self._draft(parent, actions, payee)
        execution = self._executed(chain, draft, payee)
        reward = execution.reward
        spare = self._spare(parent, payee, draft) if spoil == "transaction" else []
        answers = draft.answers + [None for _, is_call in spare if is_call]
        coinbase = Coinbase(
            KIND_COINBASE, chain.context.height + 1, _at(payee), reward + (spoil == "reward")
        )
        transactions = (
            *(one.to_bytes() for one in draft.transactions),
            *(one.to_bytes() for one, _ in spare),
            coinbase.to_bytes(),
        )
        results = tuple(map(encode_result, answers))
        groups = tuple(group.to_bytes() for group in draft.groups)
        root = chain.state.root_after(execution.changes)
        now_ms = PARAMS.genesis_time_ms + 1000 * (chain.context.height + 1) + self._made
        empty = build_template(
            chain.context, chain.state, _at(payee), VRF_KEYS[payee], time_ms=now_ms
        )
        pre = replace(
            empty.pre,
            tx_root=transaction_root(transactions),
            result_root=result_root(results),
            calls_root=calls_root(groups),
            state_root=bytes(32) if spoil == "root" else root,
        )
        block = _worked(Template(pre, transactions, results, groups, empty.vrf_proof))
        context = chain.context.extended(block.header, block.body.outputs, execution.paid_tokens)
        state = chain.state if spoil else chain.state.with_changes(execution.changes)
        return Made(
            context.tip_id,
            parent,
            BlockBytes.of(block),
            ProvenChain(context, state),
            (*draft.calls, *parent.calls),
            spoil is not None,
            parent.broken or (SPOILS[spoil] if spoil else None),
        )

    def _draft(self, parent: Made, actions: list[Action], payee: str) -> _Draft:
        draft = _Draft([], [], [], [], [])
        nonces = {name: parent.chain.state.account(_at(name)).nonce for name in KEYS}
        own: list[AnsweredCall] = []
        for kind, sender, details, shift, with_key in actions:
            payload, answered = _payload(kind, details, parent.calls)
            known = _knows(parent.chain.state, draft, sender)
            one = self._signed(sender, payload, nonces[sender] + shift, with_key or not known)
            inline = payload if isinstance(payload, LlmCall) and details[-1] else None
            said = INFERENCE.answer([inline.prompt], inline.max_tokens, 1)[0] if inline else None
            more = replace(draft, transactions=[*draft.transactions, one])
            if isinstance(payload, LlmCall):
                more.answers = [*draft.answers, said.tokens if said else None]
            try:
                self._executed(parent.chain, more, payee)
            except RejectedTransactionViolation:
                draft.refused.append((one, isinstance(payload, LlmCall)))
                continue
            draft.transactions, draft.answers = more.transactions, more.answers
            nonces[sender] += 1
            if inline:
                [call] = ANSWERER.answer([OpenCall(one.txid, inline)])
                own.append(call)
            elif isinstance(payload, LlmCall):
                draft.calls.insert(0, (one.txid, payload))
            elif answered is not None:
                draft.groups.append(ANSWERER.prove_lane(answered, _at(sender)))
        step = ANSWERER.calls_per_group
        for start in range(0, len(own), step):
            draft.groups.append(ANSWERER.prove_own(own[start : start + step], _at(payee)))
        return draft

    def _executed(self, chain: ProvenChain, draft: _Draft, payee: str) -> BlockExecution:
        context = chain.context.execution_context(
            chain.state, _at(payee), tuple(draft.answers), Unchecked()
        )
        return execute_block(chain.state, chain.context.tip_work, draft.transactions, context)

    def _signed(self, sender: str, payload: Payload, nonce: int, with_key: bool) -> Transaction:
        key = KEYS[sender]
        bare = make(key, payload, max(nonce, 0), with_key=with_key)
        if self._real:
            return sign(key, bare, self.genesis.chain.context.genesis_hash)
        return replace(bare, signature=b"believed")

    def _spare(self, parent: Made, payee: str, draft: _Draft) -> list[tuple[Transaction, bool]]:
        """One transaction that the rules do not allow behind the others."""
        if draft.refused:
            # It was refused behind fewer others than there are now.
            one, is_call = draft.refused[-1]
            more = replace(draft, transactions=[*draft.transactions, one])
            more.answers = [*draft.answers, None] if is_call else draft.answers
            try:
                self._executed(parent.chain, more, payee)
            except RejectedTransactionViolation:
                return [(one, is_call)]
        state = parent.chain.state
        return [(self._signed("bob", Stake(1), state.account(_at("bob")).nonce + 9, True), False)]


def _at(name: str) -> bytes:
    return address(KEYS[name])


def _knows(state: State, draft: _Draft, sender: str) -> bool:
    from esper.vm.records import key_path

    carried = any(one.sender == _at(sender) for one in draft.transactions)
    return carried or state.get(key_path(_at(sender))) is not None


def _payload(
    kind: str, details: tuple[Any, ...], calls: tuple[tuple[bytes, LlmCall], ...]
) -> tuple[Payload, AnsweredCall | None]:
    match kind, details:
        case "transfer", outputs:
            return Transfer(tuple(Output(_at(name), amount) for name, amount in outputs)), None
        case "stake", (amount,):
            return Stake(amount), None
        case "unstake", (amount,):
            return Unstake(amount), None
        case "delegate", (receiver,):
            return Delegate(_at(receiver) if receiver else b""), None
        case "propose", (subject, body, bond):
            return Propose(subject, bond, body), None
        case "vote", (proposal, choice):
            return Vote(proposal, choice), None
        case "give", (receiver, amount):
            return CreditTransfer(_at(receiver), amount), None
        case "call", (prompt, most, price, _):
            return LlmCall(PARAMS.model.model_id, prompt, most, price), None
    # A result for one of the calls that were ever left open, answered and lapsed ones included.
    (place,) = details
    if place >= len(calls):
        return LlmResult(Txid(bytes(64)), (2,)), None
    [answered] = ANSWERER.answer([OpenCall(*calls[place])])
    return LlmResult(answered.call_id, answered.answer), answered


def _worked(template: Template) -> Block:
    """The block, with as many tries as its short answers cost."""
    puzzle, model, bank = PARAMS.puzzle, PARAMS.model, prompt_source(PARAMS)
    while True:
        seed = work_seed(work_id(template.pre))
        indices = draw_indices(seed, model.bank_size, puzzle.sequences)
        inputs = batch_inputs(seed, [bank.prompts[index] for index in indices], puzzle, model)
        answers = INFERENCE.answer(inputs, puzzle.max_answer, puzzle.top_k)
        result = batch_result(seed, model.model_id, puzzle, indices, inputs, answers)
        work = work_done([len(answer.tokens) for answer in answers], puzzle, model)
        reference = reference_work(puzzle, model)
        if wins(int.from_bytes(result, "big"), template.pre.target_value, work, reference):
            break
        template = replace(template, pre=replace(template.pre, nonce=template.pre.nonce + 1))
    most = (puzzle.max_answer,) * puzzle.sequences
    claim = WorkClaim(
        model.model_id, seed, puzzle.rows, most, puzzle.top_k, tuple(inputs), tuple(answers)
    )
    outputs = WorkOutputs(bank.openings(indices), answers)
    return finished_block(template, result, outputs, FakeProver().prove(claim))
