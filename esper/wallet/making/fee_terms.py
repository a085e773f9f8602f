"""What a transaction may cost in fees: what was asked for, and the most that is ever paid."""

from dataclasses import dataclass
from typing import Final

from esper.primitives.units import MAX_AMOUNT
from esper.wallet.amounts import bare_esp, esp_text, parse_esp
from esper.wallet.errors import FeeCapError, MisuseError

MAX_FEE_VARIABLE: Final = "ESPER_MAX_FEE"
DEFAULT_MAX_FEE: Final = "0.1"
"""ESP. The largest transaction costs a fiftieth of it, and a slip of the keyboard, such as the
amount in the place of the fee, more."""


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """The fee that was asked for and its cap, in units."""

    fee: int | None = None
    """None: the least."""
    most: int = MAX_AMOUNT
    """A higher fee is refused; no cap without."""

    @classmethod
    def parsed(cls, fee: str | None, most: str) -> "FeeTerms":
        """From texts in ESP. Raises AmountError, and FeeCapError for a fee above the cap."""
        found = cls(
            None if fee is None else parse_esp(fee, "--fee", zero=True),
            parse_esp(most, f"--max-fee or {MAX_FEE_VARIABLE}", zero=True),
        )
        if found.fee is not None:
            found.check(found.fee)
        return found

    def check_least(self, least: int, why: str = "") -> None:
        """What was asked for is enough. Raises MisuseError; ``why`` ends its sentence."""
        if self.fee is not None and self.fee < least:
            raise MisuseError(
                f"--fee is {esp_text(self.fee)}, must be {esp_text(least)} at least{why}"
            )

    def check(self, fee: int) -> None:
        """Raises FeeCapError for units above the cap."""
        if fee > self.most:
            raise FeeCapError(
                f"the fee would be {esp_text(fee)}, more than the cap of {esp_text(self.most)}: if "
                f"you mean it, add --max-fee {bare_esp(fee)}"
            )
