"""Write the golden vectors of the prompt bank: texts, prompts, leaves and the root.

    python -m tests.vectors.writers.write_prompts

Run it only to add vectors: bytes that change for an old vector break every chain that exists.
"""

import json
from pathlib import Path
from typing import Any

from esper.model.prompts import PromptText, canonical_json
from esper.primitives.prompt import BankPrompt, bank_tree
from esper.primitives.work_outputs import BANK_PROMPT
from tests.vectors.fields import encoding
from tests.vectors.writers.write_records import WORD, pattern

FILE = Path(__file__).parents[1] / "prompts.json"

TEXTS = (
    PromptText("", "Tell me a story."),
    PromptText("Be brief.", 'A "quoted" \\ word', mask_range=(2, 10)),
    PromptText("Zeilen\r\n\tTab \b\f \x01\x1f\x7f /", "é, 漢, 🦀 and \u2028", mask_range=(0, 1)),
)
SHAPES: tuple[tuple[tuple[int, ...], tuple[tuple[int, int], ...]], ...] = (
    ((5,), ()),
    ((127, 128, 255, 256, 65_535, 65_536, WORD), ((1, 2), (3, 1))),
    (tuple(range(1000, 1035)), ((0, 35),)),
)
"""Tokens and mask spans."""


def document() -> dict[str, Any]:
    """The file's content."""
    prompts = [
        BankPrompt(pattern(64, 70), tokens, spans, text.json_hash)
        for text, (tokens, spans) in zip(TEXTS, SHAPES, strict=True)
    ]
    return {
        "texts": [
            {
                "fields": text.fields,
                "canonical": canonical_json(text.fields).encode().hex(),
                "json_hash": text.json_hash.hex(),
            }
            for text in TEXTS
        ],
        "prompts": [
            encoding(BANK_PROMPT, prompt, f"prompt {number}") | {"leaf": prompt.leaf.hex()}
            for number, prompt in enumerate(prompts)
        ],
        "bank_root": bank_tree(prompts).root.hex(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
