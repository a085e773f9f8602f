"""Which call comes first: what it offers per token, growing as it waits.

    score = floor(reserve (A + min(age, 8 A)) 2^16 / (A (prompt + max_tokens)))

with A = 30 blocks, so that a call is worth up to nine times its bid after 240 blocks.
"""

from typing import Final

from esper.primitives.units import FIXED_POINT_ONE
from esper.vm.llm_call import LlmCall

AGEING_BLOCKS: Final = 30
"""A: after so many blocks a call's score has doubled."""
AGEING_LIMIT: Final = 8 * AGEING_BLOCKS
"""Blocks after which it grows no more."""


def score(reserve: int, tokens: int, age: int) -> int:
    """Micro-credits per token, 16.16, of a call that holds ``reserve`` and waited ``age`` blocks.

    ``tokens`` is at least 1; a negative age, after a change of chain, counts as none.
    """
    aged = AGEING_BLOCKS + min(max(age, 0), AGEING_LIMIT)
    return reserve * aged * FIXED_POINT_ONE // (AGEING_BLOCKS * tokens)


def call_tokens(call: LlmCall) -> int:
    """Prompt and longest answer."""
    return len(call.prompt) + call.max_tokens
