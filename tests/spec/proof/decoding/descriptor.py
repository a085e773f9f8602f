"""The descriptor of a model: decoded, and refused outside its limits (section 3)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tests.spec.proof import parameters as p
from tests.spec.proof.decoding.model_layout import ModelLayout
from tests.spec.proof.decoding.reader import Reader
from tests.spec.proof.errors import MalformedError

MATRICES = ("q", "k", "v", "o", "gate", "up", "down")
_NUMBERS = (
    "vocab",
    "dim",
    "hidden",
    "heads",
    "kv_heads",
    "head_dim",
    "max_seq",
    "bos",
    "eos",
    "emax",
    "final_shift",
    "eps_term",
    "logit_bound",
    "cells",
    "embed_bits",
)
_WIDE = ("eps_term", "logit_bound")
"""Numbers of more than 32 bits."""
_WORD = 8
_FIXED_NUMBERS = 24
_LAYER_NUMBERS = 14
_PART_NUMBERS = 4


@dataclass(frozen=True)
class Layer:
    """What the descriptor says of one layer."""

    norm1_shift: int
    norm2_shift: int
    score_shift: int
    gate_bits: int
    z_bits: int
    o_bits: int
    down_bits: int
    shifts: dict[str, int]
    """Bits dropped after each matrix."""


@dataclass(frozen=True)
class Part:
    """Which part of a model a descriptor is of."""

    index: int
    count: int
    first_layer: int
    all_layers: int


@dataclass(frozen=True)
class Descriptor:
    """The model's shape and integers, as far as a verifier needs them."""

    vocab: int
    dim: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    max_seq: int
    bos: int
    eos: int
    emax: int
    final_shift: int
    eps_term: int
    logit_bound: int
    cells: int
    embed_bits: int
    """Width of a value of an embedding row."""
    reach: dict[str, int]
    """How far the clamp table of each class goes."""
    layers: tuple[Layer, ...]
    root: bytes
    embedding_root: bytes
    integers_hash: bytes
    model_id: bytes
    """Of a part, the part's id."""
    part: Part | None

    @property
    def has_embedding(self) -> bool:
        return self.part is None or self.part.index == 0

    @property
    def has_head(self) -> bool:
        return self.part is None or self.part.index == self.part.count - 1

    @property
    def openings(self) -> int:
        """Of all proofs that together show a statement."""
        return p.OPENINGS * (1 if self.part is None else self.part.count)

    @property
    def group(self) -> int:
        """G: query heads to a key head."""
        return self.heads // self.kv_heads

    @property
    def pairs(self) -> int:
        return self.head_dim // 2

    @property
    def query_width(self) -> int:
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def emin(self) -> int:
        return (self.eps_term.bit_length() - 1) >> 1

    @property
    def t0(self) -> int:
        return max(0, 10 - 2 * self.emin)

    def z_reach(self, bits: int) -> int:
        """How far the clamp table of z goes in layers where z has so many bits."""
        return -(-self.reach["z"] >> (bits - p.ACTIVATION_BITS))

    def matrix_sizes(self) -> dict[str, tuple[int, int]]:
        """(outputs, inputs) of each matrix of a layer, in order."""
        return {
            "q": (self.query_width, self.dim),
            "k": (self.key_width, self.dim),
            "v": (self.key_width, self.dim),
            "o": (self.dim, self.query_width),
            "gate": (self.hidden, self.dim),
            "up": (self.hidden, self.dim),
            "down": (self.dim, self.hidden),
        }


def tagged(tag: bytes, *parts: bytes) -> bytes:
    """SHA3-512 under a tag."""
    return hashlib.sha3_512(tag.ljust(p.SHA3_TAG_BYTES, b"\0") + b"".join(parts)).digest()


def model_id(descriptor: bytes) -> bytes:
    """SHA3-512 under the tag of model ids."""
    return tagged(p.MODEL_ID_TAG, descriptor)


def decode(data: bytes, of_part: bool = False) -> Descriptor:
    """Raises MalformedError for bytes that break a rule of section 3."""
    reader = Reader(data)

    def number(wide: bool = False) -> int:
        value = reader.unsigned(_WORD)
        if not wide and value >= 2**32:
            raise MalformedError(f"{value} in a descriptor has more than 32 bits")
        return value

    version, layer_count = number(), number()
    wanted = p.PART_VERSION if of_part else p.DESCRIPTOR_VERSION
    _require(version == wanted, "descriptor's version")
    _require(layer_count in p.LAYERS, "layers")
    own_numbers = _FIXED_NUMBERS + (_PART_NUMBERS if of_part else 0)
    expected = _WORD * (own_numbers + _LAYER_NUMBERS * layer_count) + 128
    _require(len(data) == expected, "descriptor's length")
    part = Part(number(), number(), number(), number()) if of_part else None
    numbers = {name: number(wide=name in _WIDE) for name in _NUMBERS}
    reach = {name: number() for name in p.CLASSES}
    layers = []
    for _ in range(layer_count):
        norm1, norm2, score, gate, z, o, down = (number() for _ in range(7))
        shifts = {name: number() for name in MATRICES}
        layers.append(Layer(norm1, norm2, score, gate, z, o, down, shifts))
    root, embedding_root = reader.digest(), reader.digest()
    # For those who register the model.
    integers_hash = reader.take(64)
    reader.end()
    descriptor = Descriptor(
        **numbers,
        reach=reach,
        layers=tuple(layers),
        root=root,
        embedding_root=embedding_root,
        integers_hash=integers_hash,
        model_id=tagged(p.PART_ID_TAG, data) if of_part else model_id(data),
        part=part,
    )
    _check(descriptor)
    if part is not None:
        _check_part(part, descriptor)
    return descriptor


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise MalformedError(f"the {what} is refused")


def _check(d: Descriptor) -> None:
    for name, value, limit in (
        ("vocab", d.vocab, p.VOCAB),
        ("dim", d.dim, p.DIM),
        ("hidden", d.hidden, p.HIDDEN),
        ("heads", d.heads, p.HEADS),
        ("kv_heads", d.kv_heads, p.KV_HEADS),
        ("head_dim", d.head_dim, p.HEAD_DIM),
        ("max_seq", d.max_seq, p.MAX_SEQ),
        ("layers times heads", len(d.layers) * d.heads, p.LAYERS_TIMES_HEADS),
        ("emax", d.emax, p.EMAX),
        ("final_shift", d.final_shift, p.NORM_SHIFT),
        ("eps_term", d.eps_term, p.EPS_TERM),
        ("logit_bound", d.logit_bound, p.LOGIT_BOUND),
        ("cells", d.cells, p.CELLS),
        ("embed_bits", d.embed_bits, p.EMBED_BITS),
    ):
        _require(value in limit, name)
    _require(all(reach in p.REACH for reach in d.reach.values()), "reach")
    for layer in d.layers:
        _check_layer(layer)
    _require(d.heads % d.kv_heads == 0, "number of key heads")
    _require(d.head_dim % 2 == 0, "head_dim")
    _require(d.bos < d.vocab and d.eos < d.vocab, "bos or eos")
    _require(d.emax >= d.emin, "emax")
    _require(d.t0 + 2 * (d.emax + 1) in p.NORM_WIDTH, "width of a norm")
    _require(d.cells == ModelLayout(d).cells, "number of cells")


def _check_part(part: Part, d: Descriptor) -> None:
    _require(part.count in p.PARTS and part.all_layers in p.ALL_LAYERS, "number of parts")
    _require(part.index < part.count, "index of a part")
    end = part.first_layer + len(d.layers)
    _require(end <= part.all_layers, "layers of a part")
    _require(d.has_embedding == (part.first_layer == 0), "first layer of a part")
    _require(d.has_head == (end == part.all_layers), "last layer of a part")


def _check_layer(layer: Layer) -> None:
    _require(layer.norm1_shift in p.NORM_SHIFT, "norm1_shift")
    _require(layer.norm2_shift in p.NORM_SHIFT, "norm2_shift")
    _require(layer.score_shift in p.SCORE_SHIFT, "score_shift")
    _require(layer.gate_bits in p.GATE_BITS, "gate_bits")
    _require(layer.z_bits in p.Z_BITS and layer.z_bits % 2 == 0, "width of z")
    for update in (layer.o_bits, layer.down_bits):
        _require(update in p.UPDATE_BITS and update % 2 == 0, "width of an update")
    for name, shift in layer.shifts.items():
        _require(shift in (p.QK_SHIFT if name in ("q", "k") else p.MATRIX_SHIFT), "shift")
