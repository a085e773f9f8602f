"""Proposals that are named on the command line: by their ids, or the first digits of them."""

from __future__ import annotations

from typing import Annotated

import typer

from esper.cli.esper.typed_ids import checked_id
from esper.rpc.methods import DAO_GET
from esper.rpc.schema import ProposalParams, ProposalReply
from esper.wallet.errors import NodeContradictionError
from esper.wallet.node_port import Node

ProposalId = Annotated[
    str, typer.Argument(help="Id of a proposal, or its first 8 digits and more: esper dao list.")
]


def proposal_of(node: Node, typed: str) -> ProposalReply:
    """A live proposal. Raises MisuseError, NodeContradictionError and the node's errors."""
    beginning = checked_id(typed, "proposal")
    found = node.call(DAO_GET, ProposalParams(beginning))
    if not found.live.id.startswith(beginning) or len(found.live.id) != 128:
        raise NodeContradictionError("the node gave another proposal: ask another node")
    return found
