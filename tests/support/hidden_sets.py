"""Hidden sets of made-up items, and openings of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.benchmarks.item import Item
from esper.dao.hidden.hidden_set import (
    SET_SUBJECT,
    TAG_SET,
    WITHDRAW_SUBJECT,
    SetBody,
    WithdrawBody,
    hidden_leaf,
    set_bytes,
    withdrawal_bytes,
)
from esper.dao.hidden.openings import (
    OPENING_SUBJECT,
    HiddenProof,
    Opening,
    hidden_proof_bytes,
)
from esper.primitives.ids import Txid
from esper.primitives.merkle import MerkleTree
from esper.primitives.networks import REGTEST
from esper.vm.governance.claim import Claim
from esper.vm.governance.prove import Prove
from tests.support.bench_suites import item, said
from tests.support.vm_world import COIN

TOKENIZER = REGTEST.model.tokenizer_id
SET_BOND = COIN // 2
RIGHT, WRONG = said(40), said(41)
"""Answers to the questions of ``questions``."""


def questions(count: int = 200) -> tuple[Item, ...]:
    """Texts to be answered with 40."""
    return tuple(item(prompt=(1, 30, 100 + at)) for at in range(count))


@dataclass(frozen=True)
class Hidden:
    """What a curator keeps to itself."""

    items: tuple[Item, ...]
    tokenizer: bytes = TOKENIZER

    def salt(self, index: int) -> bytes:
        return index.to_bytes(32, "big")

    @cached_property
    def tree(self) -> MerkleTree:
        return MerkleTree.build(
            TAG_SET, [hidden_leaf(self.salt(at), one) for at, one in enumerate(self.items)]
        )

    @property
    def body(self) -> SetBody:
        return SetBody(self.tokenizer, self.tree.root, len(self.items))

    def claim(self, bond: int = SET_BOND) -> Claim:
        return Claim(SET_SUBJECT, bond, set_bytes(self.body))

    def opening(self, index: int, answer: ShownAnswer) -> Opening:
        path = tuple(self.tree.path(index))
        return Opening(index, self.salt(index), self.items[index], path, answer)

    def proof(
        self, indices: Sequence[int], answer: ShownAnswer = RIGHT, listed: int = 1
    ) -> HiddenProof:
        """Openings of these items, all with the same answer."""
        return HiddenProof(listed, tuple(self.opening(index, answer) for index in indices))


def opens(set_id: Txid, body: HiddenProof, room: int = 0) -> Prove:
    return Prove(OPENING_SUBJECT, set_id, room, hidden_proof_bytes(body))


def withdrawal(set_id: Txid, bond: int = 0) -> Claim:
    return Claim(WITHDRAW_SUBJECT, bond, withdrawal_bytes(WithdrawBody(set_id)))


QUESTIONS = Hidden(questions())
