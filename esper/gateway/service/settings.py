"""What an operator decides about the service, and the limits of waiting."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Settings of one gateway. Times are seconds."""

    is_open: bool = False
    """Whether a loopback peer without a key uses the key ``local``: never where the server can be
    reached from elsewhere, or under further host names."""
    rate: int = 0
    """Micro-credits a token for an answer: rate (p + 4a)."""
    longest: int = 128
    """Tokens of answer at most."""
    slots: int = 64
    """Answers made at once of one model, as far as its engine has so many."""
    waiting: int = 256
    """Requests that wait for a slot, of all keys and models."""
    waiting_of_key: int = 32
    """Of them of one key."""
    wait_s: float = 30.0
    """For a slot, and for the first of equal requests."""
    told_every_s: float = 10.0
    """Between two comments in a stream that waits."""
    proof_wait_s: float = 300.0
    """For a proof, with ``wait: proven``."""
    settle_s: float = 5.0
    """For the promise of an answer whose client has gone."""
    send_every_s: float = 0.05
    """Between two sends of a stream, at least."""
    send_share_s: float = 0.0005
    """The same for each open stream: 1,000 of them send twice a second."""
    whole_every_s: float = 0.25
    """Between two looks at an answer that is sent in one piece, at least."""
    lasting: int = 256
    """Streams of receipts, and replies that wait for their proof, at once, of all keys."""
    lasting_of_key: int = 16
    """Of them of one key."""
    auto_backlog: int = 4
    """Blocks: with more before it a call with ``prove: auto`` stays a promise."""
    most_backlog: int = 240
    """Blocks: with more, ``prove: always`` is refused."""
    wrong_key_delay_s: float = 0.2
    """What a guess costs, beside its connection."""

    def pause_s(self, streams: int) -> float:
        """Seconds between two sends of one of so many streams."""
        return max(self.send_every_s, self.send_share_s * streams)
