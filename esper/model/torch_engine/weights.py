"""An integer model on a device, tensor after tensor, so that no second copy is ever in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from esper.model.config import Shape
from esper.model.errors import WrongTensorError
from esper.model.g16_format import tensor_layout
from esper.model.g16_parameters import LayerParameters, Parameters
from esper.model.safetensors_file import AnyArray
from esper.model.torch_engine.arithmetic import Gate, Norm
from esper.model.torch_engine.halves import Int8Product, Linear

ACTIVATION_BITS: Final = 16
POWERS: Final = 31
"""Powers of four below 2^62."""


@dataclass(frozen=True, slots=True)
class DeviceLayer:
    """One layer on a device."""

    parameters: LayerParameters
    norm1: Norm
    qkv: Linear
    """The three projections one under the other."""
    o: Linear
    norm2: Norm
    gate_up: Linear
    """As ``qkv``."""
    down: Linear
    gate: Gate


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """All of a model that a forward pass needs."""

    parameters: Parameters
    device: str
    embed: Tensor
    """(vocab, dim), int32."""
    layers: tuple[DeviceLayer, ...]
    final_norm: Norm
    lm_head: Linear
    exp: Tensor
    """(4096,), int64."""
    cos: Tensor
    """(max_seq, head_dim / 2), int64."""
    sin: Tensor
    """As ``cos``."""

    @property
    def shape(self) -> Shape:
        """Sizes."""
        return self.parameters.shape


def bring(
    parameters: Parameters,
    tensors: Mapping[str, AnyArray],
    device: str,
    product: Int8Product,
) -> DeviceModel:
    """Bring a model to a device, the bounds of its products proven.

    The native loader has checked everything else before.

    Args:
        parameters: sizes, shifts and widths.
        tensors: by their names in the file, read when they are asked for.
        device: such as ``"cuda"``.
        product: how int8 products are made there.

    Raises:
        WrongTensorError: a tensor is missing, or has another type or shape.
        ProductOverflowError: a product could leave int32.
    """
    return _Carrier(parameters, tensors, device, product).model()


class _Carrier:
    def __init__(
        self,
        parameters: Parameters,
        tensors: Mapping[str, AnyArray],
        device: str,
        product: Int8Product,
    ) -> None:
        self._parameters = parameters
        self._tensors = tensors
        self._layout = {name: (kind, size) for name, kind, size in tensor_layout(parameters)}
        self._device = device
        self._product = product

    def model(self) -> DeviceModel:
        p = self._parameters
        self._rsqrt = self._wide("rsqrt_table")
        self._powers = torch.tensor([4**k for k in range(POWERS)], device=self._device)
        return DeviceModel(
            parameters=p,
            device=self._device,
            embed=torch.from_numpy(self._read("embed_tokens")).to(self._device),
            layers=tuple(self._layer(index, layer) for index, layer in enumerate(p.layers)),
            final_norm=self._norm("final_norm_gain", p.final_norm_shift),
            lm_head=self._linear(("lm_head",), ACTIVATION_BITS),
            exp=self._wide("exp_table"),
            cos=self._wide("rope_cos"),
            sin=self._wide("rope_sin"),
        )

    def _layer(self, index: int, layer: LayerParameters) -> DeviceLayer:
        prefix = f"layers.{index}."
        names = {
            joined: tuple(f"{prefix}{name}_proj" for name in joined.split("_"))
            for joined in ("q_k_v", "o", "gate_up", "down")
        }
        return DeviceLayer(
            parameters=layer,
            norm1=self._norm(f"{prefix}norm1_gain", layer.norm1_shift),
            qkv=self._linear(names["q_k_v"], ACTIVATION_BITS),
            o=self._linear(names["o"], ACTIVATION_BITS),
            norm2=self._norm(f"{prefix}norm2_gain", layer.norm2_shift),
            gate_up=self._linear(names["gate_up"], ACTIVATION_BITS),
            down=self._linear(names["down"], layer.z_bits),
            gate=Gate(
                silu=self._wide(f"{prefix}silu_table"),
                bits=layer.gate_bits,
                shift=layer.linear_shift["gate_proj"],
                up_shift=layer.linear_shift["up_proj"],
                z_bits=layer.z_bits,
            ),
        )

    def _norm(self, gain: str, shift: int) -> Norm:
        p = self._parameters
        return Norm(self._wide(gain), shift, self._rsqrt, self._powers, p.emax, p.eps_term)

    def _linear(self, names: Sequence[str], bits: int) -> Linear:
        return Linear(
            " and ".join(names),
            _joined([self._read(f"{name}.weight") for name in names]),
            _joined([self._read(f"{name}.multiplier") for name in names]),
            bits,
            self._device,
            self._product,
        )

    def _wide(self, name: str) -> Tensor:
        return torch.from_numpy(self._read(name).astype(np.int64)).to(self._device)

    def _read(self, name: str) -> AnyArray:
        kind, size = self._layout[name]
        try:
            array = self._tensors[name]
        except KeyError:
            raise WrongTensorError(name, "missing", f"{kind} of shape {size}") from None
        if array.dtype != kind or array.shape != size:
            raise WrongTensorError(
                name, f"{array.dtype} of shape {array.shape}", f"{kind} of shape {size}"
            )
        return array


def _joined(arrays: Sequence[AnyArray]) -> AnyArray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
