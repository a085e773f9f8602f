"""What the check of a receipt takes from this machine: verifier, tokenizer, a node's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from esper.consensus.genesis import genesis_hash
from esper.consensus.ports import ProofRejectedError, WorkClaim
from esper.dao.descriptor import WORD_BYTES, DescribedModel, described
from esper.model.errors import ModelError, TokenizerError
from esper.model.prompts import TAG_TOKENIZER
from esper.model.tokenizer import (
    TOKENIZER_FILE,
    decode_answer,
    encode_text,
    read_tokenizer_file,
    tokenizer_of,
)
from esper.primitives.hashing import tagged_hash
from esper.primitives.networks import NETWORKS
from esper.primitives.params import NetworkParameters
from esper.prover import ProofError, Statement, verify
from esper.prover import Sequence as ProvenSequence
from esper.receipts.ports import Verified
from esper.rpc.client import NodeError
from esper.rpc.errors import NOT_FOUND
from esper.rpc.methods import GET_BLOCK
from esper.rpc.schema import BlockParams

if TYPE_CHECKING:
    from esper.wallet.node_port import Node

_LENGTH_BYTES = 4
_ANY_VOCABULARY = 1 << 32
"""The check has no model whose vocabulary a tokenizer could exceed."""


def known_networks() -> dict[str, tuple[NetworkParameters, bytes]]:
    """All networks of this release with their genesis hashes."""
    return {name: (params, genesis_hash(params)) for name, params in NETWORKS.items()}


class NativeJudge:
    """The verifier in the extension."""

    def __init__(self) -> None:
        self.last: Verified | None = None

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Raises ProofRejectedError."""
        try:
            report = verify(_statement(claim), proof)
        except ProofError as error:
            raise ProofRejectedError(str(error)) from error
        self.last = Verified(report.security_bits, report.milliseconds)

    def described(self, proof: bytes) -> DescribedModel:
        """The descriptor stands at the front of a proof. Raises ValueError."""
        length = int.from_bytes(proof[:_LENGTH_BYTES], "little")
        if not WORD_BYTES <= length <= len(proof) - _LENGTH_BYTES:
            raise ValueError(f"{len(proof)} bytes hold no descriptor")
        return described(proof[_LENGTH_BYTES : _LENGTH_BYTES + length])


class FileTokenizer:
    """The tokenizer of a folder. Raises MissingFileError, MalformedFileError, TokenizerError."""

    def __init__(self, folder: Path) -> None:
        content = read_tokenizer_file(folder)
        self.identity = tagged_hash(TAG_TOKENIZER, content)
        self._tokenizer = tokenizer_of(folder / TOKENIZER_FILE, content, _ANY_VOCABULARY)

    def run(self, tokens: Sequence[int]) -> str:
        """The text of a run of tokens."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=False)
        return text

    def answer(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        """The text of an answer as it follows its prompt."""
        return decode_answer(self._tokenizer, list(prompt), list(answer))

    def encode(self, text: str) -> Sequence[int] | None:
        """The tokens of a text."""
        try:
            return encode_text(self._tokenizer, text)
        except TokenizerError:
            return None


def tokenizers_at_hand() -> list[FileTokenizer]:
    """The one that comes with the program, where it is there."""
    from esper.embedded import WORD, model_folder

    try:
        return [FileTokenizer(Path(model_folder(WORD)))]
    except (ModelError, OSError):
        return []


@dataclass(frozen=True, slots=True)
class NamedTip:
    """The block that --tip names; no other is known."""

    height: int
    identity: bytes
    whose: str = "--tip"

    def block_id(self, height: int) -> bytes | None:
        """64 bytes, None for another height."""
        return self.identity if height == self.height else None

    def tip_height(self) -> int:
        """Of the tip."""
        return self.height


@dataclass(frozen=True, slots=True)
class NodeWord:
    """What a node says."""

    node: Node
    whose: str = "the node's word"

    def block_id(self, height: int) -> bytes | None:
        """64 bytes, None where the node has no such block. Raises the client's errors."""
        try:
            reply = self.node.call(GET_BLOCK, BlockParams(height=height))
        except NodeError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        try:
            return bytes.fromhex(reply.hash)
        except ValueError:
            return b""

    def tip_height(self) -> int:
        """Of the node's tip. Raises the client's errors."""
        return self.node.call(GET_BLOCK, BlockParams()).height


def _statement(claim: WorkClaim) -> Statement:
    return Statement(
        model_id=claim.model_id,
        binding=claim.binding,
        rows=claim.rows,
        top_k=claim.top_k,
        sequences=tuple(
            ProvenSequence(
                prompt,
                answer.tokens,
                most,
                tuple(tuple((one.token, one.logit) for one in at) for at in answer.top),
            )
            for prompt, most, answer in zip(
                claim.inputs, claim.max_answers, claim.answers, strict=True
            )
        ),
    )
