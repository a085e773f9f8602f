"""Reports on a model as lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from esper.rpc.schema import ReportReply, Reports, SampledItem, SuiteReply
from esper.wallet.amounts import esp_text


def reports_text(found: Reports) -> list[str]:
    """The suites that a model names, and the reports on them."""
    lines = [_suite(one) for one in found.suites]
    for one in found.reports:
        lines += _report(one)
    return lines


def _suite(one: SuiteReply) -> str:
    stands = "a report stands" if one.standing else "no report stands"
    needed = ", and one must when the vote closes" if one.required else ""
    return f"suite     {one.place}: {one.suite[:16]}…, {one.items} items; {stands}{needed}"


def _report(one: ReportReply) -> Iterator[str]:
    share = f" ({one.right / one.items:.1%})" if one.items else ""
    yield (
        f"report    {one.id[:16]}…  suite {one.suite}: {one.right} of {one.items} right{share}; "
        f"{one.state}, by {one.reporter}"
    )
    if one.next is not None:
        then = "its sample is judged" if one.sample else "its sample is drawn"
        yield f"          at {one.next}: {then}; bond {esp_text(one.bond)}"
    for item in one.sample:
        yield f"          item {item.item}, {_word(item.right)}: {_proven(item)}"
    if one.refuted is not None:
        false = one.refuted
        yield (
            f"          item {false.item}, reported {_word(false.right)}, is not: proven by "
            f"{false.by.prover}, who got {esp_text(false.share)}"
        )


def _proven(item: SampledItem) -> str:
    if item.by is not None:
        return f"proven by {item.by.prover}"
    return "proven" if item.proven else "to be proven"


def _word(right: bool) -> str:
    return "right" if right else "wrong"
