"""The two verifiers of receipts side by side: the one in Python and the one in Rust."""

import json
from collections.abc import Iterator
from typing import Any

from esper._native import judge_receipt
from esper.consensus.ports import ProofRejectedError, WorkClaim
from esper.primitives.ids import ModelId
from esper.primitives.work_outputs import Candidate, ProvenAnswer
from esper.receipts.judging import judge_bytes
from esper.receipts.ports import ProofJudge, Surroundings
from esper.receipts.twin import Asked, KnownBlock, asked_record, networks_record
from tests.support.receipt_world import Followed

Path = tuple[str | int, ...]
Said = list[tuple[str, str]]
"""Name and status of each link."""


class JudgeForRust:
    """A judge of proofs as the verifier in Rust asks for it."""

    def __init__(self, judge: ProofJudge) -> None:
        self._judge = judge

    def described(self, proof: bytes) -> tuple[bytes, tuple[int, ...], int, int]:
        found, shape = self._judge.described(proof), self._judge.described(proof).shape
        sizes = (
            *(shape.vocab, shape.dim, shape.hidden, shape.layers),
            *(shape.heads, shape.kv_heads, shape.head_dim, shape.max_seq),
        )
        return found.model_id, sizes, found.bos, found.eos

    def verify(
        self,
        model_id: bytes,
        binding: bytes,
        shape: tuple[int, int],
        sequences: list[tuple[list[int], list[int], int, list[list[tuple[int, int]]]]],
        proof: bytes,
    ) -> None:
        answers = tuple(
            ProvenAnswer(tuple(said), tuple(tuple(Candidate(*one) for one in at) for at in top))
            for _, said, _, top in sequences
        )
        claim = WorkClaim(
            model_id=ModelId(model_id),
            binding=binding,
            rows=shape[0],
            max_answers=tuple(most for _, _, most, _ in sequences),
            top_k=shape[1],
            inputs=tuple(tuple(prompt) for prompt, _, _, _ in sequences),
            answers=answers,
        )
        try:
            self._judge.verify(claim, proof)
        except ProofRejectedError as error:
            raise ValueError(str(error)) from error


class Twins:
    """Both verifiers with the same surroundings, but for the tokenizer."""

    def __init__(self, around: Surroundings, *, real: bool = False) -> None:
        """``real``: with the verifier of proofs of each of them."""
        self._around = around
        self._networks = networks_record(around.networks)
        blocks: tuple[KnownBlock, ...] = ()
        if isinstance(around.chain, Followed):
            known = ((h, around.chain.block_id(h)) for h in range(around.chain.tip.height + 1))
            blocks = tuple(KnownBlock(height, one) for height, one in known if one is not None)
        whose = around.chain.whose if around.chain is not None else ""
        trusted = tuple(sorted(around.trusted))
        self._asked = asked_record(Asked(whose.encode(), blocks, trusted, tuple(around.models)))
        self._judge = None if real else JudgeForRust(around.judge)

    def python(self, data: bytes) -> Said:
        """What the verifier in Python says."""
        return [(link.name, str(link.status)) for link in judge_bytes(data, self._around).links]

    def rust(self, data: bytes) -> Said:
        """What the verifier in Rust says."""
        return said(json.loads(judge_receipt(data, self._networks, self._asked, self._judge)))

    def agree(self, data: bytes) -> str | None:
        """The link that both name as the first that fails; every status must be the same.

        Only *text* may differ, which no browser can compare: where it is ok or open for one, it is
        open for the other, and a text that another tokenizer wrote fails in Python alone, which
        then reaches nothing behind it.
        """
        mine, theirs = self.python(data), self.rust(data)
        if mine[-1] == ("text", "fail") and ("text", "open") in theirs:
            theirs = [*theirs[: len(mine) - 1], mine[-1]]
        assert without_text(mine) == without_text(theirs), (mine, theirs)
        status, other = dict(mine).get("text"), dict(theirs).get("text")
        assert status == other or (status, other) == ("ok", "open"), (mine, theirs)
        return mine[-1][0] if mine[-1][1] == "fail" else None


def said(verdict: dict[str, Any]) -> Said:
    """Name and status of each link of a verdict in JSON."""
    return [(link["name"], link["status"]) for link in verdict["links"]]


def without_text(links: Said) -> Said:
    """All links but the one that needs a tokenizer."""
    return [(name, status) for name, status in links if name != "text"]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each value of a receipt that is no object or list, with the way to it."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in pairs:
            yield from leaves(one, (*path, key))
    else:
        yield path, value


def changed_bytes(honest: bytes, many: int) -> Iterator[bytes]:
    """Single bytes changed, spread over the receipt."""
    for turn in range(many):
        at = turn * len(honest) // many
        new = (honest[at] + 1 + turn % 255) % 256
        yield honest[:at] + bytes((new,)) + honest[at + 1 :]
