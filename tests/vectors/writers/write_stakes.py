"""Write the golden vectors of a chain on which two stake and one delegates: states block by block.

    python -m tests.vectors.writers.write_stakes

Run it only to add vectors: states that change for an old block break every chain that exists.
Signing is hedged, so a signature that the file holds and that still fits is kept, and running this
again changes nothing.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from esper.consensus.block import decode_body
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.genesis import genesis_hash, parameter_bytes
from esper.consensus.template import BlockPlan
from esper.crypto.signing import KeyPair, key_from_seed
from esper.primitives.networks import REGTEST
from esper.vm.fees import least_fee
from esper.vm.governance.delegate import Delegate
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.support.fake_work import (
    FakeInference,
    FakeProver,
    FakeVerifier,
    fake_network,
    prompt_source,
)
from tests.support.plain_miner import Miner, standing
from tests.vectors.writers.write_signatures import kept_signature

FILE = Path(__file__).parents[1] / "stakes.json"

FIFTH = (1 << 512) // 5 - 1
PARAMS = fake_network(
    replace(
        REGTEST,
        # So that a block is five tickets, and a chain weighs no number of blocks.
        difficulty=replace(REGTEST.difficulty, genesis_target=FIFTH, max_target=FIFTH),
        # Everything soon: what is kept for four epochs is dropped before the last block.
        reward=replace(REGTEST.reward, maturity=2, unbonding=4),
        credits=replace(REGTEST.credits, epoch_blocks=3),
    )
)
MINER, OTHER = (key_from_seed(1, bytes([number]) * 32) for number in (3, 4))
HEIGHT = 15
"""The first reward matures at 3, where credits begin their second epoch; the sixth is at 15."""

TO_OTHER = Transfer((Output(OTHER.address.to_bytes(), 10**9),))
SENT: dict[int, tuple[tuple[KeyPair, Payload], ...]] = {
    3: ((MINER, TO_OTHER), (MINER, Stake(2 * 10**9))),
    4: ((OTHER, Stake(5 * 10**8)),),
    5: ((MINER, Delegate(OTHER.address.to_bytes())),),
    6: ((MINER, Stake(10**8)),),
    8: ((MINER, Unstake(4 * 10**8)), (OTHER, Unstake(10**8))),
    9: ((MINER, Delegate(b"")), (OTHER, Delegate(MINER.address.to_bytes()))),
    15: ((OTHER, Stake(1)),),
}
"""Senders and payloads by height."""


class _Signing:
    """Makes the transactions, in order."""

    def __init__(self, genesis_hash: bytes, old: list[bytes]) -> None:
        """``old`` are the signatures that the file holds, in order."""
        self._genesis_hash = genesis_hash
        self._old = iter(old)
        self._nonces: dict[bytes, int] = {}

    def signed(self, sender: KeyPair, payload: Payload) -> Transaction:
        """A sender's next transaction; its first carries its key."""
        address = sender.address.to_bytes()
        nonce = self._nonces.get(address, 0)
        self._nonces[address] = nonce + 1
        bare = Transaction(
            suite=sender.suite,
            sender=address,
            key=b"" if nonce else sender.public,
            nonce=nonce,
            fee=0,
            not_before=0,
            expiry=100,
            payload=payload,
            signature=b"",
        )
        bare = replace(bare, fee=least_fee(bare, PARAMS.limits))
        digest, old = bare.signing_digest(self._genesis_hash), next(self._old, b"")
        return replace(bare, signature=kept_signature(sender, digest, old.hex() or None))


def signatures_held(old: dict[str, Any]) -> list[bytes]:
    """Those of the transactions of a file's blocks, in order."""
    found: list[bytes] = []
    for block in old.get("blocks", []):
        data = bytes.fromhex(block["body"])
        # The last one is the coinbase.
        for transaction in decode_body(data, len(data)).transactions[:-1]:
            found.append(decode_transaction(transaction, len(transaction)).signature)
    return found


def grown(old: dict[str, Any]) -> Iterator[tuple[BlockBytes, ProvenChain]]:
    """Each block and the chain that it is the tip of; ``old`` is what the file holds."""
    chain, verifier = ProvenChain.genesis(PARAMS), FakeVerifier(PARAMS.model)
    signing = _Signing(chain.context.genesis_hash, signatures_held(old))
    miner = Miner(
        PARAMS,
        inference=FakeInference(PARAMS.model),
        prover=FakeProver(),
        bank=prompt_source(PARAMS),
        payee=MINER.address.to_bytes(),
        vrf_secret=bytes(32),
    )
    for height in range(1, HEIGHT + 1):
        time_ms = PARAMS.genesis_time_ms + 10_000 * height
        sent = tuple(signing.signed(*one) for one in SENT.get(height, ()))
        plan = BlockPlan(sent)
        block = miner.mine(chain.context, chain.state, standing(time_ms), plan).block
        chain = extend(chain, block, verifier, now_ms=time_ms)
        yield BlockBytes.of(block), chain


def document(old: dict[str, Any]) -> dict[str, Any]:
    """The file's content; ``old`` is what the file holds."""
    return {
        "parameters": parameter_bytes(PARAMS).hex(),
        "genesis_hash": genesis_hash(PARAMS).hex(),
        "blocks": [
            {
                "header": data.header.hex(),
                "body": data.body.hex(),
                "state_root": chain.state.root.hex(),
            }
            for data, chain in grown(old)
        ],
    }


if __name__ == "__main__":
    held = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(document(held), indent=1) + "\n")
