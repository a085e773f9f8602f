"""Where each column of the witness stands in its polynomial (section 7)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.spec.proof import parameters as p
from tests.spec.proof.decoding import tables
from tests.spec.proof.decoding.descriptor import Descriptor
from tests.spec.proof.decoding.model_layout import ModelLayout
from tests.spec.proof.decoding.modes import Modes
from tests.spec.proof.decoding.statement import Batch
from tests.spec.proof.decoding.tables import Table, signed, unsigned
from tests.spec.proof.errors import RejectedError

REGIONS = "DRSP"
"""Softmax differences, other keys, slack of the top lists, what is not looked up by itself."""


@dataclass
class Tensor:
    """[columns][2^row_bits] cells of the witness, rows lowest."""

    columns: int
    row_bits: int
    region: str
    table: Table | None = None
    partners: tuple[Tensor, ...] = ()
    """What stands beside it in a key: v2, v3."""
    start: int = -1

    @property
    def cells(self) -> int:
        return self.columns << self.row_bits

    @property
    def first(self) -> int:
        """Its first column, counted in columns of its own height."""
        return self.start >> self.row_bits


@dataclass(frozen=True)
class Site:
    """Columns that are rounded, and saturated if their class is clamped."""

    columns: int
    bits: int
    shift: int
    w: tuple[tuple[int, Tensor], ...]
    """Factors and tensors whose sum, plus w_constant, is w."""
    w_constant: int
    limbs: tuple[Tensor, ...]
    sigma: Tensor | None
    f: Tensor | None
    y: tuple[tuple[int, Tensor], ...]
    y_constant: int


@dataclass(frozen=True)
class Norm:
    """A norm's columns."""

    p: Tensor
    q: Tensor
    rs: Tensor
    idx: Tensor
    rem: tuple[Tensor, ...]
    complement: tuple[Tensor, ...]
    site: Site


@dataclass(frozen=True)
class LayerColumns:
    """A layer's columns."""

    exp: Tensor
    difference: Tensor
    r: Tensor | None
    overflow: tuple[Tensor, ...]
    norms: tuple[Norm, Norm]
    q: Site
    k: Site
    v: Site
    o: Tensor
    rem: tuple[Tensor, ...]
    complement: tuple[Tensor, ...]
    o_update: Site
    silu: Tensor
    gate: Site
    z: Site
    down_update: Site
    b: Tensor
    m: Tensor


@dataclass
class WitnessLayout:
    """All columns of a witness, placed."""

    d: Descriptor
    modes: Modes
    batch: Batch
    model: ModelLayout
    tensors: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        d, batch = self.d, self.batch
        self.layers = [self._layer(index) for index in range(len(d.layers))]
        self.final_norm = self._norm(d.final_shift) if d.has_head else None
        widths = [16, 16] if d.has_head else []
        if self.modes.third_slack_limb:
            widths.append(max(1, (2 * d.logit_bound).bit_length() - 32))
        self.slack = tuple(
            self._add(d.vocab, "S", unsigned(width), row_bits=batch.answer_bits) for width in widths
        )
        self._place()

    def _add(
        self,
        columns: int,
        region: str,
        table: Table | None = None,
        partners: tuple[Tensor, ...] = (),
        row_bits: int | None = None,
    ) -> Tensor:
        height = self.batch.row_bits if row_bits is None else row_bits
        tensor = Tensor(columns, height, region, table, partners)
        self.tensors.append(tensor)
        return tensor

    def _remainder(self, columns: int, width: int) -> tuple[Tensor, ...]:
        widths = [16] * (width // 16) + ([width % 16] if width % 16 else [])
        return tuple(self._add(columns, "R", unsigned(limb)) for limb in widths)

    def _clamp(self, columns: int, name: str, width: int) -> tuple[Tensor, Tensor] | None:
        if name not in self.modes.clamped:
            return None
        sigma = self._add(columns, "P")
        return sigma, self._add(columns, "R", tables.clamp(name, width), (sigma,))

    def _site(self, columns: int, width: int, shift: int, name: str, wide: bool = False) -> Site:
        w: tuple[tuple[int, Tensor], ...]
        if wide:
            low = self._add(columns, "R", Table(tables.WIDE_LOW, width))
            high = self._add(columns, "R", Table(tables.WIDE_HIGH, width))
            w, constant = ((1, low), ((1 << width // 2) + 1, high)), -tables.top(width)
        else:
            w, constant = ((1, self._add(columns, "R", signed(16))),), 0
        limbs = self._remainder(columns, shift)
        clamp = self._clamp(columns, name, width)
        if clamp is None:
            return Site(columns, width, shift, w, constant, limbs, None, None, w, constant)
        y = ((1, self._add(columns, "P")),)
        return Site(columns, width, shift, w, constant, limbs, *clamp, y, 0)

    def _norm(self, shift: int) -> Norm:
        square, quotient, rs = (self._add(1, "P") for _ in range(3))
        self._add(1, "R", Table(tables.NORM), (square, quotient))
        idx = self._add(1, "R", Table(tables.RSQRT), (rs,))
        rem = self._remainder(1, p.NORM_REMAINDER_BITS)
        complement = self._remainder(1, p.NORM_REMAINDER_BITS)
        site = self._site(self.d.dim, p.ACTIVATION_BITS, shift, "norm")
        return Norm(square, quotient, rs, idx, rem, complement, site)

    def _gate(self, index: int) -> tuple[Tensor, Site]:
        d, layer = self.d, self.d.layers[index]
        silu = self._add(d.hidden, "P")
        y = self._add(d.hidden, "R", Table(tables.SILU, index), (silu,))
        shift = layer.shifts["gate"]
        limbs = self._remainder(d.hidden, shift)
        w, sigma, f = y, None, None
        if "gate" in self.modes.clamped:
            w = self._add(d.hidden, "R", signed(layer.gate_bits))
            sigma, f = self._clamp(d.hidden, "gate", layer.gate_bits) or (None, None)
        one = ((1, y),)
        return silu, Site(d.hidden, layer.gate_bits, shift, ((1, w),), 0, limbs, sigma, f, one, 0)

    def _layer(self, index: int) -> LayerColumns:
        d, layer, batch = self.d, self.d.layers[index], self.batch
        keys, width = d.heads * batch.positions, p.ACTIVATION_BITS
        exp = self._add(keys, "P")
        difference = self._add(keys, "D", Table(tables.EXP), (exp,))
        r = None
        if layer.score_shift > 1:
            r = self._add(keys, "R", unsigned(layer.score_shift - 1))
        overflow = tuple(
            self._add(keys, "R", unsigned(16)) for _ in range(self.modes.overflow_limbs)
        )
        norms = self._norm(layer.norm1_shift), self._norm(layer.norm2_shift)
        rotated = p.ROTATION_SHIFT
        q = self._site(d.query_width, width, layer.shifts["q"] + rotated, "qk")
        k = self._site(d.key_width, width, layer.shifts["k"] + rotated, "qk")
        v = self._site(d.key_width, width, layer.shifts["v"], "v")
        o = self._add(d.query_width, "R", signed(width))
        high = max(1, (2 * batch.positions * p.ACTIVATION_TOP - 1).bit_length() - 16)
        rem, complement = (
            tuple(self._add(d.query_width, "R", unsigned(limb)) for limb in (16, high))
            for _ in range(2)
        )
        o_update = self._site(d.dim, layer.o_bits, layer.shifts["o"], "o", self.modes.wide_o[index])
        silu, gate = self._gate(index)
        z = self._site(d.hidden, layer.z_bits, layer.shifts["up"], "z", self.modes.wide_z[index])
        down_update = self._site(
            d.dim, layer.down_bits, layer.shifts["down"], "down", self.modes.wide_down[index]
        )
        b, m = self._add(keys, "P"), self._add(d.heads, "P")
        return LayerColumns(
            exp, difference, r, overflow, norms, q, k, v, o, rem, complement,
            o_update, silu, gate, z, down_update, b, m,
        )  # fmt: skip

    def _place(self) -> None:
        at = 0
        for region in REGIONS:
            for tensor in self.tensors:
                if tensor.region == region:
                    at += -at % (1 << tensor.row_bits)
                    tensor.start = at
                    at += tensor.cells
            if region == "S":
                self.lookup_cells = at
        self.multiplicities = at
        looked_up = [t for t in self.tensors if t.table is not None]
        used = [t.table for t in looked_up if t.table is not None]
        self.looked_up = looked_up
        self.tables = [
            (table, tables.entries(table, self.d, self.model)) for table in tables.of_a_proof(used)
        ]
        self.entry_count = sum(len(entries.keys) for _, entries in self.tables)
        self.cells = at + self.entry_count
        self.num_vars = max(p.NUM_VARS.least, p.bits(self.cells))
        self.leaf_vars = p.bits(self.lookup_cells + self.entry_count)
        if self.num_vars not in p.NUM_VARS or self.leaf_vars not in p.LEAF_VARS:
            raise RejectedError("the statement needs more cells than can be committed")
