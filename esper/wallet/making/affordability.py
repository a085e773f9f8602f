"""Whether an account can do what is asked for, said before anything is signed."""

from esper.primitives.address import Address
from esper.primitives.networks import DEMO_ADDRESS
from esper.primitives.params import NetworkParameters
from esper.rpc.schema import AccountReply, Release
from esper.vm.payload import Payload
from esper.vm.unstake import Unstake
from esper.wallet.amounts import counted, credits_text, esp_text
from esper.wallet.errors import CreditsShortError, DustError, FundsShortError, StakeShortError


def check_affordable(
    account: AccountReply, payload: Payload, fee: int, params: NetworkParameters, released: int = 0
) -> None:
    """The account covers amounts, fee and credits.

    ``released`` are units that a replaced transaction no longer takes. Raises FundsShortError,
    StakeShortError or CreditsShortError.
    """
    check_funds(account, payload.outlay, fee, params, released)
    if isinstance(payload, Unstake) and payload.amount > int(account.stake):
        raise StakeShortError(
            f"{esp_text(account.stake)} are staked, {esp_text(payload.amount)} cannot be unstaked"
        )
    if payload.credits_needed:
        _check_credits(account, payload.credits_needed, params)


def is_new(account: AccountReply) -> bool:
    """Whether the chain knows nothing of an address, so that dust could not open it."""
    amounts = (account.balance, account.stake, account.credits.available, account.credits.used)
    return account.nonce == 0 and not any(map(int, amounts))


def check_dust(receiver: AccountReply, amount: int, least: int) -> None:
    """A new account gets ``least`` units at least. Raises DustError."""
    if amount < least and is_new(receiver):
        raise DustError(
            f"{receiver.address} is new to the chain: {esp_text(amount)} cannot open it, "
            f"send {esp_text(least)} or more"
        )


def check_credit_dust(receiver: AccountReply, amount: int, least: int) -> None:
    """A new account gets ``least`` micro-credits at least. Raises DustError."""
    if amount < least and is_new(receiver):
        raise DustError(
            f"{receiver.address} is new to the chain: {credits_text(amount)} cannot open it, "
            f"send {credits_text(least)} or more"
        )


def available(account: AccountReply, released: int = 0) -> int:
    """Units that can be spent now, what waits deducted but for ``released`` of it."""
    return max(int(account.balance) - max(int(account.pending_out) - released, 0), 0)


def check_funds(
    account: AccountReply, outlay: int, fee: int, params: NetworkParameters, released: int = 0
) -> None:
    """The balance covers amount and fee, in units. Raises FundsShortError."""
    have = available(account, released)
    if have >= outlay + fee:
        return
    need = (
        f"{esp_text(outlay)} and {esp_text(fee)} fee" if outlay else f"{esp_text(fee)} for the fee"
    )
    parts = [f"the balance is {esp_text(have)}, this needs {need}"]
    if int(account.pending_out):
        parts.append(f"{esp_text(account.pending_out)} are in transactions that wait")
    parts += _to_come(account.immature, "mature")
    parts += _to_come(account.unbonding, "unbond")
    parts.append(_remedy(account, outlay + fee - have, params))
    raise FundsShortError("; ".join(parts))


def _remedy(account: AccountReply, missing: int, params: NetworkParameters) -> str:
    """What brings the ``missing`` units."""
    for release in sorted([*account.immature, *account.unbonding], key=lambda one: one.height):
        missing -= int(release.amount)
        if missing <= 0:
            blocks = max(release.height - account.as_of.height, 1)
            how = f": `esperd generate {blocks}` mines them" if params.mines_on_demand else ""
            return f"there is enough at height {release.height}, in {counted(blocks, 'block')}{how}"
    # The first reward can be spent once as many blocks as it needs to mature came after its own.
    wait = params.reward.maturity
    if params.mines_on_demand:
        to = "" if account.address == _demo(params) else f" --to {account.address}"
        return (
            f"mine for this address with `esperd generate {wait + 1}{to}`: rewards mature after "
            f"{counted(wait, 'block')}"
        )
    return (
        f"have some sent to {account.address}, or mine for it: rewards mature after "
        f"{counted(wait, 'block')}"
    )


def _demo(params: NetworkParameters) -> str:
    """The address that a miner of a network without value pays where nobody names another."""
    return Address.from_bytes(DEMO_ADDRESS).to_text(params.address_prefix)


def _to_come(releases: list[Release], what: str) -> list[str]:
    """The next few releases in words."""
    shown = [f"{esp_text(r.amount)} {what} at height {r.height}" for r in releases[:3]]
    return shown + ([f"more {what} later"] if len(releases) > 3 else [])


def _check_credits(account: AccountReply, cost: int, params: NetworkParameters) -> None:
    held = account.credits
    available, earned = int(held.available), int(held.per_block)
    if cost > available:
        how = "stake some ESP to earn credits, such as `esper stake 1`"
        if earned:
            blocks = -((available - cost) // earned)
            how = f"the stake earns them in about {counted(blocks, 'block')}"
        raise CreditsShortError(
            f"there are {credits_text(available)}, this needs {credits_text(cost)}: {how}"
        )
    left = max(int(held.rate_limit) - int(held.used), 0)
    if cost > left:
        epoch = params.credits.epoch_blocks
        following = (account.as_of.height // epoch + 1) * epoch
        raise CreditsShortError(
            f"{credits_text(left)} of {credits_text(held.rate_limit)} may still be used in this "
            f"epoch, this needs {credits_text(cost)}: wait for height {following} or stake more"
        )
    if cost > int(held.spendable):
        raise CreditsShortError(
            f"{credits_text(held.spendable)} are not bound by calls that wait, this needs "
            f"{credits_text(cost)}: wait until they are answered"
        )
