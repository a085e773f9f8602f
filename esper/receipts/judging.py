"""The check of a receipt: all links in order, up to the first that fails.

    form  network  model  call  group  header  text  instant  proof  work  chain  paid

Nothing here looks at a clock, a disk or a socket; what a check needs beside the receipt stands in
``ports.Surroundings``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.form import decode_receipt
from esper.receipts.json_shapes import FormError
from esper.receipts.links import (
    call,
    chain,
    group,
    header,
    instant,
    model,
    network,
    paid,
    proof,
    text,
    work,
)
from esper.receipts.links.model import SETTLED
from esper.receipts.parts import PROMISE, AnswerReceipt
from esper.receipts.ports import Surroundings
from esper.receipts.verdict import LINKS, Link, Status, Verdict

Judge = Callable[[Case], tuple[Status, str]]

OF_PROOF: Final[Mapping[str, Judge]] = {
    "network": network.judge,
    "model": model.judge,
    "call": call.judge,
    "group": group.judge,
    "header": header.judge,
    "text": text.judge,
    "instant": instant.judge,
    "proof": proof.judge,
    "work": work.judge,
    "chain": chain.judge,
    "paid": paid.judge,
}
OF_PROMISE: Final[Mapping[str, Judge]] = {
    "network": network.judge,
    "model": model.judge_promised,
    "text": text.judge_promised,
    "instant": instant.judge_promised,
}
"""A promise has no other part."""


def judge_bytes(data: bytes, around: Surroundings) -> Verdict:
    """The verdict on a file. Never raises on what it holds."""
    try:
        receipt = decode_receipt(data)
    except FormError as error:
        return Verdict((Link("form", Status.FAIL, str(error)),))
    form = Link("form", Status.OK, f"{len(data):,} bytes, {receipt.kind}")
    return Verdict(_settled((form, *_links(receipt, around))))


def _links(receipt: AnswerReceipt, around: Surroundings) -> Iterator[Link]:
    case = Case(receipt, around)
    judges = OF_PROMISE if receipt.kind == PROMISE else OF_PROOF
    for name in LINKS[1:]:
        judge = judges.get(name)
        if judge is None:
            yield Link(name, Status.ABSENT)
            continue
        try:
            status, detail = judge(case)
        except BrokenLinkError as error:
            yield Link(name, Status.FAIL, str(error))
            return
        yield Link(name, status, detail)


def _settled(links: tuple[Link, ...]) -> tuple[Link, ...]:
    """A model that the anchor alone names is as good as the chain, and so are its words."""
    if Verdict(links).status("chain") is not Status.OK:
        return links
    return tuple(
        replace(link, status=Status.OK, detail=link.detail.replace(SETTLED, "by the anchor"))
        if link.name in ("model", "text") and link.status is Status.OPEN and SETTLED in link.detail
        else link
        for link in links
    )
