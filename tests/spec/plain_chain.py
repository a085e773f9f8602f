"""The chain's state by the plainest means: bytes of blocks in, records and receipts out.

A second reading of the rules, for comparison with the node. It takes blocks that were accepted and
checks none of the rules itself: it only says what they do. It shares no code with the node: SHA-3
from hashlib, MessagePack from its package, tags and formulas as they are specified. Everything is
kept in dicts, and the state root is computed from nothing but the list of records.
"""

from __future__ import annotations

import hashlib
from copy import deepcopy
from typing import Any

import msgpack

from tests.spec.plain_governance import (
    delegate,
    genesis_governance,
    governance_records,
    note_epoch,
    note_owner,
)

World = dict[str, Any]
Rules = dict[str, Any]
Fields = dict[str, int]

ACCOUNT_FIELDS = ("nonce", "balance", "stake", "epoch", "index", "older", "newer", "epoch_stake",
                  "used", "allowance")  # fmt: skip
TOTAL_FIELDS = ("epoch", "stake", "index", "previous_index", "issued", "previous_issued", "drawn",
                "previous_drawn")  # fmt: skip
WIDE = ("index", "previous_index")
"""Fields that stand in records as 32 bytes."""

TRANSFER, STAKE, UNSTAKE, CREDIT_TRANSFER, CALL, RESULT, _, _, DELEGATE = range(1, 10)


def h64(tag: str, *parts: bytes) -> bytes:
    return hashlib.sha3_512(tag.encode().ljust(32, b"\0") + b"".join(parts)).digest()


def h32(tag: str, *parts: bytes) -> bytes:
    return hashlib.sha3_256(tag.encode().ljust(32, b"\0") + b"".join(parts)).digest()


def packed(*values: Any) -> bytes:
    data: bytes = msgpack.packb(values, use_bin_type=True)
    return data


def unpacked(data: bytes) -> list[Any]:
    found: list[Any] = msgpack.unpackb(data)
    return found


def big(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


# The world, and a block.


def genesis_world(rules: Rules) -> World:
    """The world before the first block.

    ``rules`` are numbers by name: genesis_hash, genesis_time, allocation, subsidy, halving,
    bonus_divisor, bonus_cap, maturity, unbonding, epoch_blocks, per_block, minimum_stake,
    lane_blocks, input_tokens; and lists in the order of the wire: model, puzzle, texts.
    """
    world: World = {
        "accounts": {},
        "keys": {},
        "rewards": {},
        "unbonding": {},
        "lanes": {},
        "lanes_due": {},
        "totals": dict.fromkeys(TOTAL_FIELDS, 0),
        "beacon": h64("esper/beacon/v1", rules["genesis_hash"]),
        "usefulness": (0, 0),
        "issued": sum(amount for _, amount in rules["allocation"]),
        "receipts": [],
        "blocks": [],
        # Time and weight of the chain up to the block before.
        "tip": (rules["genesis_time"], 0),
        **genesis_governance(rules),
        # What the block before leaves to the next: r, VRF output, paid and proven tokens.
        "left": (bytes(64), bytes(64), 0, 0),
    }
    for address, amount in rules["allocation"]:
        account_of(world, address)["balance"] += amount
    return world


def after_block(world: World, header: bytes, body: bytes, rules: Rules) -> World:
    """The world with one block more; the one before stays as it is."""
    world = deepcopy(world)
    pre, result, vrf_proof, _, _ = msgpack.unpackb(header)
    parent, height, time, payee, target, omega = (pre[n] for n in (2, 3, 4, 9, 12, 13))
    _, transactions, results, _, outputs = msgpack.unpackb(body)
    answers = [msgpack.unpackb(data) for data in results]

    # What the parent leaves.
    parent_result, parent_vrf, parent_paid, parent_proven = world["left"]
    world["beacon"] = h64("esper/beacon/v1", world["beacon"], parent_result, parent_vrf)
    world["usefulness"] = (parent_paid, parent_proven)

    # It joins the list of all blocks; what this one weighs, the next will say.
    parent_time, weight = world["tip"]
    world["blocks"].append(parent + big(parent_time, 8) + big(weight, 32))
    world["tip"] = (time, weight + omega * 2**512 // (int.from_bytes(target, "big") + 1))

    # What falls due: a reward, the block's credits, unbonded stake, lanes that nobody answered.
    if height - rules["maturity"] in world["rewards"]:
        owner, amount = world["rewards"].pop(height - rules["maturity"])
        account_of(world, owner)["balance"] += amount
    credit_block(world, height, rules)
    for owner, amount in world["unbonding"].pop(height, []):
        account_of(world, owner)["balance"] += amount
    for call_id in world["lanes_due"].pop(height, []):
        if call_id in world["lanes"]:
            close_lane(world, call_id, 0)
    note_epoch(world)

    receipts = []
    for data in transactions[:-1]:
        receipts.append(apply(world, msgpack.unpackb(data), height, payee, answers, rules))
    fees = sum(receipt["fee"] for receipt in receipts)
    burned = sum(receipt["burned"] for receipt in receipts)
    paid = sum(receipt["paid"] for receipt in receipts)
    world["receipts"] += [
        packed(1, *(r[name] for name in ("kind", "txid", "sender", "fee", "burned", "locked",
                                         "paid", "own")))
        for r in receipts
    ]  # fmt: skip

    # The coinbase: subsidy by era, a tenth of it by burned credits, and the fees.
    full = rules["subsidy"] // 2 ** ((height - 1) // rules["halving"])
    tenth = full // rules["bonus_divisor"]
    earned = tenth * min(burned, rules["bonus_cap"]) // rules["bonus_cap"]
    world["rewards"][height] = (payee, full - tenth + earned + fees)
    world["issued"] += full - tenth + earned

    batch = outputs[2]
    tokens = sum(rules["input_tokens"] + len(said) for said, _ in batch)
    world["left"] = (result, vrf_proof[2], paid, tokens + paid)
    return world


def account_of(world: World, address: bytes) -> Fields:
    found: Fields = world["accounts"].setdefault(address, dict.fromkeys(ACCOUNT_FIELDS, 0))
    return found


# Transactions.


def apply(
    world: World, tx: list[Any], height: int, payee: bytes, answers: list[Any], rules: Rules
) -> dict[str, Any]:
    """One transaction; takes the first of ``answers`` if it is a call."""
    _, kind, suite, sender, key, _, fee, _, _, payload, _ = tx
    txid = h64("esper/tx/id/v1", packed(*tx[:-1]))
    account = account_of(world, sender)
    account["balance"] -= fee
    account["nonce"] += 1
    if key:
        world["keys"][sender] = (suite, key)

    payer, burned, locked, paid = sender, 0, 0, 0
    if kind == TRANSFER:
        for receiver, amount in payload[0]:
            account["balance"] -= amount
            account_of(world, receiver)["balance"] += amount
    elif kind == STAKE:
        note_owner(world, sender)
        settle(world, account)
        account["balance"] -= payload[0]
        account["stake"] += payload[0]
        world["totals"]["stake"] += payload[0]
    elif kind == UNSTAKE:
        note_owner(world, sender)
        settle(world, account)
        account["stake"] -= payload[0]
        world["totals"]["stake"] -= payload[0]
        due = world["unbonding"].setdefault(height + rules["unbonding"], [])
        due.append((sender, payload[0]))
    elif kind == CREDIT_TRANSFER:
        receiver, amount = account_of(world, payload[0]), payload[1]
        settle(world, account)
        portions = spend(account, amount)
        settle(world, receiver)
        regain(receiver, *portions)
    elif kind == CALL:
        model, prompt, most, price = payload
        answer = answers.pop(0)
        settle(world, account)
        if answer:
            burned = price * (len(prompt) + 4 * len(answer))
            paid = len(prompt) + len(answer)
            spend(account, burned)
        else:
            locked = price * (len(prompt) + 4 * most)
            older, newer = spend(account, locked)
            lapses = height + rules["lane_blocks"] + 1
            due = world["lanes_due"].setdefault(lapses, [])
            world["lanes"][txid] = {
                "caller": sender, "model": model, "prompt": prompt, "most": most, "price": price,
                "epoch": world["totals"]["epoch"], "older": older, "newer": newer,
                "lapses": lapses, "place": len(due),
            }  # fmt: skip
            due.append(txid)
    elif kind == RESULT:
        call_id, answer = payload
        lane = world["lanes"][call_id]
        payer = lane["caller"]
        burned = lane["price"] * (len(lane["prompt"]) + 4 * len(answer))
        paid = len(lane["prompt"]) + len(answer)
        close_lane(world, call_id, burned)
    elif kind == DELEGATE:
        delegate(world, sender, payload[0])
    return {
        "kind": kind, "txid": txid, "sender": sender, "fee": fee, "burned": burned,
        "locked": locked, "paid": paid, "own": int(payer == payee),
    }  # fmt: skip


# Credits.


def credit_block(world: World, height: int, rules: Rules) -> None:
    """The block's share of credits: G_e grows by floor((C_b << 64) / T) if T >= T_min."""
    totals = world["totals"]
    epoch = height // rules["epoch_blocks"]
    if epoch > totals["epoch"]:
        for name in ("index", "issued", "drawn"):
            totals["previous_" + name] = totals[name] if epoch == totals["epoch"] + 1 else 0
            totals[name] = 0
        totals["epoch"] = epoch
    if totals["stake"] >= max(rules["minimum_stake"], 1):
        totals["index"] += 2**64 * rules["per_block"] // totals["stake"]
        totals["issued"] += rules["per_block"]


def settle(world: World, account: Fields) -> None:
    """Bring an account's credits up to the present block."""
    totals = world["totals"]
    age = totals["epoch"] - account["epoch"]
    stake, seen = account["stake"], account["index"]
    now, before = totals["index"], totals["previous_index"]
    if age == 0:
        earned_older, earned_newer = 0, stake * (now - seen) // 2**64
    elif age == 1:
        account["older"], account["newer"] = account["newer"], 0
        earned_older, earned_newer = stake * (before - seen) // 2**64, stake * now // 2**64
    else:
        account["older"], account["newer"] = 0, 0
        earned_older, earned_newer = stake * before // 2**64, stake * now // 2**64
    account["older"] += earned_older
    account["newer"] += earned_newer
    totals["previous_drawn"] += earned_older
    totals["drawn"] += earned_newer
    if age:
        account["epoch_stake"], account["used"], account["allowance"] = stake, 0, 0
    account["epoch"], account["index"] = totals["epoch"], now


def spend(account: Fields, amount: int) -> tuple[int, int]:
    """Take credits, the oldest first; returns how many of either epoch."""
    older = min(account["older"], amount)
    account["older"] -= older
    account["newer"] -= amount - older
    count_use(account, amount)
    return older, amount - older


def regain(account: Fields, older: int, newer: int) -> None:
    """Credits come in, and the right to burn them."""
    account["older"] += older
    account["newer"] += newer
    count_use(account, -older - newer)


def count_use(account: Fields, amount: int) -> None:
    """What was used and what was received cancel out."""
    used = account["used"] - account["allowance"] + amount
    account["used"], account["allowance"] = (used, 0) if used > 0 else (0, -used)


def close_lane(world: World, call_id: bytes, burned: int) -> None:
    """Burn from what a lane locked, the oldest first, and give back what has not lapsed."""
    lane = world["lanes"].pop(call_id)
    older = lane["older"] - min(lane["older"], burned)
    newer = lane["newer"] - (burned - min(lane["older"], burned))
    caller = account_of(world, lane["caller"])
    settle(world, caller)
    age = caller["epoch"] - lane["epoch"]
    if age == 0:
        regain(caller, older, newer)
    elif age == 1:
        caller["older"] += newer


# What the world is worth: sums that must hold.


def coins(world: World) -> int:
    """Units in all balances, stakes, unbondings and pending rewards."""
    total: int = (
        sum(account["balance"] + account["stake"] for account in world["accounts"].values())
        + sum(amount for due in world["unbonding"].values() for _, amount in due)
        + sum(amount for _, amount in world["rewards"].values())
    )
    return total


def credits_and_issue(world: World) -> tuple[tuple[int, int], tuple[int, int]]:
    """(all buckets, issued) of this epoch and of the one before, everybody settled and lanes in."""
    world = deepcopy(world)
    for account in world["accounts"].values():
        settle(world, account)
    totals = world["totals"]
    older = sum(account["older"] for account in world["accounts"].values())
    newer = sum(account["newer"] for account in world["accounts"].values())
    for lane in world["lanes"].values():
        age = totals["epoch"] - lane["epoch"]
        older += {0: lane["older"], 1: lane["newer"]}.get(age, 0)
        newer += lane["newer"] if age == 0 else 0
    return (newer, totals["issued"]), (older, totals["previous_issued"])


# Records and hashes.


def fields(values: Fields, names: tuple[str, ...]) -> bytes:
    return packed(1, *(big(values[n], 32) if n in WIDE else values[n] for n in names))


def records(world: World) -> dict[bytes, bytes]:
    """Every record of the state: its path and its bytes."""
    found: dict[tuple[int, bytes], bytes] = {}
    for address, account in world["accounts"].items():
        if any(account.values()):
            found[1, address] = fields(account, ACCOUNT_FIELDS)
    for height, (payee, amount) in world["rewards"].items():
        found[2, big(height, 8)] = packed(1, payee, amount)
    found[3, b"chain"] = packed(1, world["beacon"], *world["usefulness"], world["issued"])
    for address, (suite, key) in world["keys"].items():
        found[4, address] = packed(1, suite, key)
    if any(world["totals"].values()):
        found[5, b"credits"] = fields(world["totals"], TOTAL_FIELDS)
    for height, entries in world["unbonding"].items():
        found[6, big(height, 8)] = packed(1, len(entries))
        for place, (owner, amount) in enumerate(entries):
            found[7, big(height, 8) + big(place, 4)] = packed(1, owner, amount)
    for height, call_ids in world["lanes_due"].items():
        found[8, big(height, 8)] = packed(1, len(call_ids))
    for call_id, lane in world["lanes"].items():
        found[9, big(lane["lapses"], 8) + big(lane["place"], 4)] = packed(1, call_id)
        found[10, call_id] = packed(1, *lane.values())
    if world["receipts"]:
        found[11, b"receipts"] = packed(1, len(world["receipts"]), peaks(world["receipts"]))
    found |= {where: packed(1, *values) for where, values in governance_records(world).items()}
    found[23, b"blocks"] = packed(1, len(world["blocks"]), peaks(world["blocks"]))
    return {h32("esper/state/key/v1", big(kind, 1), name): value
            for (kind, name), value in found.items()}  # fmt: skip


def state_root(entries: dict[bytes, bytes]) -> bytes:
    """The root over records by path: a subtree of one leaf is that leaf."""
    leaves = [
        (f"{int.from_bytes(path, 'big'):0256b}",
         h32("esper/state/leaf/v1", path, h32("esper/state/value/v1", value)))
        for path, value in sorted(entries.items())
    ]  # fmt: skip
    return h32("esper/state/root/v1", big(len(leaves), 8), top(leaves, 0))


def top(leaves: list[tuple[str, bytes]], depth: int) -> bytes:
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        return leaves[0][1]
    halves = [[leaf for leaf in leaves if leaf[0][depth] == bit] for bit in "01"]
    return h32("esper/state/node/v1", *(top(half, depth + 1) for half in halves))


def peaks(leaves: list[bytes]) -> list[bytes]:
    """The tops of the mountain range: one perfect tree for each 1 in the binary count."""
    found, rest = [], [h64("esper/mmr/leaf/v1", leaf) for leaf in leaves]
    for size in (2**level for level in reversed(range(64)) if len(leaves) >> level & 1):
        tree, rest = rest[:size], rest[size:]
        while len(tree) > 1:
            pairs = zip(tree[::2], tree[1::2], strict=True)
            tree = [h64("esper/mmr/node/v1", left, right) for left, right in pairs]
        found += tree
    return found


def receipt_root(receipts: list[bytes]) -> bytes:
    """The root of the mountain range."""
    use = b"esper/receipts/v1".ljust(32, b"\0")
    return h64("esper/mmr/root/v1", use, big(len(receipts), 8), *peaks(receipts))
