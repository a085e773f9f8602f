"""Wallets of tests: fixed secrets, counted randomness, and the cheapest key derivation."""

from collections.abc import Callable

from esper.primitives.networks import REGTEST
from esper.wallet.files.cost import Cost
from esper.wallet.files.keystore import WalletFile
from esper.wallet.keys import new_wallet
from esper.wallet.secrets import Secrets

CHEAP = Cost(memory_kib=8, iterations=1, lanes=1)
PASSWORD = "correct horse"
ENTROPY = bytes(range(100, 132))
SECRETS = Secrets(ENTROPY)


def counted() -> Callable[[int], bytes]:
    """Randomness that never repeats and is the same in every run."""
    drawn = 0

    def draw(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return drawn.to_bytes(size, "big")

    return draw


def wallet(secrets: Secrets = SECRETS, addresses: int = 1) -> WalletFile:
    return new_wallet(REGTEST, secrets, PASSWORD, counted(), addresses=addresses, cost=CHEAP)
