"""What a report on a model costs: asking a thousand items, proving what is drawn, judging a block.

    python -m bench.report_cost [--items 1000] [--json]

Of random weights in the 15M shape. Seconds are those of the processors, which neighbours hardly
change; the machine's load stands beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from bench.random_checkpoint import STORIES_15M, write_random_model
from esper.cli.esper.reports.item_proving import Asking, Sender, answered_item, proven_item
from esper.consensus.audits.items import item_claim
from esper.dao.benchmarks.item import Item, items_root
from esper.dao.benchmarks.suite import NO_JUDGE, Form, Suite
from esper.dao.ready import audit_binding
from esper.model.benchmarks.measuring import Examinee, Means, measured
from esper.model.benchmarks.tokenised import TokenSuite
from esper.model.loaded import load_model
from esper.node.workers.native_work import NativeVerifier
from esper.primitives.ids import Txid
from esper.primitives.networks import DEVNET, MAINNET
from esper.prover import ProofPlan

T = TypeVar("T")
REPORT = Txid(bytes(64))
SENDER = Sender(bytes(64), bytes(33))
BOS = 1
QUESTION = 60
"""Tokens of a usual question with its choices."""
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


def question(number: int, tokens: int, limit: int, form: Form, joined: tuple[int, ...]) -> Item:
    """An item of so many tokens, all of them other ids."""
    vocab = STORIES_15M.vocab
    prompt = (BOS, *(3 + (number * 977 + at * 31) % (vocab - 3) for at in range(tokens - 1)))
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
        seconds, _ = taken(lambda claim=claim, proof=proof: NativeVerifier().verify(claim, proof))
        verify_s += seconds
    return {
        "proofs": len(groups),
        "rows": max((len(one.prompts[0]) + one.limit - 1 for one, _ in proven.proofs), default=0),
        "answer_s": answer_s,
        "prove_s": prove_s,
        "verify_ms": 1000 * verify_s,
        "bytes": proven.prove.room + len(answered.body) + ENVELOPE,
    }


def report_cost(folder: Path, count: int) -> dict[str, object]:
    """All figures."""
    write_random_model(folder / "random-15M", STORIES_15M, gate_bits=12)
    load_s, model = taken(
        lambda: Examinee.of(folder / "random-15M", load_model(folder / "random-15M"))
    )
    rows = MAINNET.governance.audit_rows
    items = tuple(question(at, QUESTION, 1, Form.CHOICE, ()) for at in range(count))
    whole = asking_of(model, Form.CHOICE, items, rows, None)
    ask_s, outcomes = taken(
        lambda: measured(whole.suite.suite, list(enumerate(items)), model, whole.means)
    )
    commit_s, _ = taken(lambda: model.model.proving_key)
    samples = [of_item(whole, at) for at in range(MAINNET.governance.report_samples)]
    text = question(7, 440, 64, Form.TEXT, ())
    judged = question(9, 64, 32, Form.JUDGED, (60, 61))
    largest = {
        "choice": samples[0],
        "text": of_item(asking_of(model, Form.TEXT, (text,), rows, None), 0),
        "judged": of_item(asking_of(model, Form.JUDGED, (judged,), rows, model), 0),
    }
    return {
        "items": count,
        "right": sum(one.is_right for one in outcomes),
        "load_s": load_s,
        "ask_s": ask_s,
        "commit_s": commit_s,
        "samples": samples,
        "largest": largest,
        "blocks": {
            params.name: {
                "audits": params.governance.audits_per_block,
                "body_bytes": params.limits.body_bytes,
                **{
                    name: {
                        "bytes": params.governance.audits_per_block * one["bytes"],
                        "verify_ms": params.governance.audits_per_block * one["verify_ms"],
                    }
                    for name, one in largest.items()
                },
            }
            for params in (MAINNET, DEVNET)
        },
        "load": os.getloadavg()[0],
    }


def tables(found: dict[str, object]) -> list[str]:
    """As Markdown."""
    samples, largest, blocks = found["samples"], found["largest"], found["blocks"]
    assert isinstance(samples, list)
    assert isinstance(largest, dict)
    assert isinstance(blocks, dict)
    lines = [
        f"A report of {found['items']:,} items, processor seconds: {found['ask_s']:.1f} asking, "
        f"{found['load_s']:.1f} loading and committing; a sample of {len(samples)}: "
        f"{sum(one['answer_s'] + one['prove_s'] for one in samples):.1f}. "
        f"Load of the machine {found['load']:.1f}.",
        "",
        "| item | proofs | asked, s | proven, s | bytes in a block | verified, ms |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {one['proofs']} | {one['answer_s']:.2f} | {one['prove_s']:.2f} | "
            f"{one['bytes']:,} | {one['verify_ms']:.0f} |"
            for name, one in largest.items()
        ),
        "",
        "| network | a block full | bytes, of the body's | verified, ms |",
        "|---|---|---|---|",
    ]
    for network, row in blocks.items():
        for name in largest:
            lines.append(
                f"| {network} | {row['audits']} {name} | {row[name]['bytes']:,} of "
                f"{row['body_bytes']:,} | {row[name]['verify_ms']:.0f} |"
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
