"""A report on a benchmark for people: the score in lines, and one item in full."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from esper.cli.esper.session import printable
from esper.wallet.amounts import counted

if TYPE_CHECKING:
    from esper.dao.benchmarks.item import Item
    from esper.model.benchmarks.measuring import Examinee, Outcome, Reading
    from esper.model.benchmarks.report import BenchmarkReport
    from esper.model.benchmarks.tokenised import TokenSuite

SHOWN_BITS: Final = 64
"""Hexadecimal digits of the bits that people see: 256 items."""


def suite_lines(asked: TokenSuite) -> Iterator[str]:
    """What names a suite."""
    from esper.model.benchmarks.report import form_name

    suite = asked.suite
    yield f"form       {form_name(suite)}, {counted(suite.count, 'item')}"
    yield f"text       {asked.text.hex()}"
    yield f"tokenizer  {suite.tokenizer.hex()}"
    if any(suite.judge):
        yield f"judge      {suite.judge.hex()}"
    yield f"suite      {suite.id.hex()}"


def report_lines(report: BenchmarkReport) -> Iterator[str]:
    """The score, and the bits that a report says."""
    count = report.suite.suite.count
    yield f"model      {report.model.entry.model_id.hex()}"
    yield from suite_lines(report.suite)
    chance = report.by_chance
    guess = "" if chance is None else f"; guessing gives {float(chance):.1%}"
    yield f"right      {report.right} of {count}, {report.right / count:.1%}{guess}"
    if report.unfit:
        yield (
            f"no room    {counted(report.unfit, 'item')} counted as wrong: a proof of "
            f"{report.most_rows} rows has no room for them"
        )
    bits = report.bits.hex()
    shown = bits if len(bits) <= SHOWN_BITS else f"{bits[:SHOWN_BITS]}… (whole with --json)"
    yield f"bits       {shown}"


def item_lines(asked: TokenSuite, item: Item, outcome: Outcome, model: Examinee) -> Iterator[str]:
    """One item: what was read, what was said, and what counts."""
    from esper.dao.benchmarks.suite import Form

    tokenizer = model.model.tokenizer

    def words(ids: tuple[int, ...]) -> str:
        text: str = tokenizer.decode(list(ids), skip_special_tokens=False)
        return printable(repr(text))

    verdict = "right" if outcome.is_right else "wrong"
    yield f"item {outcome.index}: {verdict}" + (
        "" if outcome.fits else ", a proof has no room for it"
    )
    yield f"prompt    {words(item.prompt)}"
    match asked.suite.form:
        case Form.CHOICE:
            yield f"choices   {', '.join(words((one,)) for one in item.choices)}"
            if item.expected and item.expected[0]:
                yield f"expected  {words(item.expected[0])}"
        case Form.TEXT:
            if item.marker:
                yield f"marker    {words(item.marker)}"
            yield f"expected  {' or '.join(map(words, item.expected))}"
        case _:
            if item.expected:
                yield f"reference {words(item.expected[0])}"
    if outcome.tokens:
        yield f"answer    {words(outcome.tokens)}"
    names = ("",) if len(outcome.readings) < 2 else (" with the answer first", " with it second")
    for name, reading in zip(names, outcome.readings, strict=False):
        yield _read(name, reading, item, words)


def _read(name: str, reading: Reading, item: Item, words: Callable[[tuple[int, ...]], str]) -> str:
    if reading.chosen is None:
        return f"chosen    none{name}: not among the best {len(reading.candidates):,}"
    id_ = item.choices[reading.chosen]
    place = next(place for place, one in enumerate(reading.candidates, start=1) if one.token == id_)
    return f"chosen    {words((id_,))}{name}, at place {place} of all tokens"
