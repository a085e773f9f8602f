"""What is voted on, and what votes may move."""

from typing import Final

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m
from esper.rpc.errors import NOT_FOUND, RpcError
from esper.rpc.schema import DaoList, Reports

NO_MODELS: Final = ("change", "rollback")
"""Subjects that nobody reports on."""


async def dao(reader: ChainReader, asking: Asking) -> Page:
    """Proposals, reports on models, readiness, parameters. Raises RpcError."""
    listed = await reader.ask(m.DAO_LIST)
    values = {
        "list": listed,
        "reports": await _reports(reader, listed),
        "readiness": (await reader.ask(m.DAO_READINESS)).proposals,
        "settings": (await reader.ask(m.DAO_SETTINGS)).settings,
    }
    return Page("dao.html", "DAO", values)


async def _reports(reader: ChainReader, listed: DaoList) -> list[Reports]:
    """Of each model that names suites, by number. Raises RpcError."""
    found = []
    for one in listed.proposals:
        if one.subject in NO_MODELS:
            continue
        try:
            reports = await reader.ask(m.DAO_REPORTS, id=one.id)
        except RpcError as error:
            # It has ended since the list was read.
            if error.code == NOT_FOUND:
                continue
            raise
        if reports.suites:
            found.append(reports)
    return found
