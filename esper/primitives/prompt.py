"""One entry of the prompt bank as consensus sees it: token ids, never text.

    leaf = H(esper/prompt/v1, tokenizer_id || count as u32 || tokens as u32 each
                              || spans as u32 || (start, length as u32 each) per span || json_hash)
    h_D  = root of the Merkle tree with use esper/prompt-bank/v1 over the leaves in bank order

A block's body carries the entries it drew and their paths, so that a verifier needs no bank, and
consensus never tokenises anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from esper.primitives.hashing import HASH_BYTES, make_tag, tagged_hash, u32
from esper.primitives.merkle import MerkleTree

TAG_PROMPT: Final = make_tag("esper/prompt/v1")
TAG_PROMPT_BANK: Final = make_tag("esper/prompt-bank/v1")


@dataclass(frozen=True, slots=True)
class BankPrompt:
    """A prompt of the public bank. Raises ValueError on a shape that no bank may hold."""

    tokenizer_id: bytes
    """64 bytes: the hash of the tokenizer file that made the ids."""
    tokens: tuple[int, ...]
    """Token ids of the rendered chat template, without BOS; at least one, each below 2^32."""
    mask_spans: tuple[tuple[int, int], ...]
    """(start, length) of spans whose tokens the seed replaces: ascending, disjoint, inside."""
    json_hash: bytes
    """64 bytes: the hash of the bank's JSON entry, so that the text is committed too."""

    def __post_init__(self) -> None:
        for name, value in (("tokenizer_id", self.tokenizer_id), ("json_hash", self.json_hash)):
            if len(value) != HASH_BYTES:
                raise ValueError(f"prompt {name} has {len(value)} bytes, must have {HASH_BYTES}")
        if not self.tokens or any(not 0 <= token < 1 << 32 for token in self.tokens):
            raise ValueError("prompt tokens must be at least one id, each in [0, 2^32)")
        end = 0
        for start, length in self.mask_spans:
            if start < end or length < 1 or start + length > len(self.tokens):
                raise ValueError(
                    f"prompt mask span ({start}, {length}) must begin at {end} or later, "
                    f"be at least 1 long and end within {len(self.tokens)} tokens"
                )
            end = start + length

    @property
    def leaf(self) -> bytes:
        """64 bytes: what the bank's tree holds for this prompt."""
        spans = b"".join(u32(start) + u32(length) for start, length in self.mask_spans)
        return tagged_hash(
            TAG_PROMPT,
            self.tokenizer_id,
            u32(len(self.tokens)),
            b"".join(map(u32, self.tokens)),
            u32(len(self.mask_spans)),
            spans,
            self.json_hash,
        )


def bank_tree(prompts: Sequence[BankPrompt]) -> MerkleTree:
    """The tree over a bank in its order; its root is h_D."""
    return MerkleTree.build(TAG_PROMPT_BANK, [prompt.leaf for prompt in prompts])
