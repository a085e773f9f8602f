"""Putting a node together from its parts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from esper.consensus.genesis import genesis_hash
from esper.consensus.ports import Inference, WorkProver, WorkVerifier
from esper.crypto.batch import ProcessVerifier
from esper.crypto.demo_key import demo_key
from esper.crypto.signing import KeyPair
from esper.node.call_answerer import AnsweredCall, CallAnswerer
from esper.node.chain_manager import ChainManager
from esper.node.datadir import DataDirectory
from esper.node.inbox import Inbox
from esper.node.miner import Clock, Miner, PromptSource
from esper.node.mining_node import MiningNode, Refusal
from esper.node.planner import Planner, ResultSigner
from esper.node.signed_transaction import signed_transaction
from esper.node.store_state import genesis_of, replay_of
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.storage.reindex import ReindexReport
from esper.storage.reindex import reindex as reindex_store
from esper.storage.store_options import StoreOptions
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import Transaction

PRUNED_BY_DEFAULT: Final = frozenset({"devnet", "regtest"})
RESULT_WINDOW: Final = 100
"""Blocks that a miner's own LlmResult stays valid."""


@dataclass(frozen=True, slots=True)
class WorkParts:
    """Model and proofs behind their ports."""

    inference: Inference
    """The engine with the model."""
    prover: WorkProver
    """The prover with the same model."""
    verifier: WorkVerifier
    """The verifier."""
    bank: PromptSource
    """The prompts that work is drawn from."""


def store_options(params: NetworkParameters) -> StoreOptions:
    """How a network's store is opened."""
    return StoreOptions(undo_depth=params.limits.undo_depth)


@contextmanager
def open_chain(
    directory: DataDirectory,
    verifier: WorkVerifier,
    secret: bytes,
    clock: Clock,
    *,
    prune: bool | None = None,
    options: StoreOptions | None = None,
) -> Iterator[ChainManager]:
    """The chain of a data directory, for this process alone.

    ``secret`` decides between equal tips. Raises StorageError.
    """
    params = directory.params
    opened = options or store_options(params)
    # Worker processes start with the first block that has many signatures.
    workers = ProcessVerifier(os.cpu_count() or 1)
    store = ChainStore(directory.path, genesis_of(params), replay_of(params), opened)
    with store, workers as signatures:
        yield ChainManager(
            store,
            params,
            verifier,
            secret=secret,
            now_ms=clock(),
            signatures=signatures,
            prune=params.name in PRUNED_BY_DEFAULT if prune is None else prune,
        )


@contextmanager
def open_mining_node(
    directory: DataDirectory,
    parts: WorkParts,
    payee: bytes,
    secret: bytes,
    clock: Clock,
    refusal: Refusal,
    *,
    prune: bool | None = None,
    options: StoreOptions | None = None,
) -> Iterator[MiningNode]:
    """A node that mines into a data directory for ``payee``; ``secret`` is its VRF secret.

    Raises WrongModelError and StorageError.
    """
    params = directory.params
    miner = Miner(
        params,
        inference=parts.inference,
        prover=parts.prover,
        bank=parts.bank,
        payee=payee,
        vrf_secret=secret,
    )
    answerer = CallAnswerer(
        parts.inference,
        parts.prover,
        params.calls,
        genesis_hash=genesis_hash(params),
        payee=payee,
    )
    with open_chain(
        directory, parts.verifier, secret, clock, prune=prune, options=options
    ) as manager:
        planner = Planner(answerer, payee, _signer(payee, manager))
        inbox = Inbox(directory.path, params)
        yield MiningNode(manager, miner, planner, inbox, clock, refusal)


def rebuild_index(directory: DataDirectory, *, accept_loss: bool) -> ReindexReport:
    """Build the index anew from block and proof files. Raises StorageError."""
    params = directory.params
    return reindex_store(
        directory.path,
        genesis_of(params),
        replay_of(params),
        store_options(params),
        accept_loss=accept_loss,
    )


def _signer(payee: bytes, manager: ChainManager) -> ResultSigner | None:
    """Signs results where the payee's key is at hand: the demonstration wallet's, so far."""
    key = demo_key()
    if key.address.to_bytes() != payee:
        return None
    return lambda answered, nonce: signed_result(key, manager, answered, nonce)


def signed_result(
    key: KeyPair, manager: ChainManager, answered: AnsweredCall, nonce: int
) -> Transaction:
    """The LlmResult of an answer to a lane, valid from the next block on."""
    return signed_transaction(
        key,
        LlmResult(answered.call_id, answered.answer),
        nonce=nonce,
        expiry=manager.context.height + RESULT_WINDOW,
        limits=manager.params.limits,
        genesis_hash=manager.context.genesis_hash,
    )
