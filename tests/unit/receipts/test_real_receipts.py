"""Receipts of regtest with real proofs, real work and an anchor: honest ones, and forged ones.

Both verifiers judge each, the one in Rust with its own verifier of proofs: where one refuses, the
other names the same link. What only a tokenizer can tell fails in Python alone.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from esper.consensus.genesis import genesis_hash
from esper.primitives.networks import DEVNET, REGTEST
from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.parts import AnswerReceipt
from esper.receipts.verdict import EXIT_PROVEN, LINKS
from tests.support.real_chain import RealChain, real_chain
from tests.support.receipt_mutations import changed_leaves, drawn_bytes, glued, leaves, replaced
from tests.support.receipt_twin import Twins
from tests.support.refitted_receipts import (
    proof_of_calls,
    proof_of_work,
    with_proof_of_calls,
    with_proof_of_work,
)

CASES = ("first", "second", "lane")
SAMPLE = 120
"""Of leaves and bytes in every run; all of them are a soak."""
MANY = 10_000
"""Single bytes in a soak."""
SEED = 16
REFITTED: dict[
    str, tuple[Callable[[AnswerReceipt], bytes], Callable[[AnswerReceipt, bytes], AnswerReceipt]]
] = {"proof": (proof_of_calls, with_proof_of_calls), "work": (proof_of_work, with_proof_of_work)}
"""By the only link that can refuse it: a proof of a receipt, and the receipt with another one."""


@pytest.fixture(scope="module")
def chain() -> RealChain:
    return real_chain()


@pytest.fixture(scope="module")
def receipts(chain: RealChain) -> dict[str, bytes]:
    ids = (*chain.together, chain.lane)
    pairs = zip(CASES, ids, strict=True)
    return {name: encode_receipt(chain.promised(txid)) for name, txid in pairs}


@pytest.fixture(scope="module")
def twins(chain: RealChain) -> Twins:
    return Twins(chain.around(), real=True)


def refused_at(data: bytes, what: object, twins: Twins) -> str:
    """The link at which both verifiers refuse it."""
    link = twins.agree(data)
    assert link in LINKS, what
    return link


def assert_broken(data: bytes, what: object, honest: bytes, twins: Twins) -> None:
    if data != honest:
        refused_at(data, what, twins)


@pytest.mark.parametrize("name", CASES)
def test_every_link_is_ok(name: str, chain: RealChain, receipts: dict[str, bytes]) -> None:
    verdict = judge_bytes(receipts[name], chain.around())
    assert [(link.name, str(link.status)) for link in verdict.links] == [
        (link, "ok") for link in LINKS
    ]
    assert verdict.exit_code == verdict.strict_exit_code == EXIT_PROVEN
    said = {link.name: link.detail for link in verdict.links}
    assert said["work"] == "1 attempt expected"
    assert said["chain"] == "under height 22, by followed chain"
    assert said["paid"].endswith("micro-credits burned")


def test_strictness_needs_the_chain(chain: RealChain, receipts: dict[str, bytes]) -> None:
    alone = judge_bytes(receipts["first"], chain.around(chain=False))
    assert (alone.exit_code, alone.strict_exit_code) == (0, 3)
    bare = encode_receipt(chain.receipt(chain.lane, anchor=False))
    assert judge_bytes(bare, chain.around()).strict_exit_code == 3


@pytest.mark.parametrize("name", CASES)
def test_some_leaves_thrice(name: str, twins: Twins, receipts: dict[str, bytes]) -> None:
    changed = list(changed_leaves(receipts[name], [receipts[one] for one in CASES if one != name]))
    step = max(1, len(changed) // SAMPLE)
    for path, data in changed[::step]:
        assert_broken(data, path, receipts[name], twins)


def bytes_refused(honest: bytes, many: int, twins: Twins) -> Counter[str]:
    """How many of so many single bytes that are drawn each link refuses; no byte is taken."""
    return Counter(
        refused_at(data, (at, data[at]), twins) for at, data in drawn_bytes(honest, many, SEED)
    )


@pytest.mark.parametrize("name", CASES)
def test_some_single_bytes(name: str, twins: Twins, receipts: dict[str, bytes]) -> None:
    found = bytes_refused(receipts[name], SAMPLE // 2, twins)
    assert {"form", "group", "work"} <= set(found), found


@pytest.mark.parametrize("name", CASES)
def test_another_text_is_told_by_a_tokenizer_alone(
    name: str, twins: Twins, receipts: dict[str, bytes]
) -> None:
    answer = json.loads(receipts[name])["text"]["answer"]
    data = replaced(receipts[name], ("text", "answer"), answer + "s")
    assert refused_at(data, "text", twins) == "text"
    assert dict(twins.rust(data))["text"] == "open"
    assert {status for link, status in twins.rust(data) if link != "text"} == {"ok"}


def proof_bytes_refused(honest: AnswerReceipt, link: str, many: int, twins: Twins) -> Counter[str]:
    """The same of so many bytes of a proof, in a receipt that fits it."""
    random, found = Random(SEED), Counter[str]()
    proof_of, fitted = REFITTED[link]
    proof = proof_of(honest)
    assert twins.agree(encode_receipt(fitted(honest, proof))) is None, "else anything is refused"
    for _ in range(many):
        at, change = random.randrange(len(proof)), random.randrange(1, 256)
        changed = proof[:at] + bytes((proof[at] ^ change,)) + proof[at + 1 :]
        data = encode_receipt(fitted(honest, changed))
        found[refused_at(data, (at, change), twins)] += 1
    return found


@pytest.mark.parametrize("link", REFITTED)
def test_some_bytes_of_a_proof_whose_hashes_fit(link: str, chain: RealChain, twins: Twins) -> None:
    honest = chain.receipt(chain.together[0])
    many = SAMPLE // 4
    assert proof_bytes_refused(honest, link, many, twins) == {link: many}


@pytest.mark.parametrize(
    ("one", "two"), [("first", "second"), ("second", "lane"), ("lane", "first")]
)
def test_single_parts_of_another_receipt(
    one: str, two: str, twins: Twins, receipts: dict[str, bytes]
) -> None:
    for chosen, data in glued(receipts[one], receipts[two], most=1):
        assert_broken(data, chosen, receipts[one], twins)


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_every_leaf_thrice(name: str, twins: Twins, receipts: dict[str, bytes]) -> None:
    tried = set()
    for path, data in changed_leaves(
        receipts[name], [receipts[one] for one in CASES if one != name]
    ):
        assert_broken(data, path, receipts[name], twins)
        tried.add(path)
    assert tried == {path for path, _ in leaves(json.loads(receipts[name]))}


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_ten_thousand_single_bytes(name: str, twins: Twins, receipts: dict[str, bytes]) -> None:
    found = bytes_refused(receipts[name], MANY, twins)
    print(f"{name}: {dict(found)}")
    assert found.total() == MANY
    assert set(found) == set(LINKS) - {"proof"}, "which no byte reaches whose hash does not fit"


@pytest.mark.soak
@pytest.mark.parametrize("link", REFITTED)
@pytest.mark.parametrize("name", ["first", "lane"])
def test_ten_thousand_bytes_of_a_proof_whose_hashes_fit(
    name: str, link: str, chain: RealChain, twins: Twins
) -> None:
    """Of each proof once: the second call is in the first one's group and block."""
    txid = chain.lane if name == "lane" else chain.together[0]
    found = proof_bytes_refused(chain.receipt(txid), link, MANY, twins)
    print(f"{name}, {link}: {dict(found)}")
    assert found == {link: MANY}


@pytest.mark.soak
@pytest.mark.parametrize("one", CASES)
@pytest.mark.parametrize("two", CASES)
def test_all_pairs_of_parts(one: str, two: str, twins: Twins, receipts: dict[str, bytes]) -> None:
    for chosen, data in glued(receipts[one], receipts[two]):
        assert_broken(data, chosen, receipts[one], twins)


def named_elsewhere(receipt: AnswerReceipt) -> AnswerReceipt:
    """As a receipt of devnet, which the header contradicts."""
    network = replace(receipt.network, name=DEVNET.name, genesis_hash=genesis_hash(DEVNET))
    return replace(receipt, network=network)


def test_another_network(chain: RealChain) -> None:
    receipt = chain.receipt(chain.lane)
    broken = judge_bytes(encode_receipt(named_elsewhere(receipt)), chain.around()).broken
    assert broken is not None
    assert broken.name == "header"
    half = replace(receipt, network=replace(receipt.network, name=DEVNET.name))
    broken = judge_bytes(encode_receipt(half), chain.around()).broken
    assert broken is not None
    assert broken.name == "network"
    assert DEVNET.model.model_id == REGTEST.model.model_id, "else model says it first"
