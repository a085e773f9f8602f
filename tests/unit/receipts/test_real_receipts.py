"""Receipts of regtest with real proofs, real work and an anchor: honest ones, and forged ones."""

import json
from dataclasses import replace

import pytest

from esper.consensus.genesis import genesis_hash
from esper.primitives.networks import DEVNET, REGTEST
from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.parts import AnswerReceipt
from esper.receipts.verdict import EXIT_PROVEN, LINKS
from tests.support.real_chain import RealChain, real_chain
from tests.support.receipt_mutations import changed_bytes, changed_leaves, glued, leaves

CASES = ("first", "second", "lane")
SAMPLE = 120
"""Of leaves and bytes in every run; all of them are a soak."""


@pytest.fixture(scope="module")
def chain() -> RealChain:
    return real_chain()


@pytest.fixture(scope="module")
def receipts(chain: RealChain) -> dict[str, bytes]:
    ids = (*chain.together, chain.lane)
    pairs = zip(CASES, ids, strict=True)
    return {name: encode_receipt(chain.promised(txid)) for name, txid in pairs}


def assert_broken(data: bytes, what: object, honest: bytes, chain: RealChain) -> None:
    if data == honest:
        return
    broken = judge_bytes(data, chain.around()).broken
    assert broken is not None, what
    assert broken.name in LINKS
    assert broken.detail


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
def test_some_leaves_thrice(name: str, chain: RealChain, receipts: dict[str, bytes]) -> None:
    changed = list(changed_leaves(receipts[name], [receipts[one] for one in CASES if one != name]))
    step = max(1, len(changed) // SAMPLE)
    for path, data in changed[::step]:
        assert_broken(data, path, receipts[name], chain)


def test_some_single_bytes(chain: RealChain, receipts: dict[str, bytes]) -> None:
    for at, data in changed_bytes(receipts["lane"], SAMPLE):
        assert_broken(data, at, receipts["lane"], chain)


@pytest.mark.parametrize(
    ("one", "two"), [("first", "second"), ("second", "lane"), ("lane", "first")]
)
def test_single_parts_of_another_receipt(
    one: str, two: str, chain: RealChain, receipts: dict[str, bytes]
) -> None:
    for chosen, data in glued(receipts[one], receipts[two], most=1):
        assert_broken(data, chosen, receipts[one], chain)


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_every_leaf_thrice(name: str, chain: RealChain, receipts: dict[str, bytes]) -> None:
    tried = set()
    for path, data in changed_leaves(
        receipts[name], [receipts[one] for one in CASES if one != name]
    ):
        assert_broken(data, path, receipts[name], chain)
        tried.add(path)
    assert tried == {path for path, _ in leaves(json.loads(receipts[name]))}


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_ten_thousand_single_bytes(name: str, chain: RealChain, receipts: dict[str, bytes]) -> None:
    for at, data in changed_bytes(receipts[name], 10_000):
        assert_broken(data, at, receipts[name], chain)


@pytest.mark.soak
@pytest.mark.parametrize("one", CASES)
@pytest.mark.parametrize("two", CASES)
def test_all_pairs_of_parts(
    one: str, two: str, chain: RealChain, receipts: dict[str, bytes]
) -> None:
    for chosen, data in glued(receipts[one], receipts[two]):
        assert_broken(data, chosen, receipts[one], chain)


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
