"""The compiled extension: integer and float engines, digests, proofs."""

from collections.abc import Sequence

class NativeModel:
    """A G16 model in memory, checked on loading, with its integer engine."""

    @staticmethod
    def load(directory: str, /) -> NativeModel:
        """Read, check and hash the model in a directory.

        Raises `ValueError` naming field, tensor or bound, `OSError` where a file cannot be read,
        `RuntimeError` where this machine fails the engine's known-answer test.
        """

    @property
    def shape(self) -> dict[str, int]:
        """Sizes: vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq."""

    @property
    def integers_hash(self) -> bytes:
        """64 bytes that name the integers."""

    @property
    def bounds(self) -> list[dict[str, object]]:
        """Worst cases as {layer, name, value, limit, bits}."""

    def logits(self, sequences: Sequence[Sequence[int]], threads: int) -> list[bytes]:
        """Logits of every position of each sequence, (positions, vocab) little-endian int64."""

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new: int, top_k: int, threads: int
    ) -> list[tuple[list[int], list[list[tuple[int, int]]]]]:
        """Greedy answers, and for each answer token its `top_k` (id, logit) pairs."""

def model_id(model: NativeModel) -> bytes:
    """64 bytes that name the model together with the proof system; commits to the weights."""

def poseidon2_digest(tag: str, elements: list[int]) -> list[int]:
    """Eight limbs of the digest of canonical field elements; ValueError for others."""

def poseidon2_permute(state: list[int]) -> list[int]:
    """One permutation of sixteen canonical field elements; ValueError for others."""
