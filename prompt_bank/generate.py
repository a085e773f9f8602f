"""Write the prompt bank: ``bank.json`` and ``SAMPLE.md``, from the templates and a tokenizer.

    python prompt_bank/generate.py genesis/model prompt_bank

Nothing is random: the word for a slot is picked by a hash of the template's number, the attempt's
number and the slot's name, so the same templates, words and tokenizer give the same bytes anywhere.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import string
from pathlib import Path
from typing import Any

from slots import SLOTS, Child
from templates import TEMPLATES, Template

from esper.model.prompts import PromptBank, PromptText, PromptTokenizer, encode_bank

PER_TEMPLATE = 64
"""Prompts of one template, at most and in fact."""
LONGEST = 35
"""Tokens a rendered prompt may have: 49 of input, less ``<s>`` and 13 of salt."""
ATTEMPTS = 4096
"""Draws per template before it is called too poor."""
SAMPLE_SIZE = 200


def number_from(*parts: object) -> int:
    """A number of 64 bits from a hash of the parts."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha3_256(text.encode()).digest()[:8], "big")


def slots_of(template: Template) -> list[str]:
    """Names of the slots of a template, fields left out, in order and once each."""
    fields = string.Formatter().parse(template.system + "\n" + template.user)
    return list(dict.fromkeys(name.split(".")[0] for _, name, _, _ in fields if name))


def fill(template: Template, number: int, attempt: int) -> PromptText | None:
    """The prompt of one attempt, or None if two slots of one kind drew the same word."""
    drawn: dict[str, Child | str] = {}
    for slot in slots_of(template):
        words = SLOTS[slot.rstrip("2")]
        drawn[slot] = words[number_from("slot", number, attempt, slot) % len(words)]
    if any(slot.endswith("2") and drawn[slot] == drawn[slot[:-1]] for slot in drawn):
        return None
    fields: dict[str, Any] = drawn
    text = template.user.format_map(fields)
    mask = re.search(r"\[\[(.*?)\]\]", text)
    user = text.replace("[[", "").replace("]]", "")
    mask_range = (mask.start(), mask.start() + len(mask[1])) if mask else None
    return PromptText(system=template.system.format_map(fields), user=user, mask_range=mask_range)


def texts_of(
    template: Template, number: int, tokenizer: PromptTokenizer, seen: set[str]
) -> list[PromptText]:
    """The first distinct prompts of one template that fit; adds their user texts to ``seen``."""
    texts: list[PromptText] = []
    for attempt in range(ATTEMPTS):
        text = fill(template, number, attempt)
        if text is None or text.user in seen or len(tokenizer.tokenise(text).tokens) > LONGEST:
            continue
        seen.add(text.user)
        texts.append(text)
        if len(texts) == PER_TEMPLATE:
            return texts
    raise SystemExit(f"template {number} gives {len(texts)} prompts of {PER_TEMPLATE}: {template}")


def build(folder: Path) -> PromptBank:
    """The whole bank in the ids of the tokenizer in ``folder``, template by template."""
    tokenizer = PromptTokenizer(folder)
    seen: set[str] = set()
    texts = [
        text
        for number, template in enumerate(TEMPLATES)
        for text in texts_of(template, number, tokenizer, seen)
    ]
    return PromptBank(tuple(texts), tuple(map(tokenizer.tokenise, texts)))


def sample_page(bank: PromptBank) -> str:
    """A page of prompts picked by hash, for reading."""
    order = sorted(range(len(bank.texts)), key=lambda index: number_from("sample", index))
    lines = [
        "# Prompts picked at random",
        "",
        f"{SAMPLE_SIZE} of the bank's {len(bank.texts)} prompts, written by `generate.py`. "
        "A slash stands between the",
        "system and the user text; **bold** is what a miner's seed replaces with random tokens.",
        "",
        f"h_D = `{bank.root.hex()}`",
        "",
    ]
    for index in sorted(order[:SAMPLE_SIZE]):
        text = bank.texts[index]
        user = text.user
        if text.mask_range is not None:
            start, end = text.mask_range
            user = f"{user[:start]}**{user[start:end]}**{user[end:]}"
        lines.append(f"- {index}: {text.system + ' / ' if text.system else ''}{user}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description="Write bank.json and SAMPLE.md.")
    parser.add_argument("model", type=Path, help="folder with tokenizer.json")
    parser.add_argument("output", type=Path, help="folder to write to")
    options = parser.parse_args()
    bank = build(options.model)
    (options.output / "bank.json").write_bytes(encode_bank(bank))
    (options.output / "SAMPLE.md").write_text(sample_page(bank), encoding="utf-8")
    lengths = sorted(len(prompt.tokens) for prompt in bank.prompts)
    print(f"{len(lengths)} prompts of {len(TEMPLATES)} templates")
    print(f"tokens: {lengths[0]} to {lengths[-1]}, median {lengths[len(lengths) // 2]}")
    print(f"h_D {bank.root.hex()}")


if __name__ == "__main__":
    main()
