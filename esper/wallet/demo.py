"""The demonstration wallet of networks without value: its key and its password are public."""

from pathlib import Path
from typing import Final

from esper.crypto.demo_key import DEMO_SEED
from esper.primitives.params import NetworkParameters
from esper.wallet.errors import MisuseError, WalletExistsError
from esper.wallet.files.cost import Cost
from esper.wallet.files.folder import WalletFolder
from esper.wallet.keys import Randomness, new_wallet
from esper.wallet.secrets import Secrets

DEMO_NAME: Final = "demo"
DEMO_PASSWORD: Final = "demo"

DEMO_COST: Final = Cost(memory_kib=64, iterations=1, lanes=1)
"""The least: there is nothing to protect, and a node starts at once."""


def demo_wallet(datadir: Path, params: NetworkParameters, randomness: Randomness) -> bool:
    """Make the wallet ``demo`` in a data directory, password ``demo``. False if it was there.

    Raises MisuseError on networks whose coins have value.
    """
    if not params.is_local:
        raise MisuseError(f"{params.name} has no demonstration wallet: everyone could spend it")
    wallet = new_wallet(
        params, Secrets(seeds=(DEMO_SEED,)), DEMO_PASSWORD, randomness, cost=DEMO_COST
    )
    try:
        WalletFolder(datadir).create(DEMO_NAME, wallet)
    except WalletExistsError:
        return False
    return True
