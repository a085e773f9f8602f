"""One connection: frames in and out, pings, and its end.

    link ─talk─▶ frames ─▶ owner            owner ─▶ talk queue ─▶ link
         ─bulk─▶ frames ─▶ owner            answers, pushes ─▶ bulk, one frame at a time

The readers call the owner at once and never wait for the chain. Whatever goes wrong ends this
connection and nothing else.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.budgets import TokenBucket
from esper.p2p.limits import (
    KIB,
    PING_EVERY_MS,
    PONG_MS,
    TALK_BURST,
    TALK_PER_S,
    TALK_QUEUE_BYTES,
)
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import Random
from esper.p2p.transport.link import Link, LinkClosed, Stream
from esper.p2p.wire.fields import Claim, weight_bytes
from esper.p2p.wire.framing import FrameReader, frame_bytes
from esper.p2p.wire.messages import (
    FrameLimits,
    Message,
    StreamKind,
    decode_message,
    stream_of,
)
from esper.p2p.wire.talk_messages import BYE_FAULT, BYE_STOPPING, Bye, Ping, Pong
from esper.saying import complain

LOG: Final = logging.getLogger("esper.network")
READ_BYTES: Final = 64 * KIB
JOINED_BYTES: Final = 16 * KIB
"""Short messages that wait are sent together up to so many bytes."""
MESSAGE_COST_BYTES: Final = 120
"""What a message costs beside its bytes: a short one takes as long to read as many bytes."""
MESSAGES_AT_ONCE: Final = 64
"""After so many others get their turn."""
BYE_S: Final = 1.0
"""How long the last message may take."""
