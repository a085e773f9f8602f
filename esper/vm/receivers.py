"""The rule that what is sent goes to an address."""

from esper.primitives.address import Address, AddressError
from esper.primitives.errors.transaction_errors import ReceiverViolation


def check_receiver(receiver: bytes) -> None:
    """Raises ReceiverViolation unless ``receiver`` are the 33 bytes of an address."""
    try:
        Address.from_bytes(receiver)
    except AddressError as error:
        raise ReceiverViolation(receiver, str(error)) from error
