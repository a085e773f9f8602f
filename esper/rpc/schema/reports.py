"""Reports on proposed models: what they say, which items were drawn, and who proved what."""

from esper.rpc.schema.common import Amount, AsOf, IdBeginning, Reply, Request


class ReportsParams(Request, frozen=True):
    """A live model by the id of its proposal."""

    id: IdBeginning


class ReportParams(Request, frozen=True):
    """A report on a live model by its id, the txid of its claim."""

    id: IdBeginning


class SuiteReply(Reply, frozen=True):
    """A suite that reports on a model are about."""

    place: int
    """Among the model's suites, from 0."""
    suite: str
    """Id of the suite."""
    text: str
    """Hash of the text that it is made from."""
    items: int
    required: bool
    """Whether the model is not activated unless a report on it stands when the vote closes."""
    standing: bool
    """Whether a report on it stands."""


class ProverReply(Reply, frozen=True):
    """Who brought the proof of an item."""

    prover: str
    """Its address."""
    txid: str
    height: int


class SampledItem(Reply, frozen=True):
    """An item that the beacon drew."""

    item: int
    """Its place in the suite, from 0."""
    right: bool
    """What the report says of it."""
    proven: bool
    by: ProverReply | None = None
    """Who proved it; None while nobody has, or where the node's history lacks it."""


class RefutedItem(Reply, frozen=True):
    """The item that ended a report."""

    item: int
    right: bool
    """What the report said of it, which is false."""
    by: ProverReply
    share: Amount
    """Units of the bond that the prover got."""


class ReportReply(Reply, frozen=True):
    """A report on a proposed model, or what became of it."""

    id: str
    proposal: str
    number: int
    """The proposal's."""
    suite: int
    """Place of the suite among the model's."""
    reporter: str
    state: str
    """waits, sampled, stands; of one that has ended settled, refuted, unproven, returned, or ended
    where the node's history lacks how."""
    right: int
    """Items that are right, as it says."""
    items: int
    made: int | None
    """Height of its block; None where the node's history lacks it."""
    next: int | None
    """Height at which it goes on: its sample is drawn, or judged; None where nothing comes."""
    bond: Amount
    """Units that are held."""
    returned: Amount
    """Units that the reporter got back."""
    burned: Amount
    """Units of the bond that nobody has any more."""
    sample: list[SampledItem]
    """In the order of the draw, empty before it; of a report that has ended what was proven."""
    refuted: RefutedItem | None
    bits: str
    """Bit i, low first, says that item i is right, in hexadecimal; empty in a list."""


class Reports(Reply, frozen=True):
    """All suites of a model, and the reports on them."""

    number: int
    """The proposal's."""
    id: str
    open: bool
    """Whether reports are taken, as far as its vote goes."""
    least_bond: Amount
    """Of a report."""
    latest: int
    """Height of the last block that may hold one."""
    suites: list[SuiteReply]
    gate: bool
    """Whether a report stands on each suite that needs one."""
    reports: list[ReportReply]
    """Oldest first; of those that have ended the newest."""
    as_of: AsOf


class ReportShown(Reply, frozen=True):
    """One report, with all that it says."""

    report: ReportReply
    suite: SuiteReply
    as_of: AsOf
