"""Measure how fast a full mempool admits transfers.

python -m bench.mempool_bench [--newcomers 2000] [--known] [--profile]

The mempool holds 64 MiB of transfers of as many senders. Newcomers pay more, so each evicts others;
each is decoded beforehand, and its signature is checked. Transfers carry their key (5.4 kB) or,
with --known, leave it out (3.4 kB). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import json
import pstats
import time
from contextlib import suppress
from dataclasses import replace

from esper.consensus.context import ChainContext
from esper.crypto.signing import KeyPair, key_from_seed
from esper.mempool.errors import MempoolFullError
from esper.mempool.pool import Mempool
from esper.primitives.networks import REGTEST
from esper.primitives.units import UNITS_PER_ESP
from esper.vm.ledger import Ledger
from esper.vm.payload import Output
from esper.vm.records import Account, KnownKey
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.transfer import Transfer
from esper.vm.view import Overlay

CHAIN = ChainContext.genesis(REGTEST)
FEE = 100_000
LIMIT = REGTEST.limits.transaction_bytes
PER_SENDER = 32


class _Nothing:
    def get(self, path: bytes) -> bytes | None:
        """A state without records."""
        return None


def transfer(key: KeyPair, nonce: int, fee: int, *, known: bool) -> Transaction:
    """A signed transfer as it comes from the wire."""
    unsigned = Transaction(
        suite=key.suite,
        sender=key.address.to_bytes(),
        key=b"" if known else key.public,
        nonce=nonce,
        fee=fee,
        not_before=0,
        expiry=1 << 31,
        payload=Transfer((Output(key.address.to_bytes(), UNITS_PER_ESP),)),
        signature=b"",
    )
    signed = replace(unsigned, signature=key.sign(unsigned.signing_digest(CHAIN.genesis_hash)))
    return decode_transaction(signed.to_bytes(), LIMIT)


def keys(count: int) -> list[KeyPair]:
    """As many senders."""
    return [
        key_from_seed(1, hashlib.sha3_256(b"mempool %d" % number).digest())
        for number in range(count)
    ]


def measured(newcomers: int, *, known: bool, profiled: bool) -> dict[str, float]:
    """Fill the mempool, then admit this many that pay more."""
    size = 3_400 if known else 5_400
    pool = Mempool(REGTEST)
    room = pool.statistics().fee_limit
    poor, rich = room // (size + 1_000) // PER_SENDER + 1, newcomers // PER_SENDER + 1
    senders = keys(poor + rich)
    state = Overlay(_Nothing())
    ledger = Ledger(state)
    for key in senders:
        ledger.set_account(key.address.to_bytes(), Account(balance=10**6 * UNITS_PER_ESP))
        if known:
            ledger.set_known_key(key.address.to_bytes(), KnownKey(key.suite, key.public))
    waiting = [(key, nonce) for nonce in range(PER_SENDER) for key in senders[:poor]]
    with suppress(MempoolFullError):
        for key, nonce in waiting:
            pool.add(transfer(key, nonce, FEE, known=known), state, CHAIN, now_ms=0)
    arriving = [
        transfer(key, nonce, 2 * FEE, known=known)
        for nonce in range(PER_SENDER)
        for key in senders[poor:]
    ][:newcomers]
    profile = cProfile.Profile()
    if profiled:
        profile.enable()
    began = time.perf_counter()
    for transaction in arriving:
        pool.add(transaction, state, CHAIN, now_ms=0)
    seconds = time.perf_counter() - began
    if profiled:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    return {
        "per_second": len(arriving) / seconds,
        "held_mib": pool.statistics().fee_bytes / 2**20,
        "held": len(pool),
        "bytes": len(arriving[0].to_bytes()),
    }


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--newcomers", type=int, default=2000)
    parser.add_argument("--known", action="store_true", help="without the senders' keys")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    options = parser.parse_args()
    print(json.dumps(measured(options.newcomers, known=options.known, profiled=options.profile)))


if __name__ == "__main__":
    main()
