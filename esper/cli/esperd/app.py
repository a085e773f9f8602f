"""The command ``esperd``: run a node, check a chain from its files, show that changes are refused.

Exit status: 0 done, 1 refused or damaged, 2 misused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import typer

from esper.cli import version
from esper.cli.lazy_commands import Command, Group, Table, assembled

COMMANDS: Final[Table] = (
    Command(
        "init",
        "node_commands:init",
        "Make a data directory for a network, and on networks without value a funded wallet.",
    ),
    Command(
        "node",
        "node_commands:node",
        "Keep the chain and serve JSON-RPC. On regtest blocks are mined when they are asked for.",
    ),
    Command(
        "mine",
        "node_commands:mine",
        "Keep the chain, serve JSON-RPC, mine, and answer calls.",
    ),
    Command(
        "serve",
        "serve:serve",
        "Answer with a model of this machine by OpenAI's and Ollama's APIs: no chain, no account.",
    ),
    Command(
        "config",
        "node_commands:config",
        "Show every setting that would be in effect, and where it comes from.",
    ),
    Command(
        "models",
        "local_models:models",
        "Which models lie here, which are loaded, and until when they may be mined.",
    ),
    Command(
        "mining",
        "steering:mining",
        "How mining goes.",
    ),
    Command(
        "pause",
        "steering:pause",
        "Stop searching until `resume` or a restart; a proof that runs is finished.",
    ),
    Command(
        "resume",
        "steering:resume",
        "Go on searching.",
    ),
    Command(
        "threads",
        "steering:threads",
        "Cap the threads of a running miner; what is left out stays.",
    ),
    Group(
        "farm",
        "Workers that share this node's work.",
        (
            Command(
                "status",
                "farm:status",
                "Who searches and proves: workers of the farm, and processes of this machine.",
            ),
        ),
    ),
    Command(
        "generate",
        "steering:generate",
        "Mine blocks now, on regtest alone, and print their hashes.",
    ),
    Command(
        "stop",
        "steering:stop",
        "Shut the node down.",
    ),
    Command(
        "peers",
        "networking:peers",
        "Who is connected, how the node stands, and why the last ones left.",
    ),
    Command(
        "connect",
        "networking:connect",
        "Dial a peer, and stay connected to it until the node ends.",
    ),
    Command(
        "disconnect",
        "networking:disconnect",
        "End a peer's connections; it may come back.",
    ),
    Command(
        "ban",
        "networking:ban",
        "Keep an id or an address away for a while, and end its connections.",
    ),
    Command(
        "unban",
        "networking:unban",
        "Let an id or an address come again.",
    ),
    Command(
        "bans",
        "networking:bans",
        "Whom this node keeps away, why and how long.",
    ),
    Command(
        "resync",
        "resync:resync",
        "Set the chain aside, and fetch all of it from the network at the next start.",
    ),
    Command(
        "verify-chain",
        "offline:verify_chain",
        "Check every block again, from the files alone: no weights, no prompt bank.",
    ),
    Command(
        "replay",
        "replay:replay",
        "Run the model again for a block's work or a call, and compare with what the chain holds.",
    ),
    Command(
        "reindex",
        "offline:reindex",
        "Build the index of a data directory anew from its block and proof files.",
    ),
    Command(
        "repair",
        "offline:repair_command",
        "Mend damaged proofs: put others in place, or do without them where that is allowed.",
    ),
    Command(
        "demo-tamper",
        "offline:demo_tamper",
        "Change a block in every way that pays and show which rule refuses it. Writes nothing.",
    ),
)
"""In the order of the help."""


def application(typed: Sequence[str] | None = None) -> typer.Typer:
    """The program, with the command loaded that was typed; with all of them without."""
    app = assembled(
        "esperd",
        "The Esperchain node: proof of work by proven inference.",
        COMMANDS,
        __package__,
        typed,
    )
    app.callback()(version.option("esperd"))
    return app
