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
    values = {
        "list": listed,
        "reports": await _reports(reader, listed),
        "rounds": await _rounds(reader, listed),
        "sets": await reader.ask(m.DAO_SETS),
        "readiness": (await reader.ask(m.DAO_READINESS)).proposals,
        "settings": (await reader.ask(m.DAO_SETTINGS)).settings,
    }
    return Page("dao.html", "DAO", values)


async def _reports(reader: ChainReader, listed: DaoList) -> list[Reports]:
    """Of each model that names suites, by number. Raises RpcError."""
    found = [await _asked(reader, m.DAO_REPORTS, one) for one in _models(listed)]
    return [one for one in found if one is not None and one.suites]


async def _rounds(reader: ChainReader, listed: DaoList) -> list[Rounds]:
    """Of each model that hidden sets measure, by number. Raises RpcError."""
    found = [await _asked(reader, m.DAO_ROUNDS, one) for one in _models(listed)]
    return [one for one in found if one is not None and one.rounds]


def _models(listed: DaoList) -> list[str]:
    return [one.id for one in listed.proposals if one.subject not in NO_MODELS]


async def _asked(
    reader: ChainReader, method: Method[RequestT, ReplyT], proposal: str
) -> ReplyT | None:
    """What is said of a model; None where it has ended since the list was read."""
    try:
        return await reader.ask(method, id=proposal)
    except RpcError as error:
        if error.code == NOT_FOUND:
            return None
        raise
