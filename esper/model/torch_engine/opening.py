"""From a device's name to a stream that has been tested."""

from pathlib import Path

import torch

from esper.model.g16_parameters import INTEGERS_FILE, read_parameters
from esper.model.safetensors_file import TensorFile
from esper.model.torch_engine.errors import DeviceMemoryError, NoDeviceError
from esper.model.torch_engine.halves import Int8Product, in_int32, on_tensor_cores
from esper.model.torch_engine.known_answers import (
    NativeAnswers,
    check_answers,
    check_products,
    check_ties,
)
from esper.model.torch_engine.memory import estimate, rows_that_fit
from esper.model.torch_engine.schedule import slots_for
from esper.model.torch_engine.seam import MOST_ROWS, PROCESSOR_ROWS, Wanted
from esper.model.torch_engine.steps import whole
from esper.model.torch_engine.stream import AnswerStream
from esper.model.torch_engine.weights import bring


def product_of(device: str) -> Int8Product:
    """How int8 products are made on a device."""
    return on_tensor_cores if torch.device(device).type == "cuda" else in_int32


def choose_device(device: str) -> None:
    """Make a device that of this process.

    Raises NoDeviceError for anything but a processor or a CUDA device that is there.
    """
    try:
        found = torch.device(device)
    except RuntimeError:
        raise NoDeviceError(device, "PyTorch knows no device of this name") from None
    if found.type == "cpu":
        return
    if found.type != "cuda":
        raise NoDeviceError(device, "integer products are made on cuda or cpu")
    if not torch.cuda.is_available():
        raise NoDeviceError(device, "PyTorch finds no CUDA device on this machine")
    if found.index is not None:
        if found.index >= torch.cuda.device_count():
            raise NoDeviceError(device, f"there are {torch.cuda.device_count()}, counted from 0")
        # For what names no device, graphs and memory; without a number it is the first one.
        torch.cuda.set_device(found.index)


def opened(
    folder: Path, native: NativeAnswers, wanted: Wanted, *, product: Int8Product | None = None
) -> AnswerStream:
    """As ``seam.open_stream``, once PyTorch is there; ``product`` stands in for the device's."""
    device = wanted.device
    choose_device(device)
    on_card = torch.device(device).type == "cuda"
    product = product or product_of(device)
    parameters = read_parameters(folder)
    prompt, answer = wanted.prompt_tokens, wanted.max_answer
    if on_card:
        rows = rows_that_fit(
            parameters, prompt, answer, most=MOST_ROWS, free=free_bytes(), device=device
        )
    else:
        torch.set_num_threads(wanted.threads)
        rows = PROCESSOR_ROWS
    try:
        slots = slots_for(rows, prompt, answer)
        check_products(parameters, rows, whole(slots), device, product)
        check_ties(parameters, whole(slots), wanted)
        model = bring(parameters, TensorFile(folder / INTEGERS_FILE), device, product)
        stream = AnswerStream(
            model,
            rows=rows,
            slots=slots,
            positions=prompt + answer - 1,
            top_k=wanted.top_k,
            graphs=on_card,
        )
        check_answers(stream, native, parameters, wanted)
    except torch.OutOfMemoryError as error:
        # The estimate was too low, or another program was faster.
        needed = estimate(parameters, rows, prompt, answer).total
        raise DeviceMemoryError(device, needed, free_bytes(), rows) from error
    return stream


def free_bytes() -> int:
    """Memory that nobody has of the CUDA device in use."""
    free, _ = torch.cuda.mem_get_info()
    return int(free)
