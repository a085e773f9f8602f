"""What can be wrong with a model, its files or its export: one exception per rule."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path


class ModelError(ValueError):
    """Base of every error raised by ``esper.model``; the message names the field and the remedy."""


class MissingFileError(ModelError):
    """A file the model directory must hold is absent or unreadable."""

    def __init__(self, path: Path, remedy: str, reason: str = "") -> None:
        self.path = path
        super().__init__(f"{path} cannot be read{reason and f' ({reason})'}; {remedy}")


class MachineError(ModelError):
    """Trouble of this machine: it says nothing about the model."""


class UnreadableFileError(MissingFileError, MachineError):
    """A file is there, and this machine cannot read it now."""


class EngineFaultError(MachineError):
    """This machine computes a known answer wrongly: no model can be run on it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}; use another machine, or another build")


def unread(path: Path, remedy: str, error: OSError) -> MissingFileError:
    """What to raise for a file that cannot be opened or read.

    That there is none, a link that leads nowhere or in a circle, or a socket: that is the model's
    own fault. Everything else, descriptors or memory that ran out or a disk that fails, is this
    machine's, and gone tomorrow.
    """
    own = error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENOTDIR)
    kind = MissingFileError if own else UnreadableFileError
    return kind(path, remedy, error.strerror or str(error))


class MalformedFileError(ModelError):
    """A file does not follow its format."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} is malformed: {reason}")


class UnwritableFileError(ModelError):
    """A file or folder cannot be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        self.path = path
        super().__init__(
            f"{path} cannot be written: {error.strerror or error}; give a folder that can be "
            "written to, with room on its disk"
        )


class FolderTakenError(ModelError):
    """A folder holds something that an export would replace."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} exists and would be replaced; give another folder, or add --overwrite"
        )


class InvalidFieldError(ModelError):
    """A field is absent, of the wrong type or out of range."""

    def __init__(self, field: str, got: object, expected: str) -> None:
        self.field = field
        self.got = got
        self.expected = expected
        super().__init__(f"field '{field}' is {_shortened(got)}; expected {expected}")


class UnsupportedArchitectureError(ModelError):
    """The checkpoint asks for arithmetic the integer model does not have."""

    def __init__(
        self,
        field: str,
        got: object,
        supported: str,
        remedy: str = "choose another checkpoint",
        feature: str = "",
    ) -> None:
        self.field = field
        self.got = got
        self.supported = supported
        self.feature = feature
        super().__init__(
            f"config.json: '{field}' is {_shortened(got)}{feature and f' ({feature})'}, "
            f"supported is {supported}; {remedy}"
        )


class UnsupportedFieldError(ModelError):
    """A file of a checkpoint asks for something that this program does not have."""

    def __init__(
        self,
        path: Path,
        field: str,
        got: object,
        supported: str,
        remedy: str = "choose another checkpoint",
    ) -> None:
        self.path = path
        self.field = field
        self.got = got
        self.supported = supported
        super().__init__(
            f"{path}: {field} is {_shortened(got)}, supported is {supported}; {remedy}"
        )


class MissingPackageError(ModelError):
    """A Python package that is not always installed is needed."""

    def __init__(self, package: str, purpose: str) -> None:
        self.package = package
        super().__init__(
            f"the package {package}, which {purpose}, is not installed; run: pip install {package}"
        )


class WrongTensorError(ModelError):
    """A tensor is missing, unknown, or has the wrong shape, element type or values."""

    def __init__(self, tensor: str, got: str, expected: str, place: Path | None = None) -> None:
        self.tensor = tensor
        self.got = got
        self.expected = expected
        where, remedy = "", ""
        if place is not None:
            where, remedy = f"{place}: ", "; fetch the checkpoint again, or choose another"
        super().__init__(f"{where}tensor '{tensor}' is {got}; expected {expected}{remedy}")

    def at(self, place: Path) -> WrongTensorError:
        """The same, of a file or folder that is known further up."""
        return WrongTensorError(self.tensor, self.got, self.expected, place)


class CalibrationMismatchError(ModelError):
    """A saved calibration belongs to other weights."""

    def __init__(self, got: str, expected: str) -> None:
        self.got = got
        self.expected = expected
        super().__init__(
            f"calibration field 'checkpoint' is {got}, these weights are {expected}; "
            "calibrate again with --text"
        )


class ScaleOutOfRangeError(ModelError):
    """Calibration asks for a shift or width outside what the format offers."""

    def __init__(self, site: str, quantity: str, got: int, admitted: str) -> None:
        self.site = site
        self.quantity = quantity
        self.got = got
        self.admitted = admitted
        super().__init__(
            f"{site}: {quantity} would have to be {got}, admitted is {admitted}; "
            "the model cannot be exported"
        )


class BoundExceededError(ModelError):
    """A worst case over all inputs, computed from the integers themselves, passes its limit."""

    def __init__(self, site: str, name: str, value: int, limit: int) -> None:
        self.site = site
        self.name = name
        self.value = value
        self.limit = limit
        super().__init__(
            f"{site}: bound '{name}' reaches {value} ({value.bit_length()} bits), "
            f"the limit is {limit}; smaller weights or another calibration are needed"
        )


class ResidualTooWideError(ModelError):
    """Updates of the residual stream are too large for the format, in any units it has."""

    def __init__(self, largest: Sequence[tuple[int, float]], reason: str) -> None:
        self.largest = tuple(largest)
        self.reason = reason
        told = ", ".join(f"layer {layer} up to {value:,.0f}" for layer, value in largest)
        super().__init__(
            f"the updates of the residual stream are too large for the format ({told}): in its "
            f"coarsest units {reason}; choose another checkpoint"
        )


class TokenizerError(ModelError):
    """Text could not be turned into tokens of the model."""


class TemplateRefusedError(ModelError):
    """A chat template cannot be used, or refuses messages; the message is the template's own."""


class TemplateKilledError(TemplateRefusedError):
    """A chat template did not end in time, or took the process that ran it along."""


class NativeUnavailableError(ModelError):
    """The compiled extension cannot be loaded."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the native engine is not available: {reason}")


def _shortened(value: object) -> str:
    """A value from a file, in a sentence: nobody reads a thousand digits."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:200]}…"
