"""Drawn items of a hidden set, answered and proven for its curator.

Items are opened several at a time, as many as one transaction and one proof hold. What no proof has
room for is opened without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from esper.cli.esper.reports.item_proving import Sender, Show
from esper.consensus.audits.openings import opening_claim
from esper.consensus.call_groups import AUDIT, CallGroup, ProvenCall
from esper.dao.benchmarks.answers import TEXT_LISTED, ShownAnswer, choice_lengths, longest_list
from esper.dao.benchmarks.fitting import batch_fits
from esper.dao.benchmarks.grading import chosen
from esper.dao.benchmarks.suite import Form
from esper.dao.hidden.openings import (
    MAX_HIDDEN_PROOF,
    MAX_OPENINGS,
    OPENING_SUBJECT,
    UNPROVEN,
    Graded,
    HiddenProof,
    asked_together,
    graded,
    hidden_form,
    hidden_proof_bytes,
    opening_fits,
)
from esper.dao.ready import audit_binding
from esper.model.loaded import processors
from esper.node.workers.native_work import NativeInference, NativeProver
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid
from esper.prover import planned
from esper.vm.governance.prove import Prove

if TYPE_CHECKING:
    from esper.model.benchmarks.measuring import Examinee
    from esper.model.benchmarks.secret_set import SecretSet

_NO_TXID: Final = Txid(bytes(HASH_BYTES))


@dataclass(frozen=True, slots=True)
class Curator:
    """Who opens what, with which model."""

    secret: SecretSet
    model: Examinee
    most_rows: int
    """Rows of a proof."""
    threads: int | None
    """All processors when None."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A transaction that opens items, and the proof that it needs beside it."""

    prove: Prove
    proof: bytes | None
    """None if no item of it fits a proof."""
    graded: tuple[Graded, ...]
    model: Examinee

    def groups(self, txid: Txid) -> Sequence[CallGroup]:
        """The groups of the block that holds it under this id."""
        return [] if self.proof is None else [_group(self.model, self.proof, txid)]


def answered_bodies(curator: Curator, drawn: Sequence[int]) -> Iterator[HiddenProof]:
    """What opens these items, by transactions; nothing is proven yet."""
    for indices in _batches(curator, drawn):
        yield from _bodies(curator, indices)


def proven_body(
    curator: Curator, body: HiddenProof, target: Txid, sender: Sender, show: Show
) -> Opened:
    """Prove the answers of a body for the set ``target``. Slow: seconds to minutes.

    Raises ProvingError, and DisagreementError for a build that does not compute what it proves.
    """
    model, data = curator.model, hidden_proof_bytes(body)
    worth = graded(body, model.entry, curator.most_rows)
    asked = asked_together(body, model.entry, curator.most_rows)
    if asked is None:
        return Opened(Prove(OPENING_SUBJECT, target, 0, data), None, worth, model)
    binding = audit_binding(
        *(sender.genesis_hash, sender.address, OPENING_SUBJECT, target, data, AUDIT)
    )
    with show(planned(model.model.native, asked.prompts, max(asked.limits))) as done:
        proof = NativeProver(model.model).prove(opening_claim(binding, asked), done)
    room = len(_group(model, proof, _NO_TXID).to_bytes())
    return Opened(Prove(OPENING_SUBJECT, target, room, data), proof, worth, model)


def _group(model: Examinee, proof: bytes, txid: Txid) -> CallGroup:
    return CallGroup(AUDIT, model.entry.model_id, (ProvenCall(txid, ()),), proof)


def _batches(curator: Curator, drawn: Sequence[int]) -> Iterator[list[int]]:
    """Items that are opened together: of one form and within one proof, or all without one."""
    entry, items = curator.model.entry, curator.secret.items
    fits = {at: opening_fits(items[at], entry, curator.most_rows) for at in drawn}

    def goes_with(batch: list[int], index: int) -> bool:
        together = [items[at] for at in (*batch, index)]
        return len(together) <= MAX_OPENINGS and (
            not fits[index]
            or batch_fits(
                [one.prompt for one in together],
                max(one.limit for one in together),
                entry.shape,
                curator.most_rows,
            )
        )

    kinds: dict[tuple[bool, Form], list[list[int]]] = {}
    for index in drawn:
        form = hidden_form(items[index]) if fits[index] else Form.TEXT
        batches = kinds.setdefault((fits[index], form), [])
        if batches and goes_with(batches[-1], index):
            batches[-1].append(index)
        else:
            batches.append([index])
    for batches in kinds.values():
        yield from batches


def _bodies(curator: Curator, indices: list[int]) -> Iterator[HiddenProof]:
    """What opens a batch: in parts where a transaction has no room for all of it."""
    body = _body(curator, indices)
    if len(hidden_proof_bytes(body)) <= MAX_HIDDEN_PROOF or len(indices) == 1:
        yield body
        return
    half = len(indices) // 2
    yield from _bodies(curator, indices[:half])
    yield from _bodies(curator, indices[half:])


def _body(curator: Curator, indices: list[int]) -> HiddenProof:
    secret, entry = curator.secret, curator.model.entry
    items = [secret.items[at] for at in indices]
    if not opening_fits(items[0], entry, curator.most_rows):
        return HiddenProof(TEXT_LISTED, tuple(secret.opening(at, UNPROVEN) for at in indices))
    choice = hidden_form(items[0]) == Form.CHOICE
    most = longest_list(entry.shape.vocab) if choice else TEXT_LISTED
    engine = NativeInference(curator.model.model, processors(curator.threads))
    said = [engine.answer((one.prompt,), one.limit, most)[0] for one in items]
    listed = most
    if choice:

        def is_read(length: int) -> bool:
            pairs = zip(items, said, strict=True)
            return all(chosen(one.top[0][:length], item.choices) is not None for item, one in pairs)

        lengths = choice_lengths(entry.shape.vocab)
        listed = next((length for length in lengths if is_read(length)), most)
    answers = [ShownAnswer(one.tokens, tuple(at[:listed] for at in one.top)) for one in said]
    pairs = zip(indices, answers, strict=True)
    return HiddenProof(listed, tuple(secret.opening(at, answer) for at, answer in pairs))
