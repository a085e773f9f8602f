"""What the chain keeps for votes, by the plainest means: who held what when an epoch began.

A part of ``plain_chain``, for chains without proposals. Pots are not kept as sums that move: a pot
is counted anew, over everybody, whenever somebody asks for it.
"""

from __future__ import annotations

from typing import Any

World = dict[str, Any]
Rules = dict[str, Any]

EPOCHS = 4
"""How many epochs a note is kept, its own included."""
FIRST_TIER_WEIGHT, ALL_SHARES = 1 << 16, 1 << 16
"""One, in 16 bits behind the point."""


def genesis_governance(rules: Rules) -> World:
    """What the DAO begins with, to be added to a world; ``rules`` as for ``genesis_world``.

    The world has one tier, of the weight 1 and all of the shares.
    """
    tier = [rules["model"], FIRST_TIER_WEIGHT, ALL_SHARES, rules["puzzle"], [], 0]
    return {
        "noted": (0, 0),
        "texts": rules["texts"],
        "tiers": {rules["model"][1]: tier},
        "delegates": {},
        "rings": {},
    }


def note_epoch(world: World) -> None:
    """In the first block of a credit epoch: how much is staked."""
    if world["noted"][0] < world["totals"]["epoch"]:
        world["noted"] = (world["totals"]["epoch"], world["totals"]["stake"])


def note_owner(world: World, owner: bytes) -> None:
    """The owner's stake or delegate is about to change, and with it the pot that it is in."""
    note(world, owner)
    if owner in world["delegates"]:
        note(world, world["delegates"][owner])


def delegate(world: World, owner: bytes, receiver: bytes) -> None:
    """From now on ``receiver`` votes for the owner; nobody does if it is empty."""
    note_owner(world, owner)
    if receiver:
        note(world, receiver)
        world["delegates"][owner] = receiver
    else:
        world["delegates"].pop(owner, None)


def note(world: World, address: bytes) -> None:
    """Keep what an address holds, once in an epoch; what is four epochs old goes."""
    epoch = world["totals"]["epoch"]
    ring = world["rings"].setdefault(address, {})
    ring.setdefault(epoch, held(world, address))
    world["rings"][address] = {e: what for e, what in ring.items() if e > epoch - EPOCHS}


def held(world: World, address: bytes) -> tuple[int, bytes, int]:
    """Stake, delegate, and pot: the stakes of all that delegate to the address."""
    pot = sum(stake_of(world, owner) for owner, to in world["delegates"].items() if to == address)
    return stake_of(world, address), world["delegates"].get(address, b""), pot


def stake_of(world: World, address: bytes) -> int:
    stake: int = world["accounts"].get(address, {}).get("stake", 0)
    return stake


def governance_records(world: World) -> dict[tuple[int, bytes], list[Any]]:
    """Values of the records of the DAO, less their version, by kind and name."""
    found: dict[tuple[int, bytes], list[Any]] = {
        (12, b"governance"): [0, *world["noted"], [], [], sorted(world["tiers"])],
        (13, b"settings"): [[], world["texts"]],
    }
    for number, tier in world["tiers"].items():
        found[14, bytes([number])] = tier
    # Whoever delegates, or is delegated to, has a ring: it is never emptied.
    for address, ring in world["rings"].items():
        _, receiver, pot = held(world, address)
        notes = [[epoch, *what] for epoch, what in sorted(ring.items())]
        found[16, address] = [receiver, pot, notes, [], []]
    return found
