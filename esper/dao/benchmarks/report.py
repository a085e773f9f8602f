"""A report: of each item of a suite, whether a proposed model gets it right; and its record.

sample = k_r distinct items by XOF(esper/report/v1, id || beacon)
"""

from dataclasses import dataclass, replace
from typing import Final

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, VarBytes, decode, encode
from esper.primitives.hashing import HASH_BYTES, Xof, make_tag
from esper.primitives.ids import Txid

TAG_REPORT: Final = make_tag("esper/report/v1")
REPORT_SUBJECT: Final = 1
"""Of a Claim."""
MAX_BITS: Final = 2048
"""Bytes of a report's bits: a bit for each of 16,384 items."""
MAX_SAMPLE: Final = 8
MAX_CLAIM_BODY: Final = 4096
RECORD_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class ReportBody:
    """What a reporter says."""

    proposal: Txid
    """64 bytes: the model's proposal."""
    suite: int
    """Place of the suite among the model's."""
    bits: bytes
    """Bit i, low first, says that item i is right."""


REPORT_BODY: Final = Record(
    ReportBody,
    None,
    (
        ("proposal", FixedBytes(HASH_BYTES)),
        ("suite", Unsigned(2)),
        ("bits", VarBytes(MAX_BITS)),
    ),
)


@dataclass(frozen=True, slots=True)
class Report:
    """The record of a report that has not ended, under its txid."""

    proposal: Txid
    reporter: bytes
    """33 bytes: who gets the bond back."""
    suite: int
    """Place of the suite among the model's."""
    bond: int
    """Units held."""
    bits: bytes
    """As reported."""
    sample: tuple[int, ...]
    """Items to be proven, as drawn; empty before."""
    proven: int
    """Bit i, low first, says that the i-th of the sample is proven."""
    standing: int
    """1 once all of the sample is."""

    @property
    def is_proven(self) -> bool:
        """Whether its sample is drawn, and all of it proven."""
        return bool(self.sample) and self.proven == (1 << len(self.sample)) - 1

    def place(self, index: int) -> int | None:
        """The place of an item in the sample, if it waits there to be proven."""
        if self.standing or index not in self.sample:
            return None
        place = self.sample.index(index)
        return None if self.proven >> place & 1 else place

    def with_proven(self, place: int) -> "Report":
        """With one more of the sample proven."""
        return replace(self, proven=self.proven | 1 << place)


REPORT: Final = Record(
    Report,
    RECORD_VERSION,
    (
        ("proposal", FixedBytes(HASH_BYTES)),
        ("reporter", FixedBytes(ADDRESS_BYTES)),
        ("suite", Unsigned(2)),
        ("bond", Unsigned(63)),
        ("bits", VarBytes(MAX_BITS)),
        ("sample", Array(Unsigned(16), MAX_SAMPLE)),
        ("proven", Unsigned(8)),
        ("standing", Unsigned(1)),
    ),
)


def read_report(data: bytes) -> ReportBody:
    """What a reporter says, from its bytes. Raises CodecError."""
    return decode(REPORT_BODY, data, limit=MAX_CLAIM_BODY, what="report")


def report_bytes(body: ReportBody) -> bytes:
    """The canonical bytes."""
    return encode(REPORT_BODY, body)


def bits_of(right: tuple[bool, ...]) -> bytes:
    """The bits of a report, from what holds of each item."""
    found = bytearray(-(-len(right) // 8))
    for index, one in enumerate(right):
        found[index >> 3] |= one << (index & 7)
    return bytes(found)


def bit(bits: bytes, index: int) -> bool:
    """What a report says of an item."""
    return bool(bits[index >> 3] >> (index & 7) & 1)


def has_bits_for(bits: bytes, count: int) -> bool:
    """Whether there is a bit for each of so many items, and nothing behind them."""
    return len(bits) == -(-count // 8) and not (count & 7 and bits[-1] >> (count & 7))


def drawn_sample(report: Txid, beacon: bytes, count: int, wanted: int) -> tuple[int, ...]:
    """``wanted`` distinct items of ``count``, as drawn; all of them if there are fewer."""
    stream = Xof(TAG_REPORT, report, beacon)
    drawn: list[int] = []
    while len(drawn) < min(wanted, count):
        index = stream.below(count)
        if index not in drawn:
            drawn.append(index)
    return tuple(drawn)
