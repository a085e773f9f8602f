"""Receipts of calls on a chain of fake work, with the anchor that its later blocks give."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from esper.consensus.block import Body, decode_body
from esper.consensus.block_isolation import read_content
from esper.consensus.context import block_leaf
from esper.consensus.execution import execute_block
from esper.consensus.header import Header, decode_header
from esper.consensus.ports import WorkClaim
from esper.dao.descriptor import DescribedModel
from esper.dao.registry import Puzzle
from esper.primitives.ids import ModelId, Txid
from esper.primitives.mmr import Mmr, Place
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters
from esper.receipts.build import build_promise, build_proof
from esper.receipts.parts import AnswerReceipt, AskedFor, Signed
from esper.receipts.ports import NamedModel, Surroundings, Verified
from esper.receipts.promise import Promise, promise_digest, request_hash
from esper.vm.call_rows import call_rows
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.receipt import Receipt
from esper.vm.state_tree import StateProof
from esper.vm.transaction import Transaction, decode_transaction
from tests.support.block_workshop import ANSWERER, INFERENCE, PARAMS, Action, Made, Workshop
from tests.support.fake_work import TOKENIZER_ID, FakeVerifier
from tests.support.vm_world import BOB, COIN, Unchecked, address

GENESIS = Workshop(real_signatures=False).genesis.chain.context.genesis_hash
MODEL = NamedModel(PARAMS.model, Puzzle.of(PARAMS.puzzle))
PRICE = 10
REQUEST = AskedFor("completions", "esper-t0", "What\u2019s\n\U0001f600 up?", 0, ("\x7f", "\\"))


class FakeJudge(FakeVerifier):
    """The fake verifier; every fake proof describes the fake model."""

    last: Verified | None = None

    def __init__(self, model: ModelEntry = PARAMS.model) -> None:
        super().__init__(model)
        self.model = model

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        super().verify(claim, proof)
        self.last = Verified(100.0, 1.0)

    def described(self, proof: bytes) -> DescribedModel:
        one = self.model
        return DescribedModel(one.model_id, one.shape, one.bos, one.eos, 8)


class FakeTokenizer:
    """A word for each token."""

    identity = TOKENIZER_ID

    def run(self, tokens: Sequence[int]) -> str:
        return " ".join(f"w{token}" for token in tokens)

    def answer(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        return "".join(f" w{token}" for token in answer if token not in PARAMS.model.special_ids)

    def encode(self, text: str) -> Sequence[int] | None:
        return [int(word[1:]) for word in text.split(" ")]


@dataclass(frozen=True)
class Followed:
    """A chain that ends with a block."""

    tip: Made
    whose: str = "followed chain"

    def block_id(self, height: int) -> bytes | None:
        return self.tip.ancestor(height).block_id if height <= self.tip.height else None


def parts(made: Made) -> tuple[Header, Body]:
    header = decode_header(made.data.header, PARAMS.limits.header_bytes)
    return header, decode_body(made.data.body, PARAMS.limits.body_bytes)


def transactions(made: Made) -> list[Transaction]:
    return [decode_transaction(data, 1 << 20) for data in parts(made)[1].transactions[:-1]]


@dataclass
class WorkshopSource:
    """Reads a chain of the workshop, as a node would its store."""

    tip: Made
    params: NetworkParameters = PARAMS
    genesis_hash: bytes = GENESIS
    more_rows: tuple[int, ...] = field(default=())

    def answering(self, txid: Txid) -> tuple[Header, Body, bytes | None]:
        for made in self.tip.branch:
            header, body = parts(made)
            open_calls = {one for one, _ in made.calls}
            for one in transactions(made):
                answers = isinstance(one.payload, LlmResult) and one.payload.call_id == txid
                if answers or (one.txid == txid and txid not in open_calls):
                    return header, body, made.data.proof
        raise KeyError(txid)

    def call(self, txid: Txid) -> Transaction:
        return next(
            one for made in self.tip.branch for one in transactions(made) if one.txid == txid
        )

    def model(self, model_id: ModelId, height: int) -> NamedModel:
        return MODEL

    def rows(self, model_id: ModelId, height: int) -> Sequence[int]:
        return (*self.more_rows, call_rows(PARAMS.calls, PARAMS.model.shape))

    def tokenizer(self, model_id: ModelId) -> FakeTokenizer:
        return FakeTokenizer()


class WorkshopAnchor:
    """The tip of a chain as an anchor."""

    def __init__(self, tip: Made) -> None:
        self._tip = tip
        self.header = tip.data.header
        genesis = tip.ancestor(0)
        line = [genesis, *tip.branch][:-1]
        leaves = [
            block_leaf(one.block_id, one.chain.context.times_ms[-1], one.chain.context.weight)
            for one in line
        ]
        self._blocks = dict(Mmr().extended(leaves)[1])
        self._outcomes = [one for made in tip.branch for one in outcomes(made)]
        written = [one.to_bytes() for one in self._outcomes]
        self._receipts = dict(Mmr().extended(written)[1])

    def prove(self, path: bytes) -> tuple[StateProof, bytes]:
        tree = self._tip.chain.state.tree
        record = tree.get(path)
        assert record is not None
        return tree.prove(path), record

    def block_node(self, place: Place) -> bytes:
        return self._blocks[place]

    def receipt_node(self, place: Place) -> bytes:
        return self._receipts[place]

    def weight(self, height: int) -> int:
        return self._tip.ancestor(height).chain.context.weight

    def outcome(self, txid: Txid) -> tuple[int, bytes]:
        for number, one in enumerate(self._outcomes):
            if one.txid == txid:
                return number, one.to_bytes()
        raise KeyError(txid)


def outcomes(made: Made) -> tuple[Receipt, ...]:
    """What became of the transactions of a block, by executing it once more."""
    assert made.parent is not None
    header, body = parts(made)
    content = read_content(body, header.pre, PARAMS.limits)
    chain = made.parent.chain
    context = chain.context.execution_context(
        chain.state, header.pre.payee, content.answers, Unchecked()
    )
    done = execute_block(chain.state, chain.context.tip_work, content.transactions, context)
    return done.receipts


def action(kind: str, sender: str, *details: object) -> Action:
    return kind, sender, details, 0, False


def call(sender: str, prompt: tuple[int, ...], *, inline: bool = True, most: int = 6) -> Action:
    return action("call", sender, prompt, most, PRICE, inline)


@dataclass(frozen=True)
class ReceiptWorld:
    """A chain with answered calls."""

    tip: Made
    alone: Txid
    """Answered in a group of one."""
    together: tuple[Txid, ...]
    """Answered in one group."""
    lanes: tuple[Txid, ...]
    """Two that one block answers, beside a transfer."""

    @property
    def source(self) -> WorkshopSource:
        return WorkshopSource(self.tip)

    def receipt(self, txid: Txid, *, work: bool = True, anchor: bool = True) -> AnswerReceipt:
        found = WorkshopAnchor(self.tip) if anchor else None
        return build_proof(self.source, txid, FakeJudge(), with_work=work, anchor=found)

    def promised(self, txid: Txid, *, request: bool = True) -> AnswerReceipt:
        """With everything that a receipt may have."""
        plain = self.receipt(txid)
        assert plain.group is not None
        called = self.source.call(txid).payload
        assert isinstance(called, LlmCall)
        answer = plain.group.members[plain.group.position].answer
        return build_proof(
            self.source,
            txid,
            FakeJudge(),
            anchor=WorkshopAnchor(self.tip),
            instant=signed(called, answer),
            request=REQUEST if request else None,
        )


def signed(
    called: LlmCall, answer: tuple[int, ...], *, height: int = 3, genesis: bytes = GENESIS
) -> Signed:
    promise = Promise(
        genesis,
        address(BOB),
        called.model_id,
        called.prompt,
        called.max_tokens,
        answer,
        request_hash(REQUEST),
        height,
    )
    record = promise.to_bytes()
    return Signed(record, BOB.public, BOB.sign(promise_digest(record)), None)


def promise_receipt() -> AnswerReceipt:
    called = LlmCall(PARAMS.model.model_id, (1, 70, 71), 6, PRICE)
    [said] = INFERENCE.answer([called.prompt], 6, 1)
    return build_promise(
        PARAMS, GENESIS, signed(called, said.tokens), REQUEST, MODEL, FakeTokenizer()
    )


@cache
def receipt_world() -> ReceiptWorld:
    """Made once: a lane, a call alone, and some together."""
    assert ANSWERER.calls_per_group > 1
    workshop = Workshop(real_signatures=False)
    tip = workshop.genesis

    def grow(*actions: Action) -> Made:
        nonlocal tip
        tip = workshop.block(tip, list(actions))
        return tip

    grow(action("stake", "alice", 4 * COIN), action("stake", "bob", 4 * COIN))
    for _ in range(9):
        grow()
    grow(call("alice", (1, 60, 61), inline=False), call("alice", (1, 62), inline=False))
    lanes = tuple(Txid(one) for one, _ in tip.calls)
    grow(
        action("result", "bob", 0),
        action("result", "bob", 1),
        action("transfer", "alice", ("bob", COIN // 10)),
    )
    alone = transactions(grow(call("alice", (1, 50, 51, 2, 52))))[0].txid
    made = grow(
        action("transfer", "bob", ("alice", COIN)),
        *(call("alice", (1, 40 + place)) for place in range(3)),
    )
    together = tuple(one.txid for one in transactions(made)[1:])
    assert len(together) == 3
    for _ in range(3):
        grow(action("transfer", "bob", ("alice", COIN // 10)))
    return ReceiptWorld(tip, alone, together, lanes)


def around(
    world: ReceiptWorld | None = None, *, tokenizer: bool = True, chain: bool = True
) -> Surroundings:
    world = world or receipt_world()
    return Surroundings(
        networks={PARAMS.name: (PARAMS, GENESIS)},
        judge=FakeJudge(),
        tokenizers=[FakeTokenizer()] if tokenizer else [],
        chain=Followed(world.tip) if chain else None,
    )
