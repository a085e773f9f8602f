"""The books of a node: keys, budgets, promises and repeats in its database."""

from dataclasses import dataclass, field, replace

import trio

from esper.gateway.console.session_secrets import is_secret, kept_hash
from esper.gateway.keys import CONSOLE_ID, LOCAL_ID, Account, KeyFormError, Scope, is_key_of, key_id
from esper.gateway.ports import (
    CallState,
    ChainPort,
    Given,
    ProvingPort,
    Serving,
    Signed,
    SignerPort,
    StorePort,
)
from esper.gateway.proving_rows import Row
from esper.gateway.reduction import reduce_request
from esper.gateway.refusals import Refused, jittered
from esper.gateway.replies.parts import Ending, Note
from esper.gateway.requests.asked import Prove, Request, Wait
from esper.gateway.service.books.calls import Call, Price
from esper.gateway.service.books.whole_bytes import reply_bytes
from esper.gateway.service.clock import Clock
from esper.gateway.service.progress import AnswerProgress
from esper.gateway.service.settings import ServiceSettings
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.receipts import Instant
from esper.gateway.store.repeats import Seen

UNREADY_MS = 2_000
BACKLOG_MS = 20_000


@dataclass(frozen=True, slots=True)
class KeptBooks:
    """See ``Books``."""

    store: StorePort
    signer: SignerPort
    proving: ProvingPort
    chain: ChainPort
    settings: ServiceSettings
    clock: Clock
    owed: set[str] = field(default_factory=set)
    """Calls to be given back, which a full disk has hindered; the next one takes them along."""

    async def account(self, key: str) -> Account | None:
        """The usable account of a key as sent, None for a wrong one."""
        try:
            name = key_id(key)
        except KeyFormError:
            return None
        found = await self.store.ask(lambda store: store.accounts.find(name))
        if not is_key_of(key, found) or found is None or not found.usable(self.clock.now_ms()):
            return None
        return found

    async def local(self) -> Account | None:
        """The usable account ``local``."""
        found = await self.store.ask(lambda store: store.accounts.find(LOCAL_ID))
        return found if found is not None and found.usable(self.clock.now_ms()) else None

    async def signed_in(self, session: str) -> Account | None:
        """The usable account ``console`` for an open session."""
        if not is_secret(session):
            return None
        digest, now = kept_hash(session), self.clock.now_ms()

        def find(store: GatewayStore) -> Account | None:
            return store.accounts.find(CONSOLE_ID) if store.sign_ins.is_open(digest, now) else None

        found = await self.store.ask(find)
        return found if found is not None and found.usable(now) else None

    def refuse_if_unready(self) -> None:
        """Raises Refused while nothing is answered."""
        serving = self.chain.serving()
        if serving is Serving.NOT_READY:
            raise Refused(
                "not_ready",
                f"the node does not answer yet: {self.chain.why_not_ready()}",
                retry_ms=jittered(UNREADY_MS, self.clock.chance()),
            )
        if serving is Serving.DISAGREES:
            raise Refused(
                "engine_disagrees", "this node's answers are in doubt: its operator must look at it"
            )

    def prices(self, request: Request, account: Account) -> list[Price]:
        """What may be reserved, the first that the budget holds. Raises Refused."""
        rate, wish = self.settings.rate, _wish(request, account)
        promise = Price(rate, None)
        if wish is Prove.NEVER:
            if request.wait is Wait.PROVEN:
                raise Refused(
                    "invalid_value",
                    "esper.wait is proven and the answer is not to be: send esper.prove always",
                    "esper.wait",
                )
            return [promise]
        ceiling = account.max_price
        if request.max_price is not None:
            ceiling = min(ceiling, request.max_price)
        proof = Price(rate, ceiling)
        backlog = self.proving.backlog_blocks()
        if wish is Prove.ALWAYS:
            if backlog > self.settings.most_backlog:
                raise Refused(
                    "proof_backlog",
                    f"{backlog} blocks of calls wait to be proven: send prove never, or later",
                    retry_ms=jittered(BACKLOG_MS, self.clock.chance()),
                )
            return [proof]
        if backlog > self.settings.auto_backlog:
            return [replace(promise, reason="backlog")]
        return [proof, replace(promise, reason="budget")]

    async def begin(self, call: str, key: str, name: str | None, body: bytes, retry: int) -> Seen:
        """Note a request, or find the one that it repeats."""
        now = self.clock.now_ms()
        return await self.store.ask(
            lambda store: store.repeats.begin(call, key, name, body, retry, now)
        )

    async def stored(self, call: str) -> bytes | None:
        """The answer kept for repeats of a call."""
        return await self.store.ask(lambda store: store.repeats.answer(call))

    async def forget(self, call: str) -> None:
        """It was refused or failed: its reservation is given back, a repeat begins anew."""
        self.owed.add(call)
        owed = tuple(self.owed)

        def give_back(store: GatewayStore) -> None:
            for one in owed:
                store.give_back(one)

        await self.store.ask(give_back)
        self.owed.difference_update(owed)

    async def reserve(self, call: str, account: Account, amount: int) -> bool:
        """Whether the budget holds it."""
        now = self.clock.now_ms()
        return await self.store.ask(
            lambda store: store.budget.reserve(call, account.id, amount, now)
        )

    async def settle(self, call: Call, progress: AnswerProgress, ending: Ending) -> Ending:
        """Promise, row, charge and the repeats' answer of a whole answer, in one commit."""
        signed = await self._sign(call, progress)
        ending = replace(ending, note=self._note(call, progress, signed))
        answer = reply_bytes(call.request, call.head, progress.whole, ending)
        await self._promise(call, progress, signed, answer)
        return ending

    async def settle_part(self, call: Call, progress: AnswerProgress) -> None:
        """The same for an answer whose client is gone. Nobody repeats it."""
        signed = await self._sign(call, progress)
        await self.store.ask(lambda store: store.repeats.forget(call.id))
        await self._promise(call, progress, signed, b"")

    async def proven(self, call: Call, progress: AnswerProgress, ending: Ending) -> Ending:
        """The end once the chain holds the answer, or it is clear that it will not."""
        if ending.note is None or call.price.proof is None:
            return ending
        known: CallState | None = None
        found = self.proving.state(call.id)
        while found is not None and not found.settled:
            known = found
            found = await self.proving.state_after(call.id, known)
        if found is None:
            return ending
        note = replace(
            ending.note,
            status=found.status,
            reason=found.reason or None,
            cost=ending.note.cost + found.cost,
        )
        ending = replace(ending, note=note)
        answer = reply_bytes(call.request, call.head, progress.whole, ending)
        await self.store.ask(lambda store: store.repeats.finish(call.id, answer))
        return ending

    async def _sign(self, call: Call, progress: AnswerProgress) -> Signed:
        given = Given(
            call.model.model_id, call.prompt, progress.tokens, reduce_request(call.request)
        )
        return await self.signer.sign(given)

    def _note(self, call: Call, progress: AnswerProgress, signed: Signed) -> Note:
        return Note(
            id=call.id,
            status="instant",
            public=call.price.proof is not None,
            receipt=f"/v1/receipts/{call.id}",
            model_id=call.model.model_id.hex(),
            gateway=self.signer.address,
            height=signed.height,
            cost=call.price.serve(len(call.prompt), len(progress.tokens)),
            reason=call.price.reason,
            logits=None if call.request.top_logprobs is None else progress.logits,
            replaced=call.request.replaced,
        )

    async def _promise(
        self, call: Call, progress: AnswerProgress, signed: Signed, answer: bytes
    ) -> None:
        now = self.clock.now_ms()
        prompt, made = len(call.prompt), len(progress.tokens)
        row = None
        if call.price.proof is not None:
            row = Row(
                call=call.id,
                model_id=call.model.model_id,
                prompt_tokens=prompt,
                answer=progress.tokens,
                max_price=call.price.proof,
                queued_at_ms=now,
            )
        instant = Instant(
            call=call.id,
            key=call.account.id,
            promise=signed.receipt,
            serve=call.price.serve(prompt, made),
            proof=call.price.proving(prompt, made),
            prompt_tokens=prompt,
            answer_tokens=made,
            answer=answer,
            row=row,
        )
        # Once asked for it happens, whoever waits: then the line must hear of the row.
        with trio.CancelScope(shield=True):
            await self.store.ask(lambda store: store.receipts.promise(instant, now))
        if row is not None:
            self.proving.enqueued(row)


def default_prove(account: Account) -> Prove:
    """What a request without ``esper.prove`` asks for. Publishing is never the local key's own."""
    is_named = Scope.PROVE in account.scopes and account.id != LOCAL_ID
    return Prove.AUTO if is_named else Prove.NEVER


def _wish(request: Request, account: Account) -> Prove:
    wish = request.prove or default_prove(account)
    if wish is Prove.NEVER:
        return wish
    if Scope.PROVE not in account.scopes:
        raise Refused(
            "scope",
            "this key may not publish answers: send esper.prove never, or a key made with prove",
            "esper.prove",
        )
    if wish is Prove.AUTO and account.id in (LOCAL_ID, CONSOLE_ID):
        return Prove.NEVER
    return wish
