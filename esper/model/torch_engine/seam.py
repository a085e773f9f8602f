"""What of the torch engine can be asked without PyTorch, and the one way to it.

PyTorch takes seconds and hundreds of megabytes to import: a worker process does, a node never.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from esper.model.torch_engine.errors import TorchMissingError

if TYPE_CHECKING:
    from pathlib import Path

    from esper.model.torch_engine.known_answers import NativeAnswers
    from esper.model.torch_engine.stream import AnswerStream

MOST_ROWS: Final = 512
"""Of a step on a graphics card: enough to be bound by arithmetic, not by reading the weights."""
PROCESSOR_ROWS: Final = 32
"""On a processor, where more rows save nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stream is for."""

    device: str
    """``cuda``, ``cuda:1``, ``cpu``."""
    prompt_tokens: int
    """Of each prompt, at most."""
    max_answer: int
    """Tokens of each answer, at most."""
    top_k: int
    """Candidates of each answer token."""
    threads: int
    """Of the native engine, which the known answers come from, and of PyTorch on a processor."""


def check_installed() -> None:
    """Whether PyTorch is there, without importing it. Raises TorchMissingError."""
    if importlib.util.find_spec("torch") is None:
        raise TorchMissingError


def open_stream(folder: Path, native: NativeAnswers, wanted: Wanted) -> AnswerStream:
    """A stream on a device, which has given all known answers.

    Args:
        folder: of the model.
        native: the same model, loaded and checked by the compiled engine.
        wanted: what it is for.

    Raises:
        TorchMissingError: PyTorch is not installed, or cannot be loaded.
        NoDeviceError: there is no such device.
        DeviceMemoryError: the model does not fit there.
        ProductOverflowError: a product of this model could leave int32.
        WrongAnswersError: the device computes wrongly.
        MissingFileError, MalformedFileError, WrongTensorError: a file has changed since the native
            engine read it.
    """
    check_installed()
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        # Its libraries are looked for when it is imported: a driver may lack, or memory.
        raise TorchMissingError(str(error).splitlines()[0]) from error
    from esper.model.torch_engine.opening import opened

    return opened(folder, native, wanted)


def use_threads(device: str, threads: int) -> None:
    """Let what runs on a processor compute with so many threads, at least 1, from now on.

    Called in the thread that computes, as PyTorch keeps the number by thread. A card has its own:
    nothing changes there.
    """
    import torch

    if torch.device(device).type == "cpu":
        torch.set_num_threads(threads)
