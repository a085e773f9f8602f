"""A character of a game: it talks, remembers what was said, and can be held to its words.

    python examples/game_character.py --name Lily          # a line a turn; an empty line ends it

OpenAI's client talks to the node's gateway. Every line of the character is signed by the node; the
ids of the receipts are kept, so that a player who doubts a line has it proven afterwards, or runs
it again with ``esperd replay``: the same words come out on every machine.
"""

import argparse
import sys
from dataclasses import dataclass, field

from openai import APIError, OpenAI


@dataclass
class Character:
    """Who speaks, and what it remembers."""

    client: OpenAI
    model: str
    name: str
    memory: list[str] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)
    """Where each line's receipt is, by path at the node."""

    def says(self, heard: str) -> str:
        """Its next line. Raises openai.APIError."""
        self.memory.append(heard)
        # A proof has room for so many tokens: the oldest lines are forgotten.
        self.memory = self.memory[-4:]
        answer = self.client.completions.create(
            model=self.model,
            prompt=" ".join(self.memory) + f" {self.name} said,",
            max_tokens=16,
        )
        line = answer.choices[0].text.strip()
        self.memory.append(f"{self.name} said, {line}")
        self.receipts.append((answer.model_extra or {})["esper"]["receipt"])
        return line


def main() -> int:
    """Talk until an empty line; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--name", default="Lily")
    parser.add_argument("--url", default="http://127.0.0.1:9334/v1", help="of the node's gateway")
    parser.add_argument("--key", default="none", help="esk_…, where the gateway wants one")
    parser.add_argument("--model", default="esper-t0")
    chosen = parser.parse_args()
    client = OpenAI(base_url=chosen.url, api_key=chosen.key)
    character = Character(client, chosen.model, chosen.name)
    try:
        for heard in iter(lambda: sys.stdin.readline().strip(), ""):
            print(f"{chosen.name}: {character.says(heard)}", flush=True)
    except APIError as error:
        print(f"{chosen.name} is silent: {error}", file=sys.stderr)
        return 1
    finally:
        for receipt in character.receipts:
            print(receipt, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
