"""Values of the chain as the RPC writes them."""

from esper.primitives.address import Address, AddressError
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.rpc.errors import INVALID_PARAMS, RpcError
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.unstake import Unstake


def address_text(address: bytes, params: NetworkParameters) -> str:
    """The text of 33 bytes; empty for none."""
    return Address.from_bytes(address).to_text(params.address_prefix) if address else ""


def address_of(text: str, params: NetworkParameters) -> bytes:
    """The 33 bytes of an address of this network. Raises RpcError."""
    try:
        return Address.from_text(text, params.address_prefix).to_bytes()
    except AddressError as error:
        raise RpcError(INVALID_PARAMS, str(error)) from error


def outputs_of(transaction: Transaction, params: NetworkParameters) -> list[s.Output]:
    """Who gets what: units, or micro-credits of a credit transfer."""
    payload = transaction.payload
    if isinstance(payload, Stake | Unstake):
        return [s.Output(address="", amount=str(payload.amount))]
    return [
        s.Output(address=address_text(one.receiver, params), amount=str(one.amount))
        for one in (*payload.payments, *payload.gifts)
    ]


def penalty_reply(penalty: TakenPenalty, params: NetworkParameters) -> s.PenaltyReply:
    """What evidence took."""
    return s.PenaltyReply(
        receipt=penalty.receipt.hex(),
        gateway=address_text(penalty.gateway, params),
        rewards=str(penalty.rewards),
        stake=str(penalty.stake),
        unbonding=str(penalty.unbonding),
        taken=str(penalty.taken),
        paid=str(penalty.paid),
        burned=str(penalty.burned),
    )
