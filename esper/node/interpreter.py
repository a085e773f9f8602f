"""How the threads of a node share the interpreter."""

import sys
from typing import Final

SWITCH_S: Final = 0.001
"""A thread that computes gives way after so long. With Python's own five milliseconds the event
loop, which works for microseconds at a time, waits that long behind each thread whenever a block is
imported; a switch costs microseconds."""


def share_interpreter() -> None:
    """Let the event loop in soon, whatever other threads compute."""
    sys.setswitchinterval(SWITCH_S)
