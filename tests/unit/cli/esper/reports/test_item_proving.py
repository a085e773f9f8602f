"""Items of each form, answered and proven: a block finds what was measured, for one sender."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.cli.esper.reports.item_proving import (
    Asking,
    ItemTooLongError,
    ProvenItem,
    Sender,
    answered_item,
    proven_item,
)
from esper.consensus.audits.items import item_claim
from esper.consensus.call_groups import AUDIT, JUDGE
from esper.consensus.ports import ProofRejectedError
from esper.dao.benchmarks.item import is_item_of
from esper.dao.benchmarks.item_proof import outcome, read_item_proof
from esper.dao.ready import audit_binding
from esper.model.benchmarks.measuring import Examinee, Means, measured
from esper.model.benchmarks.tokenised import suite_of
from esper.model.loaded import load_model
from esper.node.workers.native_work import NativeVerifier
from esper.primitives.ids import Txid
from esper.prover import ProofPlan
from tests.support.benchmark_models import letter_model
from tests.support.benchmark_texts import HEADS, ITEMS, text_of

REPORT = Txid(b"r" * 64)
SENDER = Sender(b"g" * 64, b"\1" + b"a" * 32)
MEANS = Means(most_rows=256)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Examinee, Examinee]:
    folder = tmp_path_factory.mktemp("models")

    def loaded(path: Path) -> Examinee:
        return Examinee.of(path, load_model(path))

    return loaded(letter_model(folder / "asked", 21)), loaded(letter_model(folder / "judge", 5))


@contextmanager
def silent(plan: ProofPlan) -> Iterator[Callable[[str], None]]:
    stages: list[str] = []
    yield stages.append
    assert set(stages) >= {name for name, _ in plan.stages}, "progress hears of every stage"


def asking_of(form: str, models: tuple[Examinee, Examinee], **item: Any) -> Asking:
    model, judge = models[0], models[1] if form == "judged" else None
    judge_id = None if judge is None else judge.entry.model_id
    items = [ITEMS[form] | item, ITEMS[form]]
    suite = suite_of(text_of(HEADS[form], items), model.vocabulary, judge_id)
    return Asking(suite, model, judge, MEANS)


def judged_by_a_block(
    proven: ProvenItem, asking: Asking, sender: Sender = SENDER, report: Txid = REPORT
) -> bool:
    """What the rules make of it, proofs verified. Raises ProofRejectedError."""
    txid = Txid(b"t" * 64)
    body = read_item_proof(proven.prove.body)
    assert is_item_of(asking.suite.suite, body.index, body.item, body.path)
    judge = None if asking.judge is None else asking.judge.entry
    found = outcome(body, asking.model.entry, judge, MEANS.most_rows)
    groups = proven.groups(txid)
    assert [one.kind for one in groups] == [AUDIT, JUDGE][: len(found.asked)]
    assert sum(len(one.to_bytes()) for one in groups) == proven.prove.room
    for group, one in zip(groups, found.asked, strict=True):
        assert group.calls[0].call_id == txid
        assert group.model_id == one.model.model_id
        binding = audit_binding(
            sender.genesis_hash, sender.address, 2, report, proven.prove.body, group.kind
        )
        NativeVerifier().verify(item_claim(binding, one), group.proof)
    return found.is_right


@pytest.mark.parametrize("form", ["choice", "exact", "judged"])
def test_a_block_finds_what_was_measured(form: str, models: tuple[Examinee, Examinee]) -> None:
    asking = asking_of(form, models)
    items = list(enumerate(asking.suite.items))
    whole = measured(asking.suite.suite, items, asking.model, MEANS, judge=asking.judge)
    answered = answered_item(asking, 1)
    assert answered.is_right == whole[1].is_right
    proven = proven_item(asking, answered, REPORT, SENDER, silent)
    assert judged_by_a_block(proven, asking) == whole[1].is_right
    assert len(proven.proofs) == (2 if form == "judged" else 1)


def test_a_proof_is_its_senders_and_its_reports(models: tuple[Examinee, Examinee]) -> None:
    asking = asking_of("choice", models)
    proven = proven_item(asking, answered_item(asking, 0), REPORT, SENDER, silent)
    judged_by_a_block(proven, asking)
    other = replace(SENDER, address=b"\1" + b"b" * 32)
    with pytest.raises(ProofRejectedError):
        judged_by_a_block(proven, asking, other)
    with pytest.raises(ProofRejectedError):
        judged_by_a_block(proven, asking, replace(SENDER, genesis_hash=b"h" * 64))
    with pytest.raises(ProofRejectedError):
        judged_by_a_block(proven, asking, report=Txid(b"s" * 64))


def test_what_has_no_room_is_wrong_without_a_proof(models: tuple[Examinee, Examinee]) -> None:
    asking = asking_of("exact", models, question="abcdefgh" * 10)
    answered = answered_item(asking, 0)
    assert (answered.is_right, answered.asked) == (False, ())
    proven = proven_item(asking, answered, REPORT, SENDER, silent)
    assert (proven.prove.room, proven.groups(REPORT)) == (0, [])
    assert not judged_by_a_block(proven, asking)


def test_a_pair_that_the_judge_has_no_room_for(models: tuple[Examinee, Examinee]) -> None:
    # Question, answer and reference by themselves fit 64 rows; what the judge reads does not.
    asking = asking_of("judged", models, question="abcdefghij" * 4, reference="klmno" * 2)
    answered = answered_item(asking, 0)
    assert not answered.is_right
    assert len(answered.asked) == 1
    proven = proven_item(asking, answered, REPORT, SENDER, silent)
    assert not judged_by_a_block(proven, asking)


def test_answers_that_no_transaction_has_room_for(
    models: tuple[Examinee, Examinee], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esper.cli.esper.reports.item_proving.MAX_ITEM_PROOF", 100)
    with pytest.raises(ItemTooLongError, match=r"item 0 take .* a transaction has room for 100"):
        answered_item(asking_of("choice", models), 0)
