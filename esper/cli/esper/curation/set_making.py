"""From a benchmark's text to the items of a hidden set, checked before anybody holds a bond."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from esper.dao.benchmarks.suite import Form
from esper.dao.hidden.hidden_set import LEAST_COUNT, SALT_BYTES
from esper.dao.hidden.openings import hidden_form, opening_fits
from esper.model.benchmarks.secret_set import MOST_ITEMS, SecretSet
from esper.model.benchmarks.suite_file import is_suite_file, read_suite
from esper.model.benchmarks.text import read_text
from esper.model.benchmarks.tokenised import suite_of
from esper.wallet.errors import WalletError

if TYPE_CHECKING:
    from esper.dao.benchmarks.item import Item
    from esper.model.benchmarks.measuring import Examinee
    from esper.model.benchmarks.tokenised import Progress, TokenSuite


class UnfitSetError(WalletError):
    """Items that make no hidden set."""


def secret_set_of(path: Path, model: Examinee, tell: Progress) -> SecretSet:
    """A hidden set of the items of a text, or of a suite's file, with fresh salts.

    ``model`` reads them. Raises UnfitSetError, and ModelError for what cannot be read.
    """
    suite = _suite_of(path, model, tell)
    if suite.suite.tokenizer != model.entry.tokenizer_id:
        raise UnfitSetError(
            f"{path} is for another tokenizer than the model's: make it from its text with --model"
        )
    items, form = suite.items, Form(suite.suite.form)
    if form == Form.JUDGED:
        raise UnfitSetError(
            f"{path} has judged pairs: a hidden set has choices or exact answers, write those"
        )
    if not LEAST_COUNT <= len(items) <= MOST_ITEMS:
        raise UnfitSetError(
            f"{path} has {len(items)} items, a hidden set has {LEAST_COUNT} to {MOST_ITEMS}"
        )
    _check_each(path, items, form)
    salts = tuple(secrets.token_bytes(SALT_BYTES) for _ in items)
    return SecretSet(model.entry.tokenizer_id, items, salts)


def unfit_items(secret: SecretSet, model: Examinee, most_rows: int) -> int:
    """How many items no proof of this model has room for."""
    return sum(not opening_fits(one, model.entry, most_rows) for one in secret.items)


def _suite_of(path: Path, model: Examinee, tell: Progress) -> TokenSuite:
    if is_suite_file(path):
        return read_suite(path)
    text = read_text(path)
    if text.head.FORM == Form.JUDGED:
        raise UnfitSetError(
            f"{path} has judged pairs: a hidden set has choices or exact answers, write those"
        )
    return suite_of(text, model.vocabulary, None, tell)


def _check_each(path: Path, items: tuple[Item, ...], form: Form) -> None:
    seen: dict[Item, int] = {}
    for index, item in enumerate(items):
        if item in seen:
            raise UnfitSetError(
                f"{path}: items {seen[item]} and {index} are the same: whoever sees one opened "
                "knows the other; take one out"
            )
        seen[item] = index
        if hidden_form(item) != form:
            read = "a choice" if form == Form.TEXT else "a text"
            raise UnfitSetError(
                f"{path}: item {index} would be read as {read}, not as it was written: change its "
                "answers, or take it out"
            )
