"""What has happened to a chain since its node began, for whoever watches it."""

from dataclasses import dataclass


@dataclass(slots=True)
class ChainCounts:
    """Counts that only grow."""

    blocks: int = 0
    """Joined the chain."""
    took_ms: int = 0
    """Executing and storing them, and telling all that follows the chain; no check of a proof."""
    reorganisations: int = 0
    """Changes of the tip that undid a block."""

    def moved(self, applied: int, undone: int, took_ms: int) -> None:
        """The tip moved: so many blocks joined and left."""
        self.blocks += applied
        self.took_ms += max(0, took_ms)
        self.reorganisations += undone > 0
