"""What can be wrong with a model, its files or its export: one exception per rule."""

from __future__ import annotations

from pathlib import Path


class ModelError(ValueError):
    """Base of every error raised by ``esper.model``; the message names the field and the remedy."""


class MissingFileError(ModelError):
    """A file the model directory must hold is absent or unreadable."""

    def __init__(self, path: Path, remedy: str) -> None:
        self.path = path
        super().__init__(f"{path} cannot be read; {remedy}")


class MalformedFileError(ModelError):
    """A file does not follow its format."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} is malformed: {reason}")


class InvalidFieldError(ModelError):
    """A field is absent, of the wrong type or out of range."""

    def __init__(self, field: str, got: object, expected: str) -> None:
        self.field = field
        self.got = got
        self.expected = expected
        super().__init__(f"field '{field}' is {got!r}; expected {expected}")


class UnsupportedArchitectureError(ModelError):
    """The checkpoint asks for arithmetic the integer model does not have."""

    def __init__(self, field: str, got: object, supported: str) -> None:
        self.field = field
        self.got = got
        self.supported = supported
        super().__init__(
            f"config.json: '{field}' is {got!r}, supported is {supported}; "
            "choose another checkpoint"
        )


class WrongTensorError(ModelError):
    """A tensor is missing, unknown, or has the wrong shape, element type or values."""

    def __init__(self, tensor: str, got: str, expected: str) -> None:
        self.tensor = tensor
        self.got = got
        self.expected = expected
        super().__init__(f"tensor '{tensor}' is {got}; expected {expected}")


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


class TokenizerError(ModelError):
    """Text could not be turned into tokens of the model."""


class NativeUnavailableError(ModelError):
    """The compiled extension cannot be loaded."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the native engine is not available: {reason}")
