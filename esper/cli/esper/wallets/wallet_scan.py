"""`esper wallet scan`: addresses of the words that were used and that the wallet lacks."""

from __future__ import annotations

from esper.cli.esper import environment
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, WalletName, session
from esper.rpc.schema import AsOf
from esper.wallet.keys import address_of_words, next_index, with_addresses_up_to
from esper.wallet.moments import as_of_text
from esper.wallet.scanning import GAP_LIMIT, scanned


def scan_command(
    wallet: WalletName = None, datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False
) -> None:
    """Ask the node which further addresses of the words were used, and take them in."""
    with session(datadir, wallet, as_json) as s:
        file, secrets, password = s.file, s.secrets, s.password
        before = {own.address for own in file.addresses}
        found = scanned(
            s.node, lambda index: address_of_words(s.params, secrets, index), next_index(file)
        )
        if found.end > next_index(file):
            file = s.folder.update(
                s.name,
                lambda file: with_addresses_up_to(
                    file, password, found.end, environment.randomness
                ),
            )
        fresh = [own.address for own in file.addresses if own.address not in before]
        lines = [as_of_text(AsOf(found.height, found.synced), s.status), *fresh]
        more = f"{len(fresh) or 'no'} more address" + ("" if len(fresh) == 1 else "es")
        lines.append(
            f"{more}; the {GAP_LIMIT} behind the wallet's last were never used"
            if found.complete
            else f"{more}, and there may be others: scan again"
        )
        document = {
            "wallet": s.name,
            "addresses": fresh,
            "asked": found.asked,
            "complete": found.complete,
            "as_of": {"height": found.height, "synced": found.synced},
        }
        s.answer(document, *lines)
