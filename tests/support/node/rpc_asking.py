"""What tests ask of a node's RPC, and about whom."""

from collections.abc import Awaitable
from typing import Any

from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import Txid
from esper.primitives.networks import MAINNET
from esper.primitives.params import NetworkParameters
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from tests.support.node.node_world import PARAMS, NodeWorld, jump, node_params, rest
from tests.support.vm_world import ALICE, address

HASH = "ab" * 64
"""Of nothing."""
LONG = node_params(inline_answer_bytes=4, lane_expiry_blocks=4)
"""A network whose answers come in a later block."""
ELSEWHERE = address_text(address(ALICE), MAINNET)
"""Of another network."""
NOBODY = address_text(b"\1" + bytes(32), PARAMS)


def text(key: Any, params: NetworkParameters = PARAMS) -> str:
    return address_text(address(key), params)


async def refusal(asked: Awaitable[Any]) -> e.RpcError:
    try:
        await asked
    except e.RpcError as error:
        return error
    raise AssertionError("it was answered")


async def call_of(world: NodeWorld, txid: Txid) -> s.CallReply:
    return await world.ask(m.GET_CALL, s.TransactionParams(txid=txid.hex()))


async def account_of(world: NodeWorld, key: Any) -> s.AccountReply:
    return await world.ask(m.GET_ACCOUNT, s.AccountParams(address=text(key)))


async def mined_with_what_waits(world: NodeWorld) -> None:
    """One of our own blocks, once everything that waits is in its template."""
    await rest()
    jump(1.1)
    await rest()
    await world.mine()
    await rest()
