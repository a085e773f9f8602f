"""What is voted on, and what votes may move."""

from typing import Final

from esper.explorer.page import Asking, Page
from esper.explorer.port import ChainReader
from esper.rpc import methods as m
from esper.rpc.errors import NOT_FOUND, RpcError
from esper.rpc.method import Method, ReplyT, RequestT
from esper.rpc.schema import DaoList, Reports, Rounds

NO_MODELS: Final = ("change", "rollback")
"""Subjects that nothing measures."""


async def dao(reader: ChainReader, asking: Asking) -> Page:
    """Proposals, reports on models, rounds, readiness, parameters. Raises RpcError."""
    listed = await reader.ask(m.DAO_LIST)
    settings = await reader.ask(m.DAO_SETTINGS)
    values = {
        "list": listed,
        "reports": await _reports(reader, listed),
        "rounds": await _rounds(reader, listed),
        "sets": await reader.ask(m.DAO_SETS),
        "readiness": (await reader.ask(m.DAO_READINESS)).proposals,
        "settings": settings.settings,
        "texts": settings.texts,
    }
    return Page("dao.html", "DAO", values)


async def _reports(reader: ChainReader, listed: DaoList) -> list[Reports]:
    """Of each model that names suites, by number. Raises RpcError."""
    return [one for one in await _of_models(reader, m.DAO_REPORTS, listed) if one.suites]


async def _rounds(reader: ChainReader, listed: DaoList) -> list[Rounds]:
    """Of each model that hidden sets measure, by number. Raises RpcError."""
    return [one for one in await _of_models(reader, m.DAO_ROUNDS, listed) if one.rounds]


async def _of_models(
    reader: ChainReader, method: Method[RequestT, ReplyT], listed: DaoList
) -> list[ReplyT]:
    """What is said of each model. Raises RpcError."""
    found = []
    for one in listed.proposals:
        if one.subject in NO_MODELS:
            continue
        try:
            found.append(await reader.ask(method, id=one.id))
        except RpcError as error:
            # It has ended since the list was read.
            if error.code != NOT_FOUND:
                raise
    return found
