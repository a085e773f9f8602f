"""Receipts in figures: bytes of their parts, time to make and to check them.

python -m bench.receipts [ROUNDS]     prints one JSON object

A chain of regtest with real proofs is made first, which takes some ten seconds.
"""

from __future__ import annotations

import gzip
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from esper.primitives.networks import REGTEST
from esper.receipts.build import build_promise
from esper.receipts.form import decode_receipt, encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.parts import AnswerReceipt
from esper.receipts.verdict import EXIT_OPEN, EXIT_PROVEN
from tests.support.real_chain import RealSource, real_chain, words


def median_ms(work: Callable[[], object], rounds: int) -> float:
    """Of so many runs, behind one that is not counted."""
    work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return round(1000 * statistics.median(times), 2)


def measured(rounds: int) -> dict[str, object]:
    """Sizes in bytes, times in milliseconds."""
    chain = real_chain()
    txid = chain.together[0]
    whole = chain.promised(txid)
    assert whole.instant is not None
    assert whole.request is not None
    source = RealSource(chain.tip)
    model = source.model(REGTEST.model.model_id, 1)
    promise = build_promise(
        source.params, source.genesis_hash, whole.instant, whole.request, model, words()
    )
    kinds = {
        "proof": replace(whole, instant=None, request=None, anchor=None),
        "proof, no work": replace(whole, instant=None, request=None, anchor=None, work=None),
        "proof, anchor": replace(whole, instant=None, request=None),
        "proof, promise, anchor": whole,
        "promise": promise,
    }
    found = {name: figures(receipt, rounds) for name, receipt in kinds.items()}
    make = median_ms(lambda: chain.receipt(txid), max(1, rounds // 4))
    return {"receipts": found, "parts": parts(whole), "made_ms": make, "rounds": rounds}


def figures(receipt: AnswerReceipt, rounds: int) -> dict[str, float]:
    """Of one kind."""
    around, data = real_chain().around(), encode_receipt(receipt)
    assert judge_bytes(data, around).exit_code in (EXIT_PROVEN, EXIT_OPEN)
    return {
        "bytes": len(data),
        "gzip_bytes": len(gzip.compress(data)),
        "checked_ms": median_ms(lambda: judge_bytes(data, around), rounds),
        "read_ms": median_ms(lambda: decode_receipt(data), rounds),
    }


def parts(receipt: AnswerReceipt) -> dict[str, int]:
    """Bytes of each part as it is written."""
    document = json.loads(encode_receipt(receipt))
    return {
        name: len(json.dumps({name: value}, separators=(",", ":"))) - 1
        for name, value in document.items()
    }


def main() -> None:
    """Print the figures."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(json.dumps(measured(rounds), indent=1))


if __name__ == "__main__":
    main()
