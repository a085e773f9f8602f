"""How what a claim is worth is split: integers, rounded down, and nothing left over.

    A    = what is claimed, K = its draws that are not void, u = those of them unanswered
    back = A u // K                 to the payer
    burn = min(A - back, A u // K)
    R    = A - back - burn          by shares, per mille; the provider gets what is left
    each answered draw's auditor: (R auditors // 1000) // K; an unanswered one's part to the payer

Half of what an unanswered draw costs burns, so that a payer with silent verifiers of its own gains
less than the provider loses. Without draws, the auditors' part is the provider's: nobody replayed
because nobody could. In a private session nothing is drawn: it is the payer's, who replays.
"""

from dataclasses import dataclass

from esper.market.parameters import PER_MILLE, SettleShares


@dataclass(frozen=True, slots=True)
class Split:
    """Units, by who gets them."""

    payer: int
    """Back to the session."""
    burned: int
    router: int
    maker: int
    auditor: int
    """Of each answered draw."""
    answered: int
    """Draws that were answered."""
    provider: int
    """The price of the claim included."""

    @property
    def total(self) -> int:
        """Units of all together: the claimed amount and the price of the claim."""
        named = self.payer + self.burned + self.router + self.maker + self.provider
        return named + self.auditor * self.answered


def split(
    amount: int,
    price: int,
    draws: int,
    unanswered: int,
    shares: SettleShares,
    *,
    routed: bool,
    private: bool = False,
) -> Split:
    """How a claim of ``amount`` units is paid.

    ``price`` is what claiming costs the payer, ``draws`` and ``unanswered`` leave void ones out,
    ``routed`` says whether the session has a router. Raises ValueError for counts that cannot be.
    """
    if not 0 <= unanswered <= draws or (private and draws):
        raise ValueError(f"{unanswered} unanswered of {draws} draws")
    lost = amount * unanswered // draws if draws else 0
    burned = min(amount - lost, lost)
    rest = amount - lost - burned
    router = rest * shares.router // PER_MILLE
    maker = rest * shares.maker // PER_MILLE
    auditors = rest * shares.auditors // PER_MILLE
    share_burned = rest * shares.burned // PER_MILLE + (0 if routed else router)
    routed_part = router if routed else 0
    auditor = auditors // draws if draws else 0
    unearned = auditors if private else auditor * unanswered
    paid_out = share_burned + routed_part + maker + auditor * (draws - unanswered) + unearned
    return Split(
        payer=lost + unearned,
        burned=burned + share_burned,
        router=routed_part,
        maker=maker,
        auditor=auditor,
        answered=draws - unanswered,
        provider=rest - paid_out + price,
    )
