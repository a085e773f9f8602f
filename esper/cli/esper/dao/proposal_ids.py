"""Proposals that are named on the command line: by their ids, or the first digits of them.

What is signed names an id. A number is a node's word, so it serves for looking alone.
"""

from __future__ import annotations

from typing import Annotated

import typer

from esper.cli.esper.typed_ids import LEAST_DIGITS, checked_id
from esper.rpc.methods import DAO_GET, DAO_LIST
from esper.rpc.schema import NoParams, ProposalParams, ProposalReply
from esper.wallet.errors import MisuseError, NodeContradictionError
from esper.wallet.node_port import Node

ProposalId = Annotated[
    str, typer.Argument(help="Id of a proposal, or its first 8 digits and more: esper dao list.")
]

ShownProposal = Annotated[
    str,
    typer.Argument(
        help="Number or id of a proposal, or its first 8 digits and more: esper dao list."
    ),
]


def proposal_of(node: Node, typed: str) -> ProposalReply:
    """A live proposal. Raises MisuseError, NodeContradictionError and the node's errors."""
    if _is_number(typed):
        raise MisuseError(
            f"proposal {typed!r}: what is signed names an id, not a number that a node gives: the "
            f"first {LEAST_DIGITS} digits that `esper dao show {typed}` shows, and more of them"
        )
    beginning = checked_id(typed, "proposal")
    found = node.call(DAO_GET, ProposalParams(beginning))
    if not found.live.id.startswith(beginning) or len(found.live.id) != 128:
        raise NodeContradictionError("the node gave another proposal: ask another node")
    return found


def shown_proposal(node: Node, typed: str) -> ProposalReply:
    """The same for looking, where a number does too."""
    if not _is_number(typed):
        return proposal_of(node, typed)
    listed = node.call(DAO_LIST, NoParams()).proposals
    for one in listed:
        if one.number == int(typed):
            return proposal_of(node, one.id)
    there = ", ".join(str(one.number) for one in listed) or "none"
    raise MisuseError(f"proposal {typed} is not under way; there are: {there}")


def _is_number(typed: str) -> bool:
    return len(typed) < LEAST_DIGITS and typed.isascii() and typed.isdecimal()
