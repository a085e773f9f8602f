"""What the console's account used, for whoever is signed in; its numbers come by script."""

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader


async def usage(reader: ChainReader, asking: Asking) -> Page:
    """A frame without a number: each visitor's own are asked for by the page."""
    return Page("usage.html", "Usage", {})
