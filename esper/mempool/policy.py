"""The mempool's numbers. Nodes may choose others without leaving the network."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class MempoolPolicy:
    """How much may wait, and for how long."""

    fee_bytes: int = 64 * MIB
    """Room for transactions with a fee: wire bytes plus what is counted beside them."""
    call_bytes: int = 16 * MIB
    """Room for calls, apart, so that neither crowds out the other."""
    entry_bytes: int = 1024
    """Counted for each transaction beside its bytes: what its places in the indexes take."""
    output_bytes: int = 320
    """Counted for each output of a transfer but the first: as objects and in the indexes outputs
    take several times their bytes, and that many times the work."""
    token_bytes: int = 44
    """Counted for each token of a prompt: numbers take several times their bytes."""
    pending_per_sender: int = 32
    """Transactions of one sender in an unbroken line of nonces."""
    aside_per_sender: int = 4
    """Transactions of one sender beyond a gap, which join the line when the gap closes."""
    early_blocks: int = 16
    """How many blocks after the next one a window may begin."""
    replacements_per_hour: int = 8
    """Replacements by one sender within any hour."""
    replacement_percent: int = 10
    """How much more a replacement pays."""
    floor_half_life_ms: int = 600_000
    """After evictions the least rate falls to its half in this time."""
    remembered_drops: int = 1000
    """Dropped transactions whose reason can still be asked for."""


DEFAULT_POLICY = MempoolPolicy()
