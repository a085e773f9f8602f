"""How many variables and values each part has: fixed by descriptor, statement and modes."""

from __future__ import annotations

from tests.spec.proof.decoding.descriptor import Descriptor
from tests.spec.proof.decoding.modes import Modes
from tests.spec.proof.decoding.statement import Batch
from tests.spec.proof.parameters import bits

Name = tuple[int, str]
"""A layer, or the number of layers for what stands behind the last, and a column of it."""

CLAMPED_SITES = ("norm1", "norm2", "q", "k", "v", "o", "gate", "z", "down")
"""Relations 19 to 27, in order."""
NORM_VALUES = ("x", "rs", "Q", "gained", "idx", "P")
FIRST_CLAMP_RELATION = 19


def class_of(site: str) -> str:
    """The clamp class of one of the clamped sites."""
    return {"norm1": "norm", "norm2": "norm", "q": "qk", "k": "qk"}.get(site, site)


def clamped_sites(modes: Modes) -> list[str]:
    """The sites of a layer whose clamp is on, in the order of their relations."""
    return [site for site in CLAMPED_SITES if class_of(site) in modes.clamped]


def final_values(d: Descriptor, modes: Modes) -> list[Name]:
    """What the products' sumcheck ends with, in order."""
    names = []
    for layer in range(len(d.layers)):
        columns = ["M", "u", "W", "B"]
        if modes.overflow_limbs:
            columns += ["O", "D"]
        columns += ["silu", "up", "q", "k", "Z", "o"]
        columns += [f"{norm}.{value}" for norm in ("norm1", "norm2") for value in NORM_VALUES]
        columns += [f"{s}.{value}" for s in clamped_sites(modes) for value in ("sigma", "w")]
        names += [(layer, column) for column in columns]
    columns = [f"norm.{value}" for value in NORM_VALUES] if d.has_head else []
    if d.has_head and "norm" in modes.clamped:
        columns += ["norm.sigma", "norm.w"]
    return names + [(len(d.layers), column) for column in [*columns, "cos", "sin"]]


def column_vars(d: Descriptor) -> int:
    """Coordinates of the point `col`."""
    return bits(max(d.dim, d.hidden, d.query_width))


def products_vars(d: Descriptor, batch: Batch) -> int:
    """Rounds of the products' sumcheck."""
    attention = bits(d.kv_heads) + bits(d.group) + batch.position_bits
    return batch.row_bits + max(attention, column_vars(d), 1 + bits(d.pairs))


def slot_sizes(d: Descriptor, batch: Batch) -> list[tuple[Name, int]]:
    """The slots of the contraction in order of creation, with their numbers of variables."""
    sizes: list[tuple[Name, int]] = []
    score = bits(d.kv_heads) + bits(d.head_dim) + batch.sequence_bits
    weighted = bits(d.kv_heads) + batch.sequence_bits + batch.position_bits
    for layer in range(len(d.layers)):
        for slot, size in (
            ("QueryKey", bits(d.dim)),
            ("Value", bits(d.dim)),
            ("Output", bits(d.query_width)),
            ("Gate", bits(d.dim)),
            ("Up", bits(d.dim)),
            ("Down", bits(d.hidden)),
            ("Score", score),
            ("Weighted", weighted),
            ("Gain norm1", bits(d.dim)),
            ("Gain norm2", bits(d.dim)),
        ):
            sizes.append(((layer, slot), size))
    behind = len(d.layers)
    if not d.has_head:
        return sizes
    return [*sizes, ((behind, "Gain norm"), bits(d.dim)), ((behind, "Logits"), bits(d.dim))]


def slot_offsets(d: Descriptor, batch: Batch) -> dict[Name, tuple[int, int]]:
    """(offset, variables) of each slot: largest first, equal sizes in order of creation."""
    offsets, at = {}, 0
    for name, size in sorted(slot_sizes(d, batch), key=lambda slot: -slot[1]):
        offsets[name] = at, size
        at += 1 << size
    return offsets


def contraction_vars(d: Descriptor, batch: Batch) -> int:
    """Rounds of the contraction's sumcheck."""
    return bits(sum(1 << size for _, size in slot_sizes(d, batch)))
