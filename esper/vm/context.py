"""What transactions see of the world beside the state, and what they report back."""

from dataclasses import dataclass
from typing import Final

from esper.crypto.signatures import SequentialVerifier, SignatureVerifier
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters

ONE_BY_ONE: Final = SequentialVerifier()

Answer = tuple[int, ...]
"""Token ids that a model answered, EOS included."""


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """The block that transactions are executed in."""

    params: NetworkParameters
    """The network."""
    genesis_hash: bytes
    """64 bytes: part of everything that is signed."""
    height: int
    """The block's height."""
    payee: bytes
    """33 bytes: who finds the block."""
    models: tuple[ModelEntry, ...]
    """Models that may be called."""
    answers: tuple[Answer | None, ...] = ()
    """One for each call of the block, in their order; None for a call that is left open."""
    signatures: SignatureVerifier = ONE_BY_ONE
    """Who checks signatures."""

    def model(self, model_id: ModelId) -> ModelEntry | None:
        """The active model of this name."""
        return next((model for model in self.models if model.model_id == model_id), None)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a transaction did beside changing records."""

    burned: int = 0
    """Micro-credits burned."""
    locked: int = 0
    """Micro-credits locked until an answer comes or the call lapses."""
    paid_tokens: int = 0
    """Prompt and answer tokens that were paid for."""
    payer: bytes | None = None
    """33 bytes: whose credits burned; None if it is the sender."""


NO_EFFECT: Final = Effect()
