"""From a signed answer to evidence against its gateway: what `esper dao accuse` judges by itself.

Nothing of a receipt is believed. The signature is checked here, the model is run here, and what
the model says up to as many tokens as were signed is the answer that is compared: an answer that a
stop or a budget cut short is honest. No more of it is shown than up to the first false token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from esper.dao.benchmarks.answers import MAX_TOKENS, ShownAnswer
from esper.dao.benchmarks.fitting import audit_rows
from esper.dao.evidence import (
    EVIDENCE_LISTED,
    MAX_REWARDS,
    MAX_UNBONDINGS,
    Evidence,
    UnbondingPlace,
)
from esper.dao.promise import Promise, decode_promise, promise_digest, signer_of
from esper.primitives.address import SUITE_ML_DSA_65
from esper.primitives.codec import CodecError
from esper.primitives.ids import Txid
from esper.primitives.work_outputs import Candidate
from esper.receipts.form import decode_receipt
from esper.receipts.json_shapes import FormError
from esper.wallet.errors import WalletError

if TYPE_CHECKING:
    from esper.model.loaded import LoadedModel
    from esper.primitives.params import NetworkParameters
    from esper.rpc.schema import AccountReply

SOON: Final = 2
"""Blocks: what is released so soon may be gone before the accusation is in a block."""


class NoPromiseError(WalletError):
    """A file in which no gateway stands for an answer."""

    misuse = True


class PromiseTooOldError(WalletError):
    """An answer that was signed too long ago, or in the future."""


class UnprovableError(WalletError):
    """An answer that no proof of this network has room for."""


class NothingToTakeError(WalletError):
    """A gateway that has nothing which could be taken."""


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """An answer that a gateway stands for."""

    promise: Promise
    """What was signed."""
    digest: Txid
    """64 bytes: by which the chain knows it."""
    key: bytes
    """The gateway's."""
    signature: bytes
    """Over the digest."""


def signed_answer(data: bytes, genesis_hash: bytes) -> SignedAnswer:
    """What a gateway signed, by the bytes of a receipt. Raises NoPromiseError."""
    try:
        part = decode_receipt(data).instant
    except (FormError, ValueError) as error:
        raise NoPromiseError(f"{error}: name the file of a receipt") from error
    if part is None:
        raise NoPromiseError(
            "the receipt has no signature of a gateway: its answer is proven, or somebody else's"
        )
    try:
        promise = decode_promise(part.record)
    except CodecError as error:
        raise NoPromiseError(f"what was signed cannot be read: {error}") from error
    if promise.genesis_hash != genesis_hash:
        raise NoPromiseError("what was signed is of another network than this wallet")
    if signer_of(part.record, part.key, part.signature) != promise.gateway:
        raise NoPromiseError("the signature is not the gateway's: this is evidence of nothing")
    if not promise.prompt or not promise.answer:
        raise NoPromiseError("without prompt or answer it says nothing about its model")
    return SignedAnswer(promise, Txid(promise_digest(part.record)), part.key, part.signature)


def blocks_left(promise: Promise, height: int, params: NetworkParameters) -> int:
    """Blocks after ``height`` that may still have the evidence. Raises PromiseTooOldError."""
    last = promise.height + params.reward.unbonding
    if promise.height > height + 1:
        raise PromiseTooOldError(
            f"it was signed at height {promise.height}, and the chain is at {height}: wait until "
            "it is there"
        )
    if height >= last:
        raise PromiseTooOldError(
            f"it was signed at height {promise.height}: no block after {last} takes evidence "
            f"against it, and the chain is at {height}"
        )
    return last - height


def provable_tokens(promise: Promise, model: LoadedModel, params: NetworkParameters) -> int:
    """Most tokens of an answer that a proof has room for, at most as many as were signed.

    Raises UnprovableError.
    """
    if max(promise.prompt) >= model.shape.vocab:
        raise UnprovableError("its prompt has ids that its model does not know")
    most = min(params.governance.audit_rows, model.shape.max_seq)
    counts = range(min(len(promise.answer), MAX_TOKENS), 0, -1)
    for count in counts:
        if audit_rows(len(promise.prompt), count) <= most:
            return count
    raise UnprovableError(
        f"prompt and answer take {audit_rows(len(promise.prompt), 1)} rows, a proof about them "
        f"may have {most}"
    )


def answer_of(promise: Promise, model: LoadedModel, count: int, threads: int) -> ShownAnswer:
    """What the model says, up to ``count`` tokens."""
    ((tokens, lists),) = model.native.generate([promise.prompt], count, EVIDENCE_LISTED, threads)
    shown = tuple(tuple(Candidate(*pair) for pair in at) for at in lists)
    return ShownAnswer(tuple(tokens), shown)


def contradiction(signed: Sequence[int], said: ShownAnswer, eos: int) -> ShownAnswer | None:
    """As much of the model's answer as shows the signed one false, None if it is not.

    Up to the first other token, or to the end that the signed one goes on behind.
    Raises UnprovableError if ``said`` leaves off before the signed answer does.
    """
    place = first_difference(signed, said.tokens)
    if place < len(said.tokens):
        return ShownAnswer(said.tokens[: place + 1], said.lists[: place + 1])
    if len(signed) == place:
        return None
    if said.tokens[-1] == eos:
        return said
    raise UnprovableError(
        f"the model gives the first {place} of {len(signed)} tokens that were signed, and a proof "
        "has no room for more of them"
    )


def first_difference(signed: Sequence[int], said: Sequence[int]) -> int:
    """The place of the first token that differs, or at which the shorter one has ended."""
    pairs = enumerate(zip(signed, said, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(signed), len(said)))


@dataclass(frozen=True, slots=True)
class Takings:
    """Where the penalty may be taken from, in the order of the rules."""

    rewards: tuple[int, ...]
    """Heights of blocks whose rewards are pending."""
    stake: int
    """Units."""
    unbondings: tuple[UnbondingPlace, ...]
    """Of unstaked units."""
    units: int
    """What all that is named comes to, and at most the penalty."""


def takings(account: AccountReply, params: NetworkParameters) -> Takings:
    """What to name of a gateway: what stays there longest, as much as may be named.

    Raises NothingToTakeError.
    """
    soon = account.as_of.height + SOON
    rewards = sorted(
        (one for one in account.immature if one.height > soon),
        key=lambda one: one.height,
        reverse=True,
    )[:MAX_REWARDS]
    unbondings = sorted(
        (one for one in account.unbonding if one.height > soon),
        key=lambda one: (int(one.amount), one.height),
        reverse=True,
    )[:MAX_UNBONDINGS]
    stake = int(account.stake)
    named = stake + sum(int(one.amount) for one in (*rewards, *unbondings))
    if not named:
        raise NothingToTakeError(
            f"{account.address} has no pending reward, no stake and nothing unbonding: there is "
            "nothing to take, and no block holds the accusation"
        )
    maturity = params.reward.maturity
    return Takings(
        rewards=tuple(one.height - maturity for one in rewards),
        stake=stake,
        unbondings=tuple(UnbondingPlace(one.height, one.index) for one in unbondings),
        units=min(named, params.governance.penalty),
    )


def evidence_of(signed: SignedAnswer, said: ShownAnswer, named: Takings) -> Evidence:
    """What is shown to the chain."""
    return Evidence(
        receipt=signed.promise,
        suite=SUITE_ML_DSA_65,
        key=signed.key,
        signature=signed.signature,
        answer=said,
        rewards=named.rewards,
        unbondings=named.unbondings,
    )
