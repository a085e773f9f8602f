"""What a transaction does, in words, from its bytes alone."""

from typing import Final

from esper.primitives.address import Address
from esper.primitives.params import NetworkParameters
from esper.rpc.schema import AccountReply
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.fees import least_fee
from esper.vm.governance.claim import Claim
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.prove import Prove
from esper.vm.governance.vote import Vote
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from esper.wallet.amounts import bid_text, counted, credits_text, esp_text
from esper.wallet.dao_words import (
    claim_lines,
    delegate_lines,
    proposal_lines,
    prove_lines,
    vote_lines,
)
from esper.wallet.files.keystore import WalletFile
from esper.wallet.making.affordability import available

DEAR_TIMES: Final = 3
"""A fee above so many times the least is worth a word to whoever signs it."""

Lines = list[tuple[str, str]]


def labels_of(file: WalletFile) -> dict[str, str]:
    """Labels by address, own and others'; own ones without a label are called so."""
    found = {contact.address: contact.label for contact in file.contacts}
    return found | {own.address: own.label or "this wallet" for own in file.addresses}


def described(
    transaction: Transaction,
    params: NetworkParameters,
    labels: dict[str, str],
    account: AccountReply | None = None,
) -> Lines:
    """Name and text of everything that whoever signs should look at.

    With the sender's ``account`` what is left there is told as well, and no nonce: it is chosen
    when the owner has agreed.
    """
    lines: Lines = [("from", _named(transaction.sender, params, labels))]
    height = None if account is None else account.as_of.height
    lines += _payload_lines(transaction, params, labels, height)
    lines.append(("fee", _fee_text(transaction, params)))
    if account is None:
        lines.append(("nonce", str(transaction.nonce)))
    else:
        lines += _sum_lines(transaction, account)
    if transaction.not_before:
        lines.append(("not before", f"height {transaction.not_before}"))
    lines.append(("lapses", f"after height {transaction.expiry}"))
    lines.append(("network", params.name))
    return lines


def shown(lines: Lines) -> list[str]:
    """Lines for people: the texts stand below each other."""
    width = max((len(name) for name, _ in lines), default=0) + 2
    return [f"{name:{width}}{text}" for name, text in lines]


def _sum_lines(transaction: Transaction, account: AccountReply) -> Lines:
    """What goes and what remains."""
    payload = transaction.payload
    lines: Lines = []
    spent = payload.outlay + transaction.fee
    if payload.outlay:
        lines.append(("total", esp_text(spent)))
    left = []
    if spent:
        left.append(esp_text(max(available(account) - spent, 0)))
    if payload.credits_needed:
        credit = max(int(account.credits.spendable) - payload.credits_needed, 0)
        left.append(f"{credits_text(credit)}")
    if left:
        lines.append(("remains", ", ".join(left)))
    return lines


def _payload_lines(
    transaction: Transaction,
    params: NetworkParameters,
    labels: dict[str, str],
    height: int | None,
) -> Lines:
    match transaction.payload:
        case Transfer(outputs):
            return [
                ("send", f"{esp_text(output.amount)} to {_named(output.receiver, params, labels)}")
                for output in outputs
            ]
        case Stake(amount):
            return [("stake", esp_text(amount))]
        case Unstake(amount):
            blocks = params.reward.unbonding
            return [("unstake", f"{esp_text(amount)}, spendable after {counted(blocks, 'block')}")]
        case CreditTransfer(receiver, amount):
            return [("give", f"{credits_text(amount)} to {_named(receiver, params, labels)}")]
        case LlmCall() as call:
            return [
                ("call", f"model {call.model_id.hex()}"),
                (
                    "prompt",
                    f"{counted(len(call.prompt), 'token')}: {' '.join(map(str, call.prompt))}",
                ),
                ("answer", f"{counted(call.max_tokens, 'token')} at most"),
                ("costs", f"{credits_text(call.reserve)} at most, bid {bid_text(call.price)}"),
            ]
        case LlmResult() as result:
            return [("answer of call", result.call_id.hex())]
        case Propose() as proposal:
            return proposal_lines(proposal, params.governance, height)
        case Vote() as vote:
            return vote_lines(vote)
        case Delegate(to):
            return delegate_lines(_named(to, params, labels) if to else "")
        case Claim() as claim:
            return claim_lines(claim)
        case Prove() as prove:
            return prove_lines(prove)
        case other:
            # Whoever signs sees every field, whatever the kind.
            fields = ((name, getattr(other, name)) for name, _ in other.SCHEMA)
            return [("does", other.NAME), *((name, _plain_text(value)) for name, value in fields)]


def _plain_text(value: object) -> str:
    """A field of a transaction: bytes in hex, the parts of lists and records behind each other."""
    match value:
        case bytes():
            return value.hex() or "nothing"
        case tuple():
            return ", ".join(map(_plain_text, value)) or "nothing"
    return str(value)


def _fee_text(transaction: Transaction, params: NetworkParameters) -> str:
    """The fee, and the least one where this is far from it."""
    if not transaction.payload.PAYS_FEE:
        return "none, credits pay"
    least = least_fee(transaction, params.limits)
    dear = transaction.fee > DEAR_TIMES * least
    return esp_text(transaction.fee) + (f", the least is {esp_text(least)}" if dear else "")


def _named(address: bytes, params: NetworkParameters, labels: dict[str, str]) -> str:
    text = Address.from_bytes(address).to_text(params.address_prefix)
    return f"{text} ({labels[text]})" if text in labels else text
