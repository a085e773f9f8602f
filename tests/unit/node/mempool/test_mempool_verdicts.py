"""What the mempool tells the network of a transaction, and how the network finds what waits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from esper.mempool.verdict import Outcome, Verdict
from esper.node.events import TransactionAdmitted, TransactionGone
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import Transaction
from tests.support.node.heard_events import heard
from tests.support.node.node_world import NodeWorld, copied, go, grown_datadir, node_world, pay
from tests.support.vm_world import ALICE, BOB, CAROL, COIN


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("verdicts") / "grown")


def prefix(transaction: Transaction) -> bytes:
    return transaction.wtxid[:16]


def spoilt(transaction: Transaction) -> Transaction:
    """The same transaction with a signature of junk."""
    return replace(transaction, signature=transaction.signature[::-1])


CASES: list[tuple[str, Callable[[NodeWorld], bytes], Outcome, str]] = [
    ("junk", lambda _: b"junk", Outcome.INVALID, "UnreadableTransactionViolation"),
    (
        "a broken signature",
        lambda world: spoilt(world.signed(ALICE, pay(BOB))).to_bytes(),
        Outcome.INVALID,
        "SignatureViolation",
    ),
    (
        "an unknown kind",
        lambda world: _of_kind(world.signed(ALICE, pay(BOB)).to_bytes(), 99),
        Outcome.OTHER_RULES,
        "UnknownKindViolation",
    ),
    (
        "a used nonce",
        lambda world: world.signed(ALICE, pay(BOB), nonce=0).to_bytes(),
        Outcome.STALE,
        "NonceUsedViolation",
    ),
    (
        "a window that has closed",
        lambda world: world.signed(ALICE, pay(BOB), expiry=1).to_bytes(),
        Outcome.STALE,
        "ExpiredViolation",
    ),
    (
        "coins that are not there",
        lambda world: world.signed(CAROL, pay(BOB, 10**6 * COIN)).to_bytes(),
        Outcome.RETRY,
        "FundsViolation",
    ),
    (
        "a result by itself",
        lambda world: world.signed(ALICE, LlmResult(bytes(64), (5,))).to_bytes(),  # type: ignore[arg-type]
        Outcome.POLICY,
        "ResultFromOutsideError",
    ),
]


def _of_kind(data: bytes, kind: int) -> bytes:
    """A transaction whose kind nobody knows: the byte behind the head and the version."""
    changed = bytearray(data)
    changed[changed.index(bytes([data[2]]), 2)] = kind
    return bytes(changed)


@pytest.mark.parametrize(("make", "outcome", "rule"), [case[1:] for case in CASES])
def test_what_is_refused_and_what_follows(
    grown: Path,
    tmp_path: Path,
    make: Callable[[NodeWorld], bytes],
    outcome: Outcome,
    rule: str,
) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node"), mines=False) as world:
            verdict = await world.node.mempool.admit(make(world))
            assert verdict.refusal is not None
            assert (verdict.outcome, verdict.refusal.rule) == (outcome, rule)
            assert verdict.blames == (outcome is Outcome.INVALID)
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_what_waits_is_found_by_its_prefix_as_long_as_it_waits(grown: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node"), mines=False) as world:
            mempool = world.node.mempool
            first = world.signed(ALICE, pay(BOB))
            dearer = world.signed(ALICE, pay(BOB, 2 * COIN), fee=2 * first.fee)
            assert await mempool.admit(first.to_bytes()) == Verdict(Outcome.ACCEPTED, first.txid)
            assert mempool.by_prefix(prefix(first)) == first.to_bytes()
            assert mempool.by_prefix(prefix(dearer)) is None
            # Its sender replaces it.
            assert (await mempool.admit(dearer.to_bytes())).outcome is Outcome.ACCEPTED
            assert mempool.by_prefix(prefix(first)) is None
            assert mempool.by_prefix(prefix(dearer)) == dearer.to_bytes()
            # A block takes it.
            await world.others_turn(dearer)
            assert mempool.by_prefix(prefix(dearer)) is None

    go(main)


def test_another_signature_of_what_waits_changes_nothing(grown: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node"), mines=False) as world:
            mempool = world.node.mempool
            first = world.signed(ALICE, pay(BOB))
            await mempool.admit(first.to_bytes())
            other = spoilt(first)
            assert (other.txid, other.wtxid == first.wtxid) == (first.txid, False)
            with world.node.events.subscribe(TransactionAdmitted, TransactionGone) as told:
                for again in (other, first):
                    verdict = await mempool.admit(again.to_bytes())
                    assert verdict == Verdict(Outcome.KNOWN, first.txid)
                assert await heard(told) == []
            assert mempool.by_prefix(prefix(first)) == first.to_bytes()
            assert mempool.by_prefix(prefix(other)) is None

    go(main)
