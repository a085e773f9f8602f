"""What the chain knows of a model: its name, its shape and which token ids are special."""

from bisect import bisect_right
from dataclasses import dataclass

from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import ModelId


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Dimensions of a Llama-like model, all positive; the cost formula needs nothing else."""

    vocab: int
    """Token ids are below this."""
    dim: int
    """Width of the residual stream."""
    hidden: int
    """Width of the feed-forward part."""
    layers: int
    """Number of blocks."""
    heads: int
    """Query heads."""
    kv_heads: int
    """Key and value heads; divides ``heads``."""
    head_dim: int
    """Width of a head."""
    max_seq: int
    """Longest sequence in tokens."""

    def row_cost(self, rows: int) -> int:
        """Multiply-accumulates of one row without the output head, in a proof of ``rows`` rows.

        All linear layers, and attention at its mean over the rows: row i looks back at i + 1 rows,
        twice ``heads * head_dim`` products each, so a mean of ``heads * head_dim * (rows + 1)``.
        """
        inner = self.heads * self.head_dim
        attention_weights = self.dim * (2 * inner + 2 * self.kv_heads * self.head_dim)
        feed_forward = 3 * self.dim * self.hidden
        return self.layers * (attention_weights + feed_forward + inner * (rows + 1))

    @property
    def head_cost(self) -> int:
        """Multiply-accumulates of one row of the output head."""
        return self.vocab * self.dim


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that is active in a tier. Raises ValueError if its parts contradict each other."""

    model_id: ModelId
    """64 bytes: commitment to weights, shape and arithmetic."""
    tier: int
    """Index of its tier, 0 for genesis'."""
    shape: ModelShape
    """Dimensions, part of what model_id commits to."""
    bos: int
    """Token id that begins every sequence."""
    eos: int
    """Token id that ends an answer."""
    special_ids: tuple[int, ...]
    """Ids that salt never uses, ascending; BOS and EOS among them."""
    tokenizer_id: bytes
    """64 bytes: the tokenizer that the bank's ids belong to."""
    bank_root: bytes
    """64 bytes: root h_D of the prompt bank in this model's token ids."""
    bank_size: int
    """Number of prompts in the bank."""

    def __post_init__(self) -> None:
        for name in ("model_id", "tokenizer_id", "bank_root"):
            size = len(getattr(self, name))
            if size != HASH_BYTES:
                raise ValueError(f"model entry {name} has {size} bytes, must have {HASH_BYTES}")
        if list(self.special_ids) != sorted(set(self.special_ids)):
            raise ValueError("model entry special_ids must be ascending and distinct")
        if not {self.bos, self.eos} <= set(self.special_ids):
            raise ValueError("model entry special_ids must hold bos and eos")
        if self.special_ids[-1] >= self.shape.vocab or self.special_ids[0] < 0:
            raise ValueError(f"model entry special_ids must be below {self.shape.vocab}")

    @property
    def salt_alphabet(self) -> int:
        """M: how many ids salt may use."""
        return self.shape.vocab - len(self.special_ids)

    def salt_token(self, index: int) -> int:
        """The ``index``-th id that is not special, ascending, 0 <= index < salt_alphabet."""
        # As many special ids lie below it as have at most ``index`` others below themselves.
        special = self.special_ids
        below = bisect_right(range(len(special)), index, key=lambda at: special[at] - at)
        return index + below

    def minimum_salt(self, bits: int) -> int:
        """Fewest tokens that hold ``bits`` of entropy: least s with M^s >= 2^bits."""
        tokens, strength = 0, 1
        while strength < 1 << bits:
            strength *= self.salt_alphabet
            tokens += 1
        return tokens
