"""Products of int16 activations and int8 weights, made of int8 products that sum in int32.

x = 256 a + (b + 128) with a = x >> 8 and b = (x & 255) - 128, both int8; a value of up to 24 bits
has three such parts. Then W x = 256 (W a) + W b + 128 Σ W, in int64, where W a and W b are what
tensor cores compute. Both parts reach -128, so each stays below 2^31 in size while the absolute
weights of a row add up to less than 2^24.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from esper.model.safetensors_file import AnyArray
from esper.model.torch_engine.errors import ProductOverflowError

PART_BITS: Final = 8
PART_TOP: Final = 128
"""Largest absolute value of a part."""
HEAVIEST_ROW: Final = (2**31 - 1) // PART_TOP
"""Largest sum of absolute weights of a row with which no int32 sum, in any order, can wrap."""
ALIGNED: Final = 16
"""cuBLASLt's int8 products want sizes that are multiples of it."""
LEAST_ROWS: Final = 32
"""Of a product: ``torch._int_mm`` refuses 16 and fewer."""

Int8Product = Callable[[Tensor, Tensor], Tensor]
"""(M, K) int8 times the transpose of (N, K) int8, both with rows in one piece: (M, N) int32."""


def on_tensor_cores(left: Tensor, right: Tensor) -> Tensor:
    """The product of a CUDA device. On processors PyTorch computes it wrongly: never there."""
    if not left.is_cuda:
        raise ValueError("torch._int_mm is for CUDA alone: it computes wrongly on processors")
    return torch._int_mm(left, right.t())


def in_int32(left: Tensor, right: Tensor) -> Tensor:
    """The same for processors, in plain int32: slow, and exact within the bounds."""
    return left.to(torch.int32) @ right.to(torch.int32).t()


def parts_of(bits: int) -> int:
    """How many int8 parts a value of so many bits, sign included, takes."""
    return -(-bits // PART_BITS)


def split(values: Tensor, parts: int) -> list[Tensor]:
    """The int8 parts of int16 or int32 values, the uppermost first."""
    lower = [
        ((values >> (PART_BITS * place)) & 255).sub_(PART_TOP).to(torch.int8)
        for place in reversed(range(parts - 1))
    ]
    return [(values >> (PART_BITS * (parts - 1))).to(torch.int8), *lower]


def padded(size: int) -> int:
    """A size as products want it."""
    return -(-size // ALIGNED) * ALIGNED


def check_rows(name: str, weight: AnyArray) -> None:
    """Prove that no int8 product with this matrix leaves int32.

    Args:
        name: of the tensor.
        weight: (outputs, inputs), int8.

    Raises:
        ProductOverflowError: the first row whose sum of absolute weights is above
            ``HEAVIEST_ROW``.
    """
    # In pieces: the absolute values of a large matrix are twice its size.
    for start in range(0, len(weight), 4096):
        sums = np.abs(weight[start : start + 4096].astype(np.int16)).sum(axis=1, dtype=np.int64)
        heavy = np.flatnonzero(sums > HEAVIEST_ROW)
        if heavy.size:
            row = int(heavy[0])
            raise ProductOverflowError(name, start + row, int(sums[row]), HEAVIEST_ROW)


class Linear:
    """A linear layer on a device: ``A[o] = m[o] Σ_k W[o,k] x[k]``, exact."""

    def __init__(
        self,
        name: str,
        weight: AnyArray,
        multiplier: AnyArray,
        bits: int,
        device: str,
        product: Int8Product,
    ) -> None:
        """Prove the bound, then bring the matrix to the device.

        Args:
            name: for errors.
            weight: (outputs, inputs), int8 in [-127, 127].
            multiplier: (outputs,), int32.
            bits: of the inputs, sign included; at most 24.
            device: such as ``"cuda"``.
            product: how its int8 products are made.

        Raises:
            ProductOverflowError: a product could leave int32.
        """
        check_rows(name, weight)
        self._product = product
        self.outputs, self.inputs = weight.shape
        """Sizes without padding."""
        self.parts = parts_of(bits)
        """int8 products that each call takes."""
        spare = (padded(self.outputs) - self.outputs, padded(self.inputs) - self.inputs)
        whole = np.pad(weight, ((0, spare[0]), (0, spare[1]))) if any(spare) else weight
        self._spare = spare[1]
        self._weight = torch.from_numpy(whole).to(device)
        sums = torch.from_numpy(weight.sum(axis=1, dtype=np.int64)).to(device)
        self._multiplier = torch.from_numpy(multiplier.astype(np.int64)).to(device)
        # Each part but the uppermost was made 128 smaller, at its place.
        offset = sum(PART_TOP << (PART_BITS * place) for place in range(self.parts - 1))
        self._offset = sums * offset

    def __call__(self, values: Tensor) -> Tensor:
        """``A`` of each row: (rows, inputs) int16 or int32 gives (rows, outputs) int64.

        At least ``LEAST_ROWS`` rows, a multiple of 8, as tensor cores want it.
        """
        total: Tensor = self._offset
        for place, part in enumerate(split(values, self.parts)):
            if self._spare:
                part = torch.nn.functional.pad(part, (0, self._spare))
            shift = PART_BITS * (self.parts - 1 - place)
            sums = self._product(part, self._weight)[:, : self.outputs]
            # Both sides are int64 here, so the factor cannot wrap.
            total = total + (sums.to(torch.int64) << shift if shift else sums)
        return total * self._multiplier
