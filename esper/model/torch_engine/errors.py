"""Why the torch engine cannot be used here: trouble of this machine, in sentences."""

from typing import Final

from esper.model.errors import MachineError, ModelError

# By file names alone: docs/decisions/wheel.md says why no command fetches a distribution by name.
_INSTALL: Final = "pip install '.[torch]' in a checkout, or pip install 'FILE.whl[torch]'"
_NATIVE: Final = "use --engine native"


class TorchMissingError(MachineError):
    """PyTorch is not installed, or cannot be loaded."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        what = f"cannot be loaded ({reason})" if reason else "is not installed"
        super().__init__(f"engine torch: PyTorch {what}; run: {_INSTALL}, or {_NATIVE}")


class NoDeviceError(MachineError):
    """There is no such device."""

    def __init__(self, device: str, reason: str) -> None:
        self.device = device
        super().__init__(
            f"device {device}: {reason}; see nvidia-smi, name another with --device, or {_NATIVE}"
        )


class WrongAnswersError(MachineError):
    """This device computes a known answer wrongly: nothing it says may be mined with."""

    def __init__(self, device: str, what: str) -> None:
        self.what = what
        super().__init__(
            f"device {device} computes wrongly: {what}; nothing is mined with it: use another "
            f"device, driver or version of PyTorch, or {_NATIVE}"
        )


class DeviceMemoryError(MachineError):
    """The model does not fit in what the device has free."""

    def __init__(self, device: str, needed: int, free: int, rows: int) -> None:
        self.needed = needed
        self.free = free
        super().__init__(
            f"device {device}: the model takes about {needed / 2**30:.1f} GiB with its least batch "
            f"of {rows} rows, and {free / 2**30:.1f} GiB are free; end what else uses the device, "
            f"or {_NATIVE}"
        )


class ProductOverflowError(ModelError):
    """A row of weights is so heavy that a product could leave int32."""

    def __init__(self, tensor: str, row: int, weight: int, most: int) -> None:
        self.tensor = tensor
        self.row = row
        super().__init__(
            f"tensor '{tensor}': the weights of row {row} add up to {weight}, and an int32 product "
            f"holds at most {most}; {_NATIVE} for this model"
        )
