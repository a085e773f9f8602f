"""Promises: signed records of answers, as the receipts that their holders get."""

from collections.abc import Callable
from functools import cache, partial

import trio

from esper.gateway.ports import Given, Promised, Signed
from esper.gateway.reduction import Reduction
from esper.gateway.requests.asked import Message
from esper.node.calls.receipt_words import ReceiptWords
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_view import ChainView
from esper.node.gateway.gateway_account import GatewayAccount
from esper.node.gateway.named_models import named_model
from esper.primitives.address import Address
from esper.primitives.ids import ModelId
from esper.receipts.build import build_promise
from esper.receipts.form import decode_receipt, encode_receipt
from esper.receipts.parts import AskedFor
from esper.receipts.parts import Message as Asked
from esper.receipts.parts import Signed as SignedPart
from esper.receipts.promise import Promise, decode_promise, request_hash

AT_ONCE = 4
"""Signatures that are made at once, a millisecond each."""


class PromiseSigner:
    """A ``SignerPort``."""

    def __init__(
        self, account: GatewayAccount, view: Callable[[], ChainView], texts: TextService
    ) -> None:
        """``view``: the chain as it stands."""
        self._account = account
        self._view = view
        self._texts = texts
        self._limiter = trio.CapacityLimiter(AT_ONCE)

    @property
    def address(self) -> str:
        """Whose signature promises have."""
        return _address_text(self._account.address, self._view().params.address_prefix)

    async def sign(self, given: Given) -> Signed:
        """The promise of an answer."""
        work = partial(self._sign, given, self._view())
        return await trio.to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)

    def promised(self, receipt: bytes) -> Promised:
        """Read a promise that ``sign`` made. Raises ValueError for what is none."""
        promise = read_promise(receipt)[0]
        return Promised(promise.model_id, len(promise.prompt), promise.answer)

    def _sign(self, given: Given, view: ChainView) -> Signed:
        model_id, asked, height = (
            ModelId(given.model_id),
            asked_for(given.asked),
            view.context.height,
        )
        promise = Promise(
            genesis_hash=view.context.genesis_hash,
            gateway=self._account.address,
            model_id=model_id,
            prompt=given.prompt,
            max_tokens=len(given.answer),
            answer=given.answer,
            request=request_hash(asked),
            height=height,
        )
        model = named_model(model_id, view)
        words = ReceiptWords(self._texts.of(model_id), model.entry.tokenizer_id)
        receipt = build_promise(
            view.params,
            view.context.genesis_hash,
            self._account.promise(promise.to_bytes()),
            asked,
            model,
            words,
        )
        return Signed(encode_receipt(receipt), height)


@cache
def _address_text(address: bytes, prefix: str) -> str:
    # Told with every answer; one an account.
    return Address.from_bytes(address).to_text(prefix)


def asked_for(asked: Reduction) -> AskedFor:
    """What was asked, as receipts have it."""
    given: str | tuple[int, ...] | tuple[Asked, ...]
    if isinstance(asked.input, str):
        given = asked.input
    else:
        messages = [one for one in asked.input if isinstance(one, Message)]
        tokens = tuple(one for one in asked.input if isinstance(one, int))
        given = tuple(Asked(one.role, one.content) for one in messages) or tokens
    return AskedFor(asked.endpoint, asked.model, given, asked.max_tokens, asked.stop)


def read_promise(receipt: bytes) -> tuple[Promise, SignedPart, AskedFor]:
    """Record, signature and request of a promise's receipt. Raises ValueError for what is none."""
    found = decode_receipt(receipt)
    if found.instant is None or found.request is None:
        raise ValueError("the receipt is no promise: it has no `instant` or no `request`")
    return decode_promise(found.instant.record), found.instant, found.request
