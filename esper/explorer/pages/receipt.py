"""Checks a receipt in the browser; nothing of it leaves the machine."""

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader


async def receipt(reader: ChainReader, asking: Asking) -> Page:
    """The page alone: its script does the rest."""
    return Page("receipt.html", "Check a receipt")
