"""An item of a suite, answered and proven for whoever is to say what it is worth.

Answers are those that ``measuring`` graded: what is proven is what was counted. The body of the
transaction comes first, for the proofs are bound to it and to who sends it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from esper.consensus.audits.items import item_claim
from esper.consensus.call_groups import AUDIT, JUDGE, CallGroup, ProvenCall
from esper.dao.benchmarks.answers import TEXT_LISTED, ShownAnswer
from esper.dao.benchmarks.item import ITEM, TAG_ITEMS
from esper.dao.benchmarks.item_proof import (
    ITEM_SUBJECT,
    MAX_ITEM_PROOF,
    Asked,
    ItemProof,
    item_proof_bytes,
    outcome,
)
from esper.dao.benchmarks.judging import judge_prompts
from esper.dao.benchmarks.suite import Form
from esper.dao.ready import audit_binding
from esper.model.benchmarks.measuring import measured
from esper.model.loaded import processors
from esper.node.workers.native_work import NativeInference, NativeProver
from esper.primitives.codec import encode
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid
from esper.primitives.merkle import MerkleTree
from esper.prover import planned
from esper.vm.governance.prove import Prove
from esper.wallet.errors import WalletError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from esper.model.benchmarks.measuring import Examinee, Means, Outcome
    from esper.model.benchmarks.tokenised import TokenSuite
    from esper.prover import ProofPlan

_NO_TXID: Final = Txid(bytes(HASH_BYTES))
_KINDS: Final = (AUDIT, JUDGE)

Show = Callable[["ProofPlan"], "AbstractContextManager[Callable[[str], None]]"]
"""Tells how far a proof is: given its plan, what hears of the stages that are over."""


class ItemTooLongError(WalletError):
    """An item whose answers do not fit a transaction."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A suite, the models that it is asked, and how."""

    suite: TokenSuite
    model: Examinee
    judge: Examinee | None
    """Of a judged suite."""
    means: Means


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose proof it is: it is of no use to anybody else, nor on another network."""

    genesis_hash: bytes
    """64 bytes."""
    address: bytes
    """33 bytes."""


@dataclass(frozen=True, slots=True)
class AnsweredItem:
    """What an item is worth, before it is proven."""

    is_right: bool
    body: bytes
    """Of the transaction."""
    asked: tuple[Asked, ...]
    """What its groups have to show: nothing for what does not fit."""


@dataclass(frozen=True, slots=True)
class ProvenItem:
    """A transaction's payload, and the proofs that it needs beside it."""

    prove: Prove
    proofs: tuple[tuple[Asked, bytes], ...]

    def groups(self, txid: Txid) -> Sequence[CallGroup]:
        """The groups of the block that holds it under this id."""
        return [
            _group(kind, one, proof, txid)
            for kind, (one, proof) in zip(_KINDS, self.proofs, strict=False)
        ]


def answered_item(asking: Asking, index: int) -> AnsweredItem:
    """Ask the models an item, and say what the answers are worth.

    Raises ItemTooLongError where they do not fit a transaction, and what ``measured`` raises.
    """
    suite, model, judge = asking.suite.suite, asking.model, asking.judge
    item, most_rows = asking.suite.items[index], asking.means.most_rows
    [found] = measured(suite, [(index, item)], model, asking.means, judge=judge)
    listed, answers = _shown(asking, found)
    tree = MerkleTree.build(TAG_ITEMS, [encode(ITEM, one) for one in asking.suite.items])
    body = ItemProof(suite, index, item, tuple(tree.path(index)), listed, answers)
    worth = outcome(body, model.entry, None if judge is None else judge.entry, most_rows)
    assert worth.is_right == found.is_right, "asked twice, a model answers the same"
    data = item_proof_bytes(body)
    if len(data) > MAX_ITEM_PROOF:
        raise ItemTooLongError(
            f"the answers to item {index} take {len(data):,} bytes, a transaction has room for "
            f"{MAX_ITEM_PROOF:,}: nobody can prove it; choose another item"
        )
    return AnsweredItem(found.is_right, data, worth.asked)


def proven_item(
    asking: Asking, answered: AnsweredItem, target: Txid, sender: Sender, show: Show
) -> ProvenItem:
    """Prove the answers to an item for a report, ``target``. Slow: seconds for each model.

    Raises ProvingError, and DisagreementError for a build that does not compute what it proves.
    """
    proofs = []
    for kind, one in zip(_KINDS, answered.asked, strict=False):
        asked = asking.model if kind == AUDIT else asking.judge
        assert asked is not None, "a judge has been asked"
        binding = audit_binding(
            *(sender.genesis_hash, sender.address, ITEM_SUBJECT, target, answered.body, kind)
        )
        plan = planned(asked.model.native, one.prompts, one.limit)
        with show(plan) as done:
            proofs.append((one, NativeProver(asked.model).prove(item_claim(binding, one), done)))
    room = sum(
        len(_group(kind, one, proof, _NO_TXID).to_bytes())
        for kind, (one, proof) in zip(_KINDS, proofs, strict=False)
    )
    return ProvenItem(Prove(ITEM_SUBJECT, target, room, answered.body), tuple(proofs))


def _group(kind: int, one: Asked, proof: bytes, txid: Txid) -> CallGroup:
    return CallGroup(kind, one.model.model_id, (ProvenCall(txid, ()),), proof)


def _shown(asking: Asking, found: Outcome) -> tuple[int, tuple[ShownAnswer, ...]]:
    """How long the lists are, and the answers with them, as the rules of items want them."""
    if not found.tokens:
        return TEXT_LISTED, ()
    item, model = asking.suite.items[found.index], asking.model
    threads = processors(asking.means.threads)
    if asking.suite.suite.form == Form.CHOICE:
        listed = len(found.readings[0].candidates)
        return listed, _answers(model, (item.prompt,), item.limit, listed, threads)
    own = _answers(model, (item.prompt,), item.limit, TEXT_LISTED, threads)
    if asking.judge is None or not found.readings:
        return TEXT_LISTED, own
    prompts = judge_prompts(asking.suite.suite, item, own[0].text(model.model.eos), model.entry)
    listed = len(found.readings[0].candidates)
    return listed, own + _answers(asking.judge, prompts, 1, listed, threads)


def _answers(
    model: Examinee, prompts: tuple[tuple[int, ...], ...], limit: int, listed: int, threads: int
) -> tuple[ShownAnswer, ...]:
    said = NativeInference(model.model, threads).answer(prompts, limit, listed)
    return tuple(ShownAnswer(one.tokens, one.top) for one in said)
