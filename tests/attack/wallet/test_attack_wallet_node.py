"""Attacks on a wallet by the node that it asks."""

from dataclasses import replace

import pytest

from esper.vm.payload import Output
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from tests.support.vm_world import BOB, COIN, address, make
from tests.support.wallet.wallet_console import Console, console, own_key

__all__ = ["console"]


def forged(fee: int = 100_000) -> Transaction:
    """A payment to Bob in the wallet's name that the wallet never signed."""
    theft = make(own_key(), Transfer((Output(address(BOB), 500 * COIN),)), 0, fee=fee)
    return replace(theft, signature=BOB.sign(theft.signing_digest(bytes(64))))


@pytest.mark.parametrize("signature", [b"", bytes(3309), None], ids=["none", "zeros", "others"])
def test_bump_signs_no_payment_that_the_node_made_up(
    console: Console, signature: bytes | None
) -> None:
    """A txid covers everything but the signature: anybody can make one in the wallet's name."""
    console.wallet()
    theft = forged()
    theft = theft if signature is None else replace(theft, signature=signature)
    console.node.pending[theft.txid.hex()] = theft
    assert "nobody with this wallet's key" in console.error("bump", theft.txid.hex(), "--yes")
    assert list(console.node.pending) == [theft.txid.hex()]


def test_cancel_burns_no_fee_that_the_node_made_up(console: Console) -> None:
    console.wallet()
    theft = forged(fee=400 * COIN)
    console.node.pending[theft.txid.hex()] = theft
    assert "nobody with this wallet's key" in console.error("cancel", theft.txid.hex(), "--yes")
    assert list(console.node.pending) == [theft.txid.hex()]
