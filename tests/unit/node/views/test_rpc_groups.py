"""`submit_transaction` with groups: what they are for, and each refusal in its words."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

from esper.node.mining.proves.desk import CHECKS
from esper.node.views.pool_views import PoolViews
from esper.rpc import errors as e
from esper.rpc import schema as s
from esper.vm.payload import Output
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from tests.support.dao_kept import evidence_taken  # noqa: F401
from tests.support.node.evidence_world import CHAIN, ProveWorld, accused, lie
from tests.support.node.rpc_asking import refusal
from tests.support.vm_world import ALICE, BOB, COIN, address, make, sign


def asked(transaction: Transaction, *groups: bytes | str, replaces: Sequence[str] = ()) -> Any:
    texts = [one if isinstance(one, str) else b64encode(one).decode() for one in groups]
    return s.SubmitParams(transaction.to_bytes().hex(), list(replaces), texts)


class Views:
    """The view over a desk for proofs, and a mempool that takes nothing."""

    def __init__(self, *, mines: bool = True) -> None:
        self.world = ProveWorld()
        chain: Any = self.world
        mempool: Any = SimpleNamespace(pool=self.world.mempool.pool)
        proves = self.world.desk if mines else None
        self.pool = PoolViews(chain, mempool, lambda: 0, None, proves)

    def submit(self, params: s.SubmitParams) -> s.Submitted:
        async def main() -> s.Submitted:
            return await self.pool.submit(params)

        return trio.run(main)

    def refused(self, params: s.SubmitParams) -> tuple[str, bool, str]:
        """Rule, whether to try again, and the sentence."""

        async def main() -> Any:
            return await refusal(self.pool.submit(params))

        error = trio.run(main)
        assert error.code == e.REFUSED
        return error.data["rule"], error.data["retry"], error.message


def test_a_prove_is_taken_with_its_group() -> None:
    views = Views()
    transaction, group = accused(lie())
    taken = views.submit(asked(transaction, group.to_bytes()))
    assert taken == s.Submitted(transaction.txid.hex(), None)
    assert views.world.block() == ([transaction], [group])
    other, its_group = accused(lie(1))
    named = asked(other, its_group.to_bytes(), replaces=[transaction.txid.hex()])
    assert views.submit(named).replaced == transaction.txid.hex()


@pytest.mark.parametrize(
    ("text", "said"),
    [("AAA", "groups[1]: no base64: "), ("AAAA", "groups[1]: call group: ")],
)
def test_what_is_no_group_is_named(text: str, said: str) -> None:
    transaction, group = accused(lie())
    rule, retry, sentence = Views().refused(asked(transaction, group.to_bytes(), text))
    assert (rule, retry) == ("GroupFormError", False)
    assert sentence.startswith(said)


def test_groups_are_of_proofs_alone() -> None:
    transfer = make(ALICE, Transfer((Output(address(BOB), COIN),)), 0)
    refused = Views().refused(asked(sign(ALICE, transfer, CHAIN.genesis_hash), b"\x00"))
    assert refused == (
        *("GroupsOfProveError", False),
        "groups: a transfer has none; they go with a prove alone",
    )


def test_a_node_that_does_not_mine_says_so() -> None:
    transaction, group = accused(lie())
    rule, retry, sentence = Views(mines=False).refused(asked(transaction, group.to_bytes()))
    assert (rule, retry) == ("NotMinedHereError", False)
    assert "hand it to a node that mines" in sentence


def test_rules_and_refusals_are_named() -> None:
    views = Views()
    transaction, group = accused(lie(), room=1)
    rule, retry, _ = views.refused(asked(transaction, group.to_bytes()))
    assert (rule, retry) == ("AuditRoomViolation", False)
    views.world.desk._checked.update(bytes([number]) for number in range(CHECKS))
    transaction, group = accused(lie())
    rule, retry, _ = views.refused(asked(transaction, group.to_bytes()))
    assert (rule, retry) == ("ChecksWaitError", True)


@pytest.mark.parametrize(
    "groups",
    [["A" * (4 * (1 << 20))], ["AAAA"] * 3, ["A A="], [""]],
    ids=["long", "many", "no base64", "empty"],
)
def test_what_is_too_much_is_no_request(groups: list[str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"hex": "00", "groups": groups}, s.SubmitParams)


def test_the_largest_group_of_a_block_is_a_request() -> None:
    largest = b64encode(bytes(1 << 20)).decode()
    msgspec.convert({"hex": "00", "groups": [largest]}, s.SubmitParams)
