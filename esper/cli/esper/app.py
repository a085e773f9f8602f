"""The command `esper`: the wallet, models, proofs and their verification.

Exit status: 0 done (or: the proof is valid), 1 refused (or: the proof is invalid), 2 misused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import typer

from esper.cli import version
from esper.cli.lazy_commands import Command, Group, Table, assembled

WALLET: Final = Group(
    "wallet",
    "Make wallets and look after them.",
    (
        Command(
            "new",
            "wallets.wallet_keys:new_command",
            "Make a wallet with keys of its own and its first address.",
        ),
        Command(
            "restore",
            "wallets.wallet_keys:restore_command",
            "Make a wallet from a backup file, or from 24 words (typed, or on standard input).",
        ),
        Command(
            "list",
            "wallets.wallet_keys:list_command",
            "The wallets of the data directory, their addresses and labels. Needs no password.",
        ),
        Command(
            "import",
            "wallets.wallet_keys:import_command",
            "Take a key into a wallet, made if need be; with --demo make the wallet `demo`.",
        ),
        Command(
            "watch",
            "wallets.wallet_keys:watch_command",
            "Make a wallet of addresses alone: it shows balances and builds, but cannot sign.",
        ),
        Command(
            "address",
            "wallets.wallet_upkeep:address_command",
            "The wallet's addresses, or a new one.",
        ),
        Command(
            "label",
            "wallets.wallet_upkeep:label_command",
            "Call an address by a name wherever it is shown.",
        ),
        Command(
            "backup",
            "wallets.wallet_upkeep:backup_command",
            "Copy the wallet's file, show its words for paper, or both.",
        ),
        Command(
            "scan",
            "wallets.wallet_scan:scan_command",
            "Ask the node which further addresses of the words were used, and take them in.",
        ),
        Command(
            "password",
            "wallets.wallet_upkeep:password_command",
            "Change the password (the new one from ESPER_NEW_PASSWORD, or asked for).",
        ),
    ),
)
CURATE: Final = Group(
    "curate",
    "Keep items that nobody has seen, to measure models with, for a bond.",
    (
        Command(
            "commit",
            "curation.committing:commit_command",
            "Commit to a hidden set of items, for a bond; what opens it is kept here.",
        ),
        Command(
            "list",
            "curation.listing:list_command",
            "Hidden sets: whose they are, what is to be opened until when, and what is kept here.",
        ),
        Command(
            "open",
            "curation.opening:open_command",
            "Open what was drawn of own hidden sets, and prove what the model answers.",
        ),
        Command(
            "withdraw",
            "curation.withdrawing:withdraw_command",
            "Take a hidden set back, with its bond, while no model waits for it.",
        ),
    ),
)
DAO: Final = Group(
    "dao",
    "What stakers propose and decide.",
    (
        Command(
            "list",
            "dao.seeing:list_command",
            "Proposals that have not ended, and what acts when.",
        ),
        Command(
            "show",
            "dao.seeing:show_command",
            "A proposal: what it says, how it stands, what happens when.",
        ),
        Command(
            "settings",
            "dao.seeing:settings_command",
            "Parameters that votes may move, with their bounds, and the tiers.",
        ),
        Command(
            "voter",
            "dao.seeing:voter_command",
            "What an address counts for, whom it delegates to, and how it voted.",
        ),
        Command(
            "propose",
            "dao.proposing:propose_command",
            "Propose a model, or a change of the network's parameters, with a bond.",
        ),
        Command(
            "vote",
            "dao.voting:vote_command",
            "Vote on a proposal; the vote lapses when that closes.",
        ),
        Command(
            "delegate",
            "dao.voting:delegate_command",
            "Let another address vote with this stake, unless it votes itself.",
        ),
        Command(
            "rollback",
            "dao.proposing:rollback_command",
            "Propose that a model is not activated, or taken back, with a bond.",
        ),
        Command(
            "ready",
            "dao.readying:ready_command",
            "How many blocks are ready for a model, and what its miners do.",
        ),
        Command(
            "accuse",
            "dao.accusing:accuse_command",
            "Prove a signed answer false: 0 accused, 1 refused, 2 misused, 3 honest.",
        ),
        Command(
            "report",
            "reports.reporting:report_command",
            "Report what a proposed model gets right, for a bond; or prove what is drawn of a "
            "report.",
        ),
        Command(
            "refute",
            "reports.refuting:refute_command",
            "Find an item that is not as a report says, and prove it: half of the bond is the "
            "prover's.",
        ),
        CURATE,
    ),
)
KEY: Final = Group(
    "key",
    "Keys of your gateway's users.",
    (
        Command("new", "keys.key_making:new_command", "Make a key; it is shown once."),
        Command(
            "list",
            "keys.key_seeing:list_command",
            "All keys, oldest first, without what is secret.",
        ),
        Command(
            "revoke",
            "keys.key_seeing:revoke_command",
            "Refuse a key from now on; it cannot be given back.",
        ),
        Command(
            "usage",
            "keys.key_seeing:usage_command",
            "What keys used, by day (UTC), and what is left of their budgets.",
        ),
        Command(
            "resume",
            "keys.resuming:resume_command",
            "Let a gateway that stopped itself serve again; its node must not run.",
        ),
    ),
)
COMMANDS: Final[Table] = (
    Command(
        "model",
        "models.model:app",
        "Import, export, inspect, run and pack models.",
        is_group=True,
    ),
    Command(
        "bench-model",
        "benchmarks.bench_model:bench_command",
        "Ask a model a benchmark with exact integer inference: the same result on every machine.",
    ),
    Command(
        "plan",
        "plans.plan:plan_command",
        "Foretell what proofs of a model take on a machine: time, memory, size, spacing and price.",
    ),
    Command(
        "prove",
        "models.prove:prove_command",
        "Answer prompts greedily with exact integer inference, and prove every token of it.",
    ),
    Command(
        "verify",
        "receipts.verify:verify_command",
        "Check a receipt or a proof without weights: 0 proven, 1 not, 2 unreadable, 3 open.",
    ),
    WALLET,
    Command(
        "balance",
        "balance:balance_command",
        "What the wallet holds. Needs no password.",
    ),
    Command(
        "history",
        "history:history_command",
        "What waits, and what happened, newest first.",
    ),
    Command(
        "status",
        "looking:status_command",
        "The node and its chain.",
    ),
    Command(
        "send",
        "spending:send_command",
        "Send ESP to an address; all leaves nothing behind, the fee deducted.",
    ),
    Command(
        "stake",
        "spending:stake_command",
        "Stake ESP, which then earns credits.",
    ),
    Command(
        "unstake",
        "spending:unstake_command",
        "Take ESP back from the stake; it can be spent after the unbonding time.",
    ),
    Command("credits", "spending:credits_app", "Credits, which pay for calls.", is_group=True),
    DAO,
    KEY,
    Command(
        "console",
        "console.sign_in:console_command",
        "A link that signs in to the node's console in a browser: good once, for a minute.",
    ),
    Command(
        "call",
        "calls.call:call_command",
        "Ask a model of the chain; credits pay. The proof of the answer is checked here.",
    ),
    Command(
        "proof",
        "calls.proof:proof_command",
        "Fetch the proof of a call's answer and check it here: no node is believed.",
    ),
    Command(
        "tx",
        "looking:tx_command",
        "A transaction, and of a call its answer.",
    ),
    Command(
        "block",
        "looking:block_command",
        "A block: what it paid, what was asked and answered.",
    ),
    Command(
        "rpc",
        "rpc:rpc_command",
        "Ask the node by method; values are JSON, or text where they are none.",
    ),
    Command(
        "models",
        "looking:models_command",
        "The models that answer calls.",
    ),
    Command(
        "cancel",
        "submitting:cancel_command",
        "Put a transaction that does nothing in the place of one that waits.",
    ),
    Command(
        "bump",
        "submitting:bump_command",
        "Make a transaction that waits pay more, so that it goes sooner.",
    ),
    Command(
        "build",
        "spend.building:build_app",
        "Build a transaction for a wallet elsewhere to sign.",
        is_group=True,
    ),
    Command(
        "sign",
        "submitting:sign_command",
        "Sign a transaction that was built elsewhere. Needs no node.",
    ),
    Command(
        "submit",
        "submitting:submit_command",
        "Hand a signed transaction to the node. Needs no wallet.",
    ),
)
"""In the order of the help."""


def application(typed: Sequence[str] | None = None) -> typer.Typer:
    """The program, with the command loaded that was typed; with all of them without."""
    app = assembled(
        "esper",
        "The wallet of Esperchain; exact integer inference of language models, and proofs of it.",
        COMMANDS,
        __package__,
        typed,
    )
    app.callback()(version.option("esper"))
    return app
