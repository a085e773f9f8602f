"""What links do to honest traffic, by seed: times, losses, frames twice, frames of the future."""

import random
from dataclasses import dataclass

import trio

from esper.p2p.wire.bulk_messages import Proof
from esper.p2p.wire.talk_messages import Announce, HaveTxs
from tests.support.net.memory_link import MemoryNetwork

HEAD = 4
"""Bytes of a frame's length; its type follows."""
UNKNOWN = (128, 200, 255)
"""Types of messages that this release does not know and has to ignore."""


@dataclass(frozen=True)
class Weather:
    """How links are."""

    latency_s: tuple[float, float] = (0.01, 0.15)
    """One way, drawn for each two nodes: announcements overtake each other."""
    mean_life_s: float | None = None
    """Of a connection; None: it lasts."""
    twice: float = 0.0
    """Of announcements, the part that comes twice."""
    unknown: float = 0.0
    """How often a message of an unknown type comes along."""
    proof_s: float = 0.0
    """Proofs are held back up to so many seconds."""

    @classmethod
    def of_seed(cls, seed: int) -> "Weather":
        """Fair or foul."""
        chance = random.Random(f"weather {seed}")
        worst = chance.choice((0.05, 0.15, 0.4, 1.0))
        return cls(
            latency_s=(0.005, worst),
            mean_life_s=chance.choice((None, None, 400.0, 150.0)),
            twice=chance.choice((0.0, 0.3)),
            unknown=chance.choice((0.0, 0.1)),
            proof_s=chance.choice((0.0, 0.0, 1.5)),
        )

    def begin(self, network: MemoryNetwork, randomness: random.Random) -> None:
        """Let it have its way with a network."""

        async def meddle(stream: str, data: bytes) -> bytes:
            if stream == "bulk":
                if self.proof_s and data[HEAD] == Proof.TYPE:
                    await trio.sleep(randomness.uniform(0, self.proof_s))
                return data
            sent = []
            for frame in frames_of(data):
                sent.append(frame)
                if (
                    frame[HEAD] in (Announce.TYPE, HaveTxs.TYPE)
                    and randomness.random() < self.twice
                ):
                    sent.append(frame)
                if randomness.random() < self.unknown:
                    sent.append(unknown_frame(randomness))
            return b"".join(sent)

        if self.twice or self.unknown or self.proof_s:
            network.meddle = meddle


def frames_of(data: bytes) -> list[bytes]:
    """Whole frames, one behind the other."""
    found = []
    while data:
        length = HEAD + int.from_bytes(data[:HEAD], "big")
        assert len(data) >= length, "no whole frame"
        found.append(data[:length])
        data = data[length:]
    return found


def unknown_frame(randomness: random.Random) -> bytes:
    """A frame that a later release might send."""
    record = bytes([0x92, 1, 7])
    kind = randomness.choice(UNKNOWN)
    return (1 + len(record)).to_bytes(HEAD, "big") + bytes([kind]) + record
