"""Answers that a gateway signed, and what shows that its model gives others."""

from dataclasses import dataclass, replace
from typing import Any

from esper.crypto.signing import KeyPair
from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.evidence import EVIDENCE_SUBJECT, Evidence, UnbondingPlace, evidence_bytes
from esper.dao.promise import Promise, promise_digest
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelEntry
from esper.primitives.work_outputs import Candidate
from esper.vm.governance.prove import Prove
from tests.support.vm_world import GENESIS, MODEL, address

EOS = MODEL.eos
PROMPT = (1, 5, 6)
TRUE = (7, 8, 9)
"""What the model says, as far as anybody asks here."""
FALSE = (7, 4, 9)


def shown(*tokens: int) -> ShownAnswer:
    """An answer with lists of one."""
    return ShownAnswer(tokens, tuple((Candidate(token, 100),) for token in tokens))


def promise(gateway: KeyPair, model: ModelEntry = MODEL, **fields: Any) -> Promise:
    """A promise of a false answer, signed at the genesis block."""
    plain = Promise(
        GENESIS, address(gateway), model.model_id, PROMPT, len(FALSE), FALSE, bytes(64), 0
    )
    return replace(plain, **fields)


@dataclass(frozen=True)
class Accusing:
    """Evidence, and the transaction that brings it."""

    target: Txid
    body: Evidence

    def prove(self, room: int = 0, **fields: Any) -> Prove:
        plain = Prove(EVIDENCE_SUBJECT, self.target, room, evidence_bytes(self.body))
        return replace(plain, **fields)


def accusing(
    gateway: KeyPair,
    *true: int,
    rewards: tuple[int, ...] = (),
    unbondings: tuple[tuple[int, int], ...] = (),
    signer: KeyPair | None = None,
    **fields: Any,
) -> Accusing:
    """Evidence that the model says ``true`` where a promise with ``fields`` says something else."""
    receipt = promise(gateway, **fields)
    digest, key = promise_digest(receipt.to_bytes()), signer or gateway
    body = Evidence(
        receipt=receipt,
        suite=key.suite,
        key=key.public,
        signature=key.sign(digest),
        answer=shown(*(true or TRUE)),
        rewards=rewards,
        unbondings=tuple(UnbondingPlace(*place) for place in unbondings),
    )
    return Accusing(Txid(digest), body)
