"""What opening a wallet costs whoever guesses its password: the parameters of Argon2id."""

from dataclasses import dataclass
from typing import Final

from esper.wallet.errors import CostError

MAX_MEMORY_KIB: Final = 256 * 1024
"""Of any file: four times what this program asks for, so that no file can exhaust a machine."""
MAX_ITERATIONS: Final = 16
MAX_LANES: Final = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """How dear one guess of the password is."""

    memory_kib: int
    """KiB that Argon2id fills: at least 8 a lane, at most 262,144."""
    iterations: int
    """Passes over them: 1 to 16."""
    lanes: int
    """Parts that may be filled at once: 1 to 8."""

    def check(self) -> None:
        """Raises CostError outside these ranges. Nothing was allocated before."""
        if not 1 <= self.lanes <= MAX_LANES:
            raise CostError(f"seal.lanes is {self.lanes}, must be 1 to {MAX_LANES}")
        if not 1 <= self.iterations <= MAX_ITERATIONS:
            raise CostError(f"seal.iterations is {self.iterations}, must be 1 to {MAX_ITERATIONS}")
        if not 8 * self.lanes <= self.memory_kib <= MAX_MEMORY_KIB:
            raise CostError(
                f"seal.memory_kib is {self.memory_kib}, must be {8 * self.lanes} to "
                f"{MAX_MEMORY_KIB}: do not open this file with a password that matters"
            )


COST: Final = Cost(memory_kib=64 * 1024, iterations=3, lanes=4)
"""RFC 9106's second recommendation: 0.2 s and 64 MiB for each guess, and for each opening."""
