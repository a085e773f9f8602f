"""An agent that pays for its own calls with credits, and believes no answer without its receipt.

It writes a story a turn at a time. A turn is a call of the chain: the wallet pays, a miner answers
and proves, and the receipt is judged here, offline, by ``esper verify``. What was spent and where
the receipts lie is kept in ``ledger.jsonl``, so that anyone can audit the agent later.

    python examples/agent.py --turns 3 --budget 20000 --into story

Status: 0 done, 1 it stopped early (said why on standard error).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKED = (0, 3)
"""Statuses of `esper verify` that an agent may go on with: proven, or proven up to the chain's
part, which comes with later blocks. What is broken is 1."""
MUST_HOLD = ("form", "network", "model", "call", "group", "header", "text", "proof")
"""Links that make an answer the model's, whatever becomes of the chain."""


class StoppedError(Exception):
    """Why the agent goes no further."""


def esper(*arguments: str, statuses: Collection[int] = (0,)) -> dict[str, Any]:
    """A command of the wallet: the JSON object that it printed. Raises StoppedError."""
    done = subprocess.run(
        ["esper", *arguments, "--json"], capture_output=True, text=True, check=False
    )
    try:
        found: dict[str, Any] = json.loads(done.stdout or done.stderr)
    except ValueError:
        raise StoppedError(done.stderr.strip() or f"esper {arguments[0]} said nothing") from None
    if done.returncode not in statuses:
        error = found.get("error", {})
        raise StoppedError(error.get("message") or f"esper {arguments[0]} failed: {found}")
    return found


@dataclass
class Agent:
    """Its purse, and where it keeps what it paid for."""

    into: Path
    budget: int
    """Micro-credits that are left to spend."""
    tokens: int
    """Longest answer of a turn."""

    def purse(self) -> int:
        """Micro-credits that the wallet can spend in this epoch."""
        found = esper("credits")
        return sum(int(one["credits"]["spendable"]) for one in found["accounts"])

    def turn(self, number: int, prompt: str) -> str:
        """What comes next, paid for and checked. Raises StoppedError."""
        asked = ("rpc", "estimate_call", f"text={json.dumps(prompt)}", f"max_tokens={self.tokens}")
        most = int(esper(*asked)["maximum_cost"])
        if most > self.budget:
            raise StoppedError(
                f"turn {number} may cost {most}, of the budget {self.budget} are left"
            )
        if most > self.purse():
            raise StoppedError(
                f"turn {number} may cost {most}, more than the wallet can use now: `esper credits` "
                "says what it holds and earns"
            )
        receipt = self.into / f"{number}.json"
        call = ("call", prompt, "--max-tokens", str(self.tokens), "--yes")
        found = esper(*call, "--receipt", str(receipt))
        spent = int(found["cost"])
        self.budget -= spent
        self.check(receipt, prompt)
        self.note(turn=number, call=found["txid"], cost=spent, receipt=receipt.name)
        answer: str = found["answer"]
        return answer

    def check(self, receipt: Path, prompt: str) -> None:
        """The receipt holds, and is of this prompt. Raises StoppedError."""
        verdict = esper("verify", str(receipt), statuses=CHECKED)
        links = {one["name"]: one for one in verdict["links"]}
        bad = [name for name in MUST_HOLD if links.get(name, {}).get("status") != "ok"]
        if bad:
            raise StoppedError(f"{receipt} does not show: {', '.join(bad)}")
        # That the text belongs to the proven tokens is what link ``text`` says.
        told = json.loads(receipt.read_bytes())["text"]["prompt"]
        if prompt not in told:
            raise StoppedError(f"{receipt} is of another prompt")

    def note(self, **entry: object) -> None:
        """A line of the ledger."""
        with (self.into / "ledger.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def main() -> int:
    """Tell the story; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--budget", type=int, default=20_000, help="micro-credits in all")
    parser.add_argument("--tokens", type=int, default=12, help="longest answer of a turn")
    parser.add_argument("--into", type=Path, default=Path("story"), help="folder to write")
    parser.add_argument("--begin", default="Once upon a time", help="how the story begins")
    chosen = parser.parse_args()
    chosen.into.mkdir(parents=True, exist_ok=True)
    agent, story = Agent(chosen.into, chosen.budget, chosen.tokens), chosen.begin
    try:
        for number in range(chosen.turns):
            # A model sees so many tokens at once: the end of the story is what it goes on from.
            story += agent.turn(number, story[-120:].lstrip())
            print(story, flush=True)
    except StoppedError as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        return 1
    finally:
        (chosen.into / "story.txt").write_text(story + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
