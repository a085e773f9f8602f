"""chain: a later header, on a chain that somebody here knows, has the block in its state.

Anyone can write a header: without a tip or a node all is checked but that, and the link stays open.
"""

from esper.consensus.context import block_leaf
from esper.consensus.header import Header, decode_header
from esper.dao.entry_records import TIER, TIER_LIMIT
from esper.primitives.codec import CodecError, decode
from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.links.model import MAX_NAMED, NAMED_MODEL
from esper.receipts.parts import Anchor
from esper.receipts.ports import NamedModel
from esper.receipts.ranges import decode_range, stands_in_range, stands_in_state
from esper.receipts.verdict import Status
from esper.vm.records import BLOCKS_PATH, tier_path


def judge(case: Case) -> tuple[Status, str]:
    """Sets whether the chain holds the block."""
    anchor = case.receipt.anchor
    if anchor is None:
        return Status.OPEN, "no anchor: get the receipt again"
    header = anchor_header(case, anchor)
    _check_block(case, anchor, header)
    _check_tiers(case, anchor, header)
    height, source = header.pre.height, case.around.chain
    found = None if source is None else source.block_id(height)
    if source is None or found is None:
        return Status.OPEN, f"compare --tip {height}:{header.block_id.hex()}"
    if found != header.block_id:
        raise BrokenLinkError(f"{source.whose} has block {found.hex()[:8]} at height {height}")
    case.chain_holds = True
    return Status.OK, f"under height {height}, by {source.whose}"


def anchor_header(case: Case, anchor: Anchor) -> Header:
    """The later header. Raises BrokenLinkError."""
    try:
        header = decode_header(anchor.header, case.params.limits.header_bytes)
    except CodecError as error:
        raise BrokenLinkError(f"the anchor cannot be read: {error}") from error
    if header.pre.genesis_hash != case.genesis_hash:
        raise BrokenLinkError(f"the anchor is of network {header.pre.genesis_hash.hex()[:8]}")
    return header


def _check_block(case: Case, anchor: Anchor, header: Header) -> None:
    part, pre = anchor.blocks, case.header.pre
    if not stands_in_state(header.pre.state_root, BLOCKS_PATH, part.record, part.state):
        raise BrokenLinkError("the list of blocks does not stand in the anchor's state")
    try:
        blocks = decode_range(part.record)
    except CodecError as error:
        raise BrokenLinkError(f"the list of blocks cannot be read: {error}") from error
    item = block_leaf(case.header.block_id, pre.time_ms, int.from_bytes(part.weight, "big"))
    if not stands_in_range(blocks, pre.height, item, part.siblings):
        raise BrokenLinkError(f"the block is not number {pre.height} of the anchor's chain")


def _check_tiers(case: Case, anchor: Anchor, header: Header) -> None:
    models = case.receipt.models or ()
    if len(anchor.tiers) != len(models):
        raise BrokenLinkError(f"{len(anchor.tiers)} tiers for {len(models)} models")
    for data, part in zip(models, anchor.tiers, strict=True):
        model = decode(NAMED_MODEL, data, limit=MAX_NAMED, what="model")
        path = tier_path(model.entry.tier)
        if not stands_in_state(header.pre.state_root, path, part.record, part.state):
            raise BrokenLinkError(f"tier {model.entry.tier} does not stand in the anchor's state")
        try:
            named = names_model(part.record, data)
        except CodecError as error:
            raise BrokenLinkError(f"tier {model.entry.tier} cannot be read: {error}") from error
        if not named:
            raise BrokenLinkError(f"tier {model.entry.tier} has another model")


def names_model(record: bytes, named: bytes) -> bool:
    """Whether the record of a tier has a model, own or previous. Raises CodecError."""
    tier = decode(TIER, record, limit=TIER_LIMIT, what="tier")
    model = decode(NAMED_MODEL, named, limit=MAX_NAMED, what="model")
    return model in [NamedModel(one.model, one.puzzle) for one in tier.entries]
