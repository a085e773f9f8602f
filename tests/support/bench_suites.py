"""Benchmark suites of made-up items, and proofs of what models answer to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from esper.consensus.audits.items import item_claim
from esper.consensus.call_groups import AUDIT, JUDGE, CallGroup, ProvenCall
from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.benchmarks.item import ITEM, TAG_ITEMS, Item, items_root
from esper.dao.benchmarks.item_proof import Asked, ItemProof
from esper.dao.benchmarks.suite import NO_JUDGE, Form, Suite
from esper.dao.bodies import NamedSuite
from esper.dao.ready import audit_binding
from esper.primitives.codec import encode
from esper.primitives.merkle import MerkleTree
from esper.primitives.model_entry import ModelEntry
from esper.primitives.networks import REGTEST
from esper.primitives.work_outputs import Candidate
from esper.vm.governance.prove import Prove
from esper.vm.transaction import Transaction
from tests.support.fake_work import FakeProver

MODEL = REGTEST.model
JOINTS = ((1, 70), (71,), (72,), (73,))


def item(**fields: Any) -> Item:
    """A question of three tokens to be answered with a text; what is expected is 40."""
    blank = Item((1, 30, 31), 4, (), (), ((40,),))
    return replace(blank, **fields)


def choice(number: int = 0, right: int = 41) -> Item:
    return item(prompt=(1, 30, 100 + number), limit=1, choices=(40, 41, 42), expected=((right,),))


@dataclass(frozen=True)
class Made:
    """A suite with its items."""

    suite: Suite
    items: tuple[Item, ...]

    @property
    def named(self) -> NamedSuite:
        return NamedSuite(bytes([1]) * 64, self.suite.id, self.suite.count)

    def proof(self, index: int, answers: Sequence[ShownAnswer], listed: int = 1) -> ItemProof:
        """What a Prove says of an item, whatever the answers are."""
        tree = MerkleTree.build(TAG_ITEMS, [encode(ITEM, one) for one in self.items])
        found = self.items[index]
        path = tuple(tree.path(index))
        return ItemProof(self.suite, index, found, path, listed, tuple(answers))


def made(form: Form, items: Sequence[Item], **fields: Any) -> Made:
    judged = form == Form.JUDGED
    blank = Suite(
        form,
        MODEL.model_id if judged else NO_JUDGE,
        JOINTS if judged else (),
        MODEL.tokenizer_id,
        len(items),
        items_root(items),
    )
    return Made(replace(blank, **fields), tuple(items))


def text_suite(items: Sequence[Item], **fields: Any) -> Made:
    return made(Form.TEXT, items, **fields)


def shown(*tokens: int, listed: int = 1) -> ShownAnswer:
    """An answer whose lists go on with the ids above."""
    lists = tuple(
        tuple(Candidate(token + place, 1000 - place) for place in range(listed)) for token in tokens
    )
    return ShownAnswer(tokens, lists)


def said(token: int, model: ModelEntry = MODEL) -> ShownAnswer:
    """An answer of one token and EOS."""
    return shown(token, model.eos)


def groups_of(
    transaction: Transaction, asked: Sequence[Asked], genesis_hash: bytes
) -> list[CallGroup]:
    """Groups with fake proofs for what a Prove says."""
    prove = transaction.payload
    assert isinstance(prove, Prove)
    groups = []
    for kind, one in zip((AUDIT, JUDGE), asked, strict=False):
        binding = audit_binding(
            genesis_hash, transaction.sender, prove.subject, prove.target, prove.body, kind
        )
        proof = FakeProver().prove(item_claim(binding, one))
        calls = (ProvenCall(transaction.txid, ()),)
        groups.append(CallGroup(kind, one.model.model_id, calls, proof))
    return groups
