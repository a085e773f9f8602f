"""What the judge of a receipt takes from its surroundings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from esper.consensus.ports import WorkClaim
from esper.dao.descriptor import DescribedModel
from esper.dao.registry import Puzzle
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model as the chain's record of a tier names it, with its ticket."""

    entry: ModelEntry
    puzzle: Puzzle


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verified proof rests on."""

    security_bits: float
    milliseconds: float


class ProofJudge(Protocol):
    """The verifier of proofs, without weights."""

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Return if the proof shows the claim. Raises ProofRejectedError."""

    def described(self, proof: bytes) -> DescribedModel:
        """The model that the proof's descriptor describes. Raises ValueError if it has none."""

    @property
    def last(self) -> Verified | None:
        """Of the last proof that was verified, where it is known."""


class ModelTokenizer(Protocol):
    """One tokenizer."""

    @property
    def identity(self) -> bytes:
        """64 bytes: the hash of its file."""

    def run(self, tokens: Sequence[int]) -> str:
        """The text of a run of tokens, by itself."""

    def answer(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        """The text of an answer as it follows the prompt, special tokens left out."""

    def encode(self, text: str) -> Sequence[int] | None:
        """The tokens of a text, None if it cannot be encoded."""


class ChainWord(Protocol):
    """Somebody who knows a chain."""

    @property
    def whose(self) -> str:
        """Who says so, for people."""

    def block_id(self, height: int) -> bytes | None:
        """64 bytes: id of the block at a height, None if it is not known."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that a check may use beside the receipt."""

    networks: Mapping[str, tuple[NetworkParameters, bytes]]
    """Parameters and 64-byte genesis hash by name."""
    judge: ProofJudge
    trusted: frozenset[ModelId] = frozenset()
    """Models that the asker names."""
    models: Sequence[NamedModel] = ()
    """Models that a package or a node at hand names."""
    tokenizers: Sequence[ModelTokenizer] = field(default=())
    """Those at hand."""
    chain: ChainWord | None = None
    """None: *chain* and *paid* stay open."""
