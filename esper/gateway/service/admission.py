"""From a request that was read to a call that waits: model, tokens, room, reservation, place."""

from collections.abc import Sequence
from dataclasses import dataclass

from esper.gateway.keys import Account
from esper.gateway.ports import ChatPrompt, TextPort, TextRefusedError
from esper.gateway.refusals import Refused, jittered
from esper.gateway.requests.asked import Message, Request
from esper.gateway.requests.room import INPUT_FIELDS, answer_room, check_token_ids
from esper.gateway.service.books.calls import Books, Call, Price
from esper.gateway.service.clock import Clock
from esper.gateway.service.desks.model_list import ModelList
from esper.gateway.service.settings import ServiceSettings
from esper.gateway.service.waiting.fair_queue import QueueFullError
from esper.gateway.service.waiting.minute_limits import MinuteLimits
from esper.gateway.service.waiting.slot_desk import SlotDesk

FULL_MS = 2_000
"""Milliseconds after which a full queue is worth another try."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Lets requests in, one after the other."""

    books: Books
    models: ModelList
    desk: SlotDesk
    limits: MinuteLimits
    settings: ServiceSettings
    clock: Clock

    def take_request(self, account: Account) -> None:
        """Count a request of the minute. Raises Refused."""
        short = self.limits.take_request(
            account.id,
            account.requests_per_minute,
            account.tokens_per_minute,
            self.clock.steady_ms(),
        )
        if short is not None:
            raise self._over(short.what, short.limit, short.wait_ms)

    async def admit(self, call: str, request: Request, account: Account) -> Call:
        """The call of a request. Raises Refused; what was taken before is given back then.

        The reservation is the caller's to give back (``Books.forget``), here as later.
        """
        begun_ns = self.clock.now_ns()
        self.books.refuse_if_unready()
        model, text = self.models.find(request.model)
        prices = self.books.prices(request, account)
        check_token_ids(request, model.vocabulary)
        found = await _prompt(request, text)
        prompt = tuple(found.tokens)
        most = answer_room(request, len(prompt), model.rows, self.settings.longest)
        taken = len(prompt) + most
        short = self.limits.take_tokens(account.id, taken, self.clock.steady_ms())
        if short is not None:
            raise self._over(short.what, short.limit, short.wait_ms)
        try:
            price = await self._reserve(call, account, prices, len(prompt), most)
            ticket = self.desk.join(account, model)
        except BaseException as error:
            self.limits.give_back(account.id, taken)
            if isinstance(error, QueueFullError):
                raise self._full(error) from None
            raise
        return Call(
            id=call,
            account=account,
            request=request,
            model=model,
            text=text,
            prompt=prompt,
            public=found.public,
            most=most,
            price=price,
            ticket=ticket,
            begun_ns=begun_ns,
            created=self.clock.now_ms() // 1000,
        )

    def leave(self, call: Call, used: int) -> None:
        """Give back place or slot, and the tokens of the minute beyond those used; once."""
        if self.desk.leave(call.ticket):
            self.limits.give_back(call.account.id, call.taken_tokens - used)

    async def _reserve(
        self, call: str, account: Account, prices: Sequence[Price], prompt: int, most: int
    ) -> Price:
        for price in prices:
            if await self.books.reserve(call, account, price.most(prompt, most)):
                return price
        raise Refused(
            "insufficient_quota",
            f"the key's budget of this period does not hold {prices[-1].most(prompt, most)} "
            "micro-credits: ask for fewer tokens, or its owner for more",
        )

    def _over(self, what: str, limit: int, wait_ms: int) -> Refused:
        return Refused(
            "rate_limit_exceeded",
            f"the key has {limit} {what} a minute and used them: wait",
            retry_ms=max(wait_ms, jittered(wait_ms, self.clock.chance())),
        )

    def _full(self, error: QueueFullError) -> Refused:
        whose = "of this key " if error.of_key else ""
        return Refused(
            "engine_overloaded",
            f"{error.waiting} requests {whose}wait already: try again",
            retry_ms=jittered(FULL_MS, self.clock.chance()),
        )


async def _prompt(request: Request, text: TextPort) -> ChatPrompt:
    """Tokens; only of a template's can any be public, whatever else begins like it."""
    field, found = INPUT_FIELDS[request.endpoint], request.input
    try:
        if isinstance(found, str):
            return ChatPrompt(await text.of_text(found), 0)
        messages = [one for one in found if isinstance(one, Message)]
        if messages:
            return await text.of_messages(messages)
    except TextRefusedError as error:
        raise Refused("invalid_value", f"{field}: {error}", field) from None
    return ChatPrompt([one for one in found if isinstance(one, int)], 0)
