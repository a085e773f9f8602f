"""Write the genesis model's names into the parameters: ``esper/primitives/genesis_data.py``.

    python genesis/pin.py genesis/model prompt_bank/bank.json

Reads the exported integer model (its model_id is recomputed from the integers), the tokenizer's
special ids and the prompt bank's root. Every change makes new networks: the genesis hash covers it.
With ``--check`` nothing is written; the exit status is 1 if the file differs.
"""

from __future__ import annotations

import argparse
import json
import pprint
import sys
from pathlib import Path

from esper.model import LoadedModel, load_model
from esper.model.prompts import read_bank
from esper.primitives.model_entry import ModelEntry, ModelShape

TARGET = Path(__file__).resolve().parents[1] / "esper" / "primitives" / "genesis_data.py"

FRAME = '''"""The genesis model and its prompt bank. Written by ``genesis/pin.py``; do not edit."""

from typing import Final

from esper.primitives.ids import model_id_of
from esper.primitives.model_entry import ModelEntry, ModelShape

GENESIS_MODEL: Final = ModelEntry(
    model_id=model_id_of(
{model_id}
    ),
    tier=0,
    shape=ModelShape(
{shape}
    ),
    bos={bos},
    eos={eos},
    special_ids={special_ids},
    tokenizer_id=bytes.fromhex(
{tokenizer_id}
    ),
    bank_root=bytes.fromhex(
{bank_root}
    ),
    bank_size={bank_size},
)
'''


def special_ids(tokenizer_file: Path) -> tuple[int, ...]:
    """Ids that the tokenizer marks as special, ascending."""
    fields = json.loads(tokenizer_file.read_bytes())
    return tuple(sorted(token["id"] for token in fields["added_tokens"] if token["special"]))


def entry(model: LoadedModel, folder: Path, bank_file: Path) -> ModelEntry:
    """The entry of tier 0. Raises ValueError if model and bank do not fit each other."""
    bank = read_bank(bank_file)
    shape = model.shape
    return ModelEntry(
        model_id=model.model_id,
        tier=0,
        shape=ModelShape(
            vocab=shape.vocab,
            dim=shape.dim,
            hidden=shape.hidden,
            layers=shape.layers,
            heads=shape.heads,
            kv_heads=shape.kv_heads,
            head_dim=shape.head_dim,
            max_seq=shape.max_seq,
        ),
        bos=model.bos,
        eos=model.eos,
        special_ids=special_ids(folder / "tokenizer.json"),
        tokenizer_id=bank.tokenizer_id,
        bank_root=bank.root,
        bank_size=len(bank.prompts),
    )


def source_of(pinned: ModelEntry) -> str:
    """The Python source that defines the entry."""
    shape = "\n".join(
        f"        {name}={getattr(pinned.shape, name)}," for name in ModelShape.__dataclass_fields__
    )
    return FRAME.format(
        model_id=_hex(pinned.model_id),
        shape=shape,
        bos=pinned.bos,
        eos=pinned.eos,
        special_ids=pprint.pformat(pinned.special_ids),
        tokenizer_id=_hex(pinned.tokenizer_id),
        bank_root=_hex(pinned.bank_root),
        bank_size=pinned.bank_size,
    )


def _hex(value: bytes) -> str:
    text = value.hex()
    return f'        "{text[:64]}"\n        "{text[64:]}"'


def main() -> None:
    """Write or check the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path, help="folder of the exported model")
    parser.add_argument("bank", type=Path, help="prompt bank file")
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    source = source_of(entry(load_model(arguments.model), arguments.model, arguments.bank))
    if not arguments.check:
        TARGET.write_text(source, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != source:
        sys.exit(f"{TARGET} does not name this model and bank; run genesis/pin.py without --check")


if __name__ == "__main__":
    main()
