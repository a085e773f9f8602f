"""Heights and times in words."""

from datetime import UTC, datetime

from esper.rpc.schema import AsOf, Status


def as_of_text(as_of: AsOf, status: Status) -> str:
    """``as of height 7``, and why it may be old if the node is not synced."""
    if as_of.synced and status.synced:
        return f"as of height {as_of.height}"
    return (
        f"as of height {as_of.height}, not synced: {status.why_not_synced or 'the node catches up'}"
    )


def time_text(time_ms: int) -> str:
    """A block's time for people, in UTC; the number itself where the calendar ends."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return str(time_ms)
