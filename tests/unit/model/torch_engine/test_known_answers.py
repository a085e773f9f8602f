"""A device that computes wrongly is not mined with, whatever it does wrongly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from esper.model import LoadedModel
from esper.model.config import Shape
from esper.model.torch_engine import arithmetic, forward
from esper.model.torch_engine.errors import (
    DeviceMemoryError,
    NoDeviceError,
    ProductOverflowError,
    TorchMissingError,
    WrongAnswersError,
)
from esper.model.torch_engine.halves import in_int32, on_tensor_cores
from esper.model.torch_engine.opening import choose_device, opened, product_of
from esper.model.torch_engine.seam import Wanted, check_installed, open_stream
from tests.support.second_verifier import random_model

WANTED = Wanted("cpu", prompt_tokens=20, max_answer=6, top_k=4, threads=1)
SHAPE = Shape(
    vocab=300, dim=20, hidden=37, layers=2, heads=6, kv_heads=3, head_dim=6, max_seq=32
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="module")
def native(folder: Path) -> LoadedModel:
    return random_model(folder, 11, shape=SHAPE, z_bits=(18, 16))


def test_a_device_that_computes_rightly_is_taken(folder: Path, native: LoadedModel) -> None:
    stream = open_stream(folder, native.native, WANTED)
    [found] = stream.answers([[3, 1, 4]], 6)
    ((tokens, top),) = native.native.generate([[3, 1, 4]], 6, 4, 1)
    assert (found.tokens, found.top) == (tuple(tokens), tuple(map(tuple, top)))
    assert not stream.graphs


def saturating(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """What PyTorch does on AVX2: the left side made unsigned, pairs of products cut at int16."""
    wide, other = left.to(torch.int32) + 128, right.to(torch.int32)
    pairs = wide[:, None, 0::2] * other[None, :, 0::2] + wide[:, None, 1::2] * other[None, :, 1::2]
    return pairs.clamp(-32768, 32767).sum(dim=2, dtype=torch.int32) - 128 * other.sum(dim=1)


def last_entry(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """One bit of one entry of each product."""
    found = in_int32(left, right)
    found[-1, 0] ^= 1
    return found


def few_rows(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Only the first sixteen rows."""
    found = in_int32(left, right)
    found[16:] = 0
    return found


def in_float32(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Right until the sums are long."""
    return (left.to(torch.float32) @ right.to(torch.float32).t()).to(torch.int32) // 2 * 2


@pytest.mark.parametrize("product", [saturating, last_entry, few_rows, in_float32])
def test_wrong_products_are_refused_before_the_model_is_brought(
    folder: Path, native: LoadedModel, product: Callable[[Any, Any], Any]
) -> None:
    with pytest.raises(WrongAnswersError, match="entries of a product of") as caught:
        opened(folder, native.native, WANTED, product=product)
    assert str(caught.value).startswith("device cpu computes wrongly: ")
    assert "nothing is mined with it" in str(caught.value)


FAULTS: dict[str, tuple[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "a shift that truncates": (
        forward, "rounding_shift", lambda right: lambda x, shift: x >> shift,
    ),
    "a clamp that is not": (
        arithmetic.Norm, "__call__", lambda right: lambda self, x: right(self, x) + 1,
    ),
    "attention that sees what comes": (
        forward, "attend",
        lambda right: lambda q, k, v, seen, *rest: right(q, k, v, torch.ones_like(seen), *rest),
    ),
    "a division that rounds down": (
        forward, "attend", lambda right: lambda *given: right(*given) - 1,
    ),
    "a logit that is off by one": (
        forward, "best",
        lambda right: lambda logits, count: right(logits + (logits == logits.max()), count),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", list(FAULTS))
def test_wrong_answers_are_refused(
    folder: Path, native: LoadedModel, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    place, name, broken = FAULTS[fault]
    monkeypatch.setattr(place, name, broken(getattr(place, name)))
    with pytest.raises(WrongAnswersError, match="differs from the native engine's"):
        opened(folder, native.native, WANTED)


def test_ties_that_go_to_the_highest_id_are_refused(
    folder: Path, native: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No prompt of a known answer need meet a tie, so they are asked for apart."""
    right = arithmetic.best

    def highest(logits: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids, values = right(logits.flip(1), count)
        return logits.shape[1] - 1 - ids, values

    monkeypatch.setattr("esper.model.torch_engine.known_answers.best", highest)
    with pytest.raises(WrongAnswersError, match="the best of equal logits"):
        opened(folder, native.native, WANTED)


def test_a_fault_in_one_slot_alone_is_found(
    folder: Path, native: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that fails: one number of the keys of the last slot, where only long prompts come."""
    right = forward.Forward.run

    def run(self: Any, tokens: Any, slots: Any, positions: Any) -> Any:
        found = right(self, tokens, slots, positions)
        self._cache.keys[0][self._cache.slots - 1, 7] ^= 0x2000
        return found

    monkeypatch.setattr(forward.Forward, "run", run)
    with pytest.raises(WrongAnswersError):
        opened(folder, native.native, WANTED)


def test_devices_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NoDeviceError, match="device cuda: PyTorch finds no CUDA device"):
        choose_device("cuda")
    for device in ("meta", "graphics", ""):
        with pytest.raises(NoDeviceError, match=f"device {device}: "):
            choose_device(device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(NoDeviceError, match="device cuda:1: there are 1, counted from 0"):
        choose_device("cuda:1")
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for device in ("cuda:0", "cuda", "cpu"):
        choose_device(device)
    assert chosen == [0]


def test_only_a_graphics_card_is_asked_for_tensor_cores() -> None:
    assert product_of("cuda:1") is on_tensor_cores
    assert product_of("cpu") is in_int32


def test_memory_that_runs_out_is_told_with_the_estimate(
    folder: Path, native: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("esper.model.torch_engine.opening.bring", full)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1 << 30, 2 << 30))
    with pytest.raises(DeviceMemoryError, match=r"2\.0 GiB .* and 1\.0 GiB are free"):
        opened(folder, native.native, WANTED)


def test_a_product_that_could_wrap_is_refused(
    folder: Path, native: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esper.model.torch_engine.halves.HEAVIEST_ROW", 127 * 37 + 1)
    opened(folder, native.native, WANTED)
    monkeypatch.setattr("esper.model.torch_engine.halves.HEAVIEST_ROW", 1000)
    monkeypatch.setattr("esper.model.torch_engine.opening.check_products", lambda *_: None)
    with pytest.raises(ProductOverflowError, match=r"layers\.0\.q_proj and layers\.0\.k_proj"):
        opened(folder, native.native, WANTED)


def test_a_machine_without_torch_is_told_what_to_install(
    folder: Path, native: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(TorchMissingError, match=r"not installed; run: pip install '\.\[torch\]'"):
        check_installed()
    with pytest.raises(TorchMissingError):
        open_stream(folder, native.native, WANTED)
