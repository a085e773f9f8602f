"""The gateway's account: its key signs promises and the calls that prove them, nothing else."""

from typing import Final

from esper.crypto.signing import KeyPair, key_from_seed
from esper.gateway.proving_rows import Sign
from esper.node.calls.signed_transaction import signed_transaction
from esper.primitives.address import SUITE_ML_DSA_65
from esper.primitives.ids import ModelId
from esper.primitives.params import LimitParameters
from esper.receipts.parts import Signed
from esper.receipts.promise import promise_digest
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer

CANCEL_UNITS: Final = 1
"""What a cancel pays, to the account itself: what it costs is its fee."""


class GatewayAccount:
    """Signs for the gateway. Belongs to one network: a signature names its genesis."""

    def __init__(self, seed: bytes, genesis_hash: bytes) -> None:
        """``seed``: the 32 bytes of ``gateway.key``."""
        self._key: Final[KeyPair] = key_from_seed(SUITE_ML_DSA_65, seed)
        self.genesis_hash = genesis_hash
        """64 bytes."""
        self.address = self._key.address.to_bytes()
        """33 bytes."""

    def promise(self, record: bytes) -> Signed:
        """A promise's record, signed."""
        return Signed(record, self._key.public, self._key.sign(promise_digest(record)), None)

    def call(
        self,
        sign: Sign,
        model_id: ModelId,
        prompt: tuple[int, ...],
        tokens: int,
        limits: LimitParameters,
    ) -> Transaction:
        """The call that proves an answer of so many tokens."""
        return self._signed(sign, LlmCall(model_id, prompt, tokens, sign.bid), limits)

    def cancel(self, sign: Sign, limits: LimitParameters) -> Transaction:
        """What uses a nonce up and does nothing else: it pays the account a unit of its own.

        Every kind but a call pays a fee, so the account needs a few coins for one.
        """
        return self._signed(sign, Transfer((Output(self.address, CANCEL_UNITS),)), limits)

    def _signed(
        self, sign: Sign, payload: LlmCall | Transfer, limits: LimitParameters
    ) -> Transaction:
        return signed_transaction(
            self._key,
            payload,
            nonce=sign.nonce,
            expiry=sign.expiry,
            limits=limits,
            genesis_hash=self.genesis_hash,
        )
