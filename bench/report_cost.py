"""What a report on a model costs: asking a thousand items, proving what is drawn, judging a block.

    python -m bench.report_cost [--items 1000] [--json]

Of random weights in the 15M shape by mainnet's rules, and of the genesis model by devnet's. Seconds
are those of the processors, which neighbours hardly change; the machine's load stands beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bench.random_checkpoint import STORIES_15M, write_random_model
from esper.cli.esper.reports.item_proving import Asking, Sender, answered_item, proven_item
from esper.consensus.audits.items import item_claim
from esper.dao.benchmarks.fitting import EMBEDDING_ROOM, rows_bytes
from esper.dao.benchmarks.item import Item, items_root
from esper.dao.benchmarks.suite import NO_JUDGE, Form, Suite
from esper.dao.ready import audit_binding
from esper.embedded import WORD, model_folder
from esper.model.benchmarks.measuring import Examinee, Means, measured
from esper.model.benchmarks.tokenised import TokenSuite
from esper.model.loaded import load_model
from esper.node.workers.native_work import NativeVerifier
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelShape
from esper.primitives.networks import DEVNET, MAINNET
from esper.primitives.params import NetworkParameters
from esper.prover import ProofPlan

T = TypeVar("T")
FORMS = {"choice": Form.CHOICE, "text": Form.TEXT, "judged": Form.JUDGED}
REPORT = Txid(bytes(64))
SENDER = Sender(bytes(64), bytes(33))
BOS = 1
QUESTION = 60
"""Tokens of a usual question with its choices."""
LONGEST = 64
"""Tokens of a long answer."""
ENVELOPE = 2 * 3309 + 1952 + 256
"""Bytes of a transaction beside its body, generously: a signature, a key, the rest."""


@contextmanager
def silent(plan: ProofPlan) -> Iterator[Callable[[str], None]]:
    """No progress is shown."""
    del plan
    yield lambda stage: None


def taken(work: Callable[[], T]) -> tuple[float, T]:
    """Processor seconds of all threads, and what it gave."""
    before = time.process_time()
    found = work()
    return time.process_time() - before, found


def distinct_ids(shape: ModelShape, limit: int) -> int:
    """How many ids an item may have beside the first, for a proof to have room for their rows."""
    return EMBEDDING_ROOM // rows_bytes([(0,)], 0, shape) - limit - 1


def question(
    shape: ModelShape,
    number: int,
    tokens: int,
    limit: int,
    form: Form,
    joined: tuple[int, ...] = (),
) -> Item:
    """An item of so many tokens, of as many ids as there is room for."""
    ids, vocab = distinct_ids(shape, limit), shape.vocab - 3
    prompt = (BOS, *(3 + (number * 977 + at % ids * 31) % vocab for at in range(tokens - 1)))
    if form == Form.CHOICE:
        return Item(prompt, 1, (40, 41, 42, 43), (), ((41,),))
    return Item(prompt, limit, joined, (), ((40,) * 32,))


def asking_of(
    model: Examinee, form: Form, items: tuple[Item, ...], most_rows: int, judge: Examinee | None
) -> Asking:
    """A suite of these items, asked of a model."""
    suite = Suite(
        form=int(form),
        judge=NO_JUDGE if judge is None else judge.entry.model_id,
        joints=() if judge is None else ((BOS, 50), (51,), (52,), (53,)),
        tokenizer=model.entry.tokenizer_id,
        count=len(items),
        items_root=items_root(items),
    )
    return Asking(TokenSuite(bytes(64), suite, items), model, judge, Means(most_rows))


def of_item(asking: Asking, index: int) -> dict[str, float]:
    """Processor seconds of asking and proving one, its bytes, and what verifying it takes."""
    answer_s, answered = taken(lambda: answered_item(asking, index))
    prove_s, proven = taken(lambda: proven_item(asking, answered, REPORT, SENDER, silent))
    groups = proven.groups(REPORT)
    verify_s = 0.0
    for group, (one, proof) in zip(groups, proven.proofs, strict=True):
        binding = audit_binding(
            SENDER.genesis_hash, SENDER.address, 2, REPORT, answered.body, group.kind
        )
        claim = item_claim(binding, one)
        NativeVerifier().verify(claim, proof)
        seconds, _ = taken(partial(NativeVerifier().verify, claim, proof))
        verify_s += seconds
    return {
        "proofs": len(groups),
        "answer_s": answer_s,
        "prove_s": prove_s,
        "verify_ms": 1000 * verify_s,
        "bytes": proven.prove.room + len(answered.body) + ENVELOPE,
    }


def costliest(model: Examinee, params: NetworkParameters) -> dict[str, Item]:
    """The costliest items of each form that a network takes of a model."""
    shape = model.entry.shape
    rows = min(params.governance.audit_rows, shape.max_seq)
    return {
        "choice": question(shape, 1, rows, 1, Form.CHOICE),
        "text": question(shape, 7, rows - LONGEST + 1, LONGEST, Form.TEXT),
        # Twice what the judge reads must have room in one proof, and its ids beside the answer's.
        "judged": question(shape, 9, rows // 16, 32, Form.JUDGED, (60, 61)),
    }


def blocks_of(model: Examinee, params: NetworkParameters) -> dict[str, object]:
    """What each of those costs."""
    rules, items = params.governance, costliest(model, params)
    found: dict[str, object] = {
        "network": params.name,
        "audits": rules.audits_per_block,
        "body_bytes": params.limits.body_bytes,
    }
    found["items"] = {
        name: of_item(
            asking_of(
                *(model, FORMS[name], (item,), rules.audit_rows),
                model if name == "judged" else None,
            ),
            0,
        )
        for name, item in items.items()
    }
    return found


def report_cost(folder: Path, count: int) -> dict[str, Any]:
    """All figures."""
    random = folder / "random-15M"
    write_random_model(random, STORIES_15M, gate_bits=12)
    load_s, model = taken(lambda: Examinee.of(random, load_model(random)))
    shape = model.entry.shape
    items = tuple(question(shape, at, QUESTION, 1, Form.CHOICE) for at in range(count))
    whole = asking_of(model, Form.CHOICE, items, MAINNET.governance.audit_rows, None)
    ask_s, _ = taken(
        lambda: measured(whole.suite.suite, list(enumerate(items)), model, whole.means)
    )
    samples = [of_item(whole, at) for at in range(MAINNET.governance.report_samples)]
    genesis = model_folder(WORD)
    return {
        "items": count,
        "load_s": load_s,
        "ask_s": ask_s,
        "samples": samples,
        "blocks": {
            "15M shape": blocks_of(model, MAINNET),
            "genesis model": blocks_of(Examinee.of(genesis, load_model(genesis)), DEVNET),
        },
        "load": os.getloadavg()[0],
    }


def tables(found: dict[str, Any]) -> list[str]:
    """As Markdown."""
    samples = found["samples"]
    lines = [
        f"A report of {found['items']:,} choices of {QUESTION} tokens in the 15M shape, processor "
        "seconds:",
        f"{found['ask_s']:.1f} asking, {found['load_s']:.1f} loading and committing; answering and "
        f"proving a sample of {len(samples)},",
        f"{sum(one['answer_s'] + one['prove_s'] for one in samples):.1f}. "
        f"Below: the costliest items that a network takes. Load {found['load']:.1f}.",
        "",
        "| model, network | item | proofs | proven, s | bytes | verified, ms | in a block, at most "
        "| of its body |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in found["blocks"].items():
        for item, one in row["items"].items():
            most = min(row["audits"], int(row["body_bytes"] // one["bytes"]))
            lines.append(
                f"| {name}, {row['network']} | {item} | {one['proofs']} | {one['prove_s']:.1f} | "
                f"{one['bytes']:,} | {one['verify_ms']:.0f} | {most} of {row['audits']} | "
                f"{100 * most * one['bytes'] / row['body_bytes']:.0f} % |"
            )
    return lines


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = report_cost(Path(folder), asked.items)
    print(json.dumps(found) if asked.json else "\n".join(tables(found)))


if __name__ == "__main__":
    main()
