"""What whoever signs for the DAO reads: effect, bond, what may burn, and heights."""

from dataclasses import replace

import pytest

from esper.dao.benchmarks.item_proof import item_proof_bytes
from esper.dao.benchmarks.report import ReportBody, bits_of, report_bytes
from esper.dao.bodies import BODIES, Body, ChangeBody, ModelBody, RollbackBody
from esper.primitives.codec import encode
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.rpc.methods import GET_ACCOUNT
from esper.rpc.schema import AccountParams, AccountReply
from esper.vm.governance.claim import Claim
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.prove import Prove
from esper.vm.governance.vote import Vote
from esper.vm.payload import Payload
from esper.wallet.dao_words import omega_text, part_text
from esper.wallet.describing import described
from esper.wallet.errors import FundsShortError
from esper.wallet.making.affordability import check_affordable
from tests.support.bench_suites import item, text_suite
from tests.support.dao_world import change_body, model_body, proving
from tests.support.hidden_sets import QUESTIONS, TOKENIZER, opens, withdrawal
from tests.support.vm_world import ALICE, BOB, COIN, World, address, make
from tests.support.wallet.fake_wallet_node import FakeNode

ID = Txid(bytes([0xAB]) * 64)
TEXT = BOB.address.to_text("resp")


def lines(payload: Payload, account: AccountReply | None = None) -> list[tuple[str, str]]:
    found = described(make(ALICE, payload, 0), REGTEST, {TEXT: "Bob"}, account)
    assert found[0][0] == "from"
    return found[1:]


def said(payload: Payload, account: AccountReply | None = None) -> dict[str, str]:
    return dict(lines(payload, account))


def proposed(body: Body, bond: int = 3 * COIN) -> Propose:
    subject = {ModelBody: 1, ChangeBody: 2, RollbackBody: 3}[type(body)]
    return Propose(subject, bond, encode(BODIES[subject], body))


def account(height: int) -> AccountReply:

    node = FakeNode(World(height=height))
    return node.call(GET_ACCOUNT, AccountParams(ALICE.address.to_text("resp")))


def test_a_change() -> None:
    body = change_body(
        settings=[(6, 20), (12, 7)], shares=[(0, 40_000), (1, 25_536)], omegas=[(1, 137_625)]
    )
    body = replace(body, retire=(4,), link=b"https://example.org")
    found = lines(proposed(body))
    assert found[:6] == [
        ("propose", "a change of the network's parameters"),
        ("set", "minimum_bid to 20"),
        ("set", "fee_per_byte to 7"),
        ("retire", "tier 4: its model is not mined any more"),
        ("share", "of tier 0 to 61.03 %"),
        ("share", "of tier 1 to 38.96 %"),
    ]
    named = dict(found)
    assert named["omega"] == "of tier 1 to 2.1000"
    assert named["link"] == "https://example.org"
    assert named["bond"] == "3 ESP, held until the vote closes"
    assert named["may burn"].startswith("nothing if it passes, or 20 % of the quorum vote; else a")
    # V 12, t 2, G 32: without a node no height is known.
    assert named["opens"] == "with its block the earliest"
    assert named["closes"] == "12 blocks after its block, at most 6 blocks later if it swings"
    assert named["acts"] == "44 blocks after its block the earliest, if it passes"


def test_heights_count_from_the_chains() -> None:
    found = said(proposed(change_body(settings=[(6, 20)])), account(19))
    assert found["opens"] == "at height 20 the earliest"
    assert found["closes"] == "at height 32, at most 6 blocks later if it swings"
    assert found["acts"] == "at height 64 the earliest, if it passes"
    assert found["total"] == "3.001 ESP", "the bond is part of what goes"


def test_a_model() -> None:
    body = model_body(tier=2, share=8192)
    found = said(proposed(body))
    assert (
        found["propose"] == "model Another model for tier 2, a new one with 12.50 % of all blocks"
    )
    assert found["model"] == body.entry.model_id.hex()
    assert found["package"] == body.package.hex()
    assert found["weighs"].startswith(omega_text(body.omega))
    assert (found["licence"], found["prompts"]) == ("MIT", f"{body.entry.bank_size} in its bank")


def test_a_rollback() -> None:
    found = said(proposed(RollbackBody(ID)), account(33))
    assert found["propose"] == "a rollback: a model is not activated, or taken back"
    assert found["of"] == f"proposal {ID.hex()}"
    assert found["closes"] == "at height 37"
    assert "20 blocks after the vote that reaches two thirds" in found["acts"]


@pytest.mark.parametrize(
    ("choice", "word"), [(0, "no"), (1, "yes"), (2, "abstain"), (7, "choice 7")]
)
def test_a_vote(choice: int, word: str) -> None:
    found = said(Vote(ID, choice))
    assert found["vote"] == f"{word}, on proposal {ID.hex()}"
    assert "for good" in found["counts"]


def test_a_delegation_and_its_end() -> None:
    assert said(Delegate(address(BOB)))["delegate"].startswith(f"{TEXT} (Bob) votes with this")
    assert said(Delegate(b""))["delegate"] == "nobody"


def test_a_proof() -> None:
    found = said(proving(ID, 17, room=70))
    assert found["ready"] == f"for the model of proposal {ID.hex()}"
    assert (found["mined"], found["proof"]) == (
        "block 17",
        "70 bytes at most, paid for by the byte",
    )


def test_what_cannot_be_read_is_said_and_shown() -> None:
    found = said(Propose(2, COIN, b"\1\2"))
    assert found["propose"].startswith("something that no block takes")
    assert (found["body"], found["bond"]) == ("0102", "1 ESP, held until the vote closes")
    assert "may burn" not in found
    assert said(Prove(1, ID, 0, b""))["prove"].startswith("nothing that a block takes")
    found = said(Claim(1, COIN, b"\1"))
    assert found["claim"].startswith("something that no block takes")
    assert "may burn" not in found


def test_a_report() -> None:
    bits = bits_of((True, False, True))
    found = said(Claim(1, 2 * COIN, report_bytes(ReportBody(ID, 3, bits))))
    assert found["report"] == "2 right items of suite 3"
    assert found["on"] == f"the model of proposal {ID.hex()}"
    assert found["bond"].startswith("2 ESP, held")
    assert found["may burn"].startswith("all of it")


def test_a_proof_of_an_item() -> None:
    suite = text_suite((item(),))
    found = said(Prove(2, ID, 9, item_proof_bytes(suite.proof(0, ()))))
    assert found["prove"].startswith("what item 0 of a benchmark suite")
    assert found["of report"] == ID.hex()
    assert found["proof"].startswith("9 bytes at most")


def test_a_hidden_set() -> None:
    found = said(QUESTIONS.claim(COIN))
    assert found["hidden set"].startswith("200 items")
    assert (found["root"], found["for tokenizer"]) == (QUESTIONS.tree.root.hex(), TOKENIZER.hex())
    assert found["bond"].startswith("1 ESP, held until the set ends")
    assert found["may burn"].startswith("all of it")
    found = said(withdrawal(ID))
    assert found["take back"] == f"hidden set {ID.hex()}"
    assert "bond" not in found
    found = said(opens(ID, QUESTIONS.proof([0, 1]), 9))
    assert (found["prove"], found["of set"]) == ("2 items of a hidden set", ID.hex())
    assert found["proof"].startswith("9 bytes at most")


def test_a_bond_must_be_there() -> None:
    payload = proposed(RollbackBody(ID), bond=2000 * COIN)
    with pytest.raises(FundsShortError, match="this needs 2000 ESP and"):
        check_affordable(account(1), payload, 1000, REGTEST)
    check_affordable(account(1), proposed(RollbackBody(ID), bond=999 * COIN), 1000, REGTEST)


def test_parts_and_weights() -> None:
    assert (part_text(65_536), part_text(7), part_text(32_768)) == ("100.00 %", "0.01 %", "50.00 %")
    assert (omega_text(65_536), omega_text(98_304), omega_text(1)) == ("1.0000", "1.5000", "0.0000")
