"""A program that acts on an oracle's answer, and believes the proof and nothing else.

    python examples/consumer.py answer.json "Lily saw a big" [--model HEX] [--tip HEIGHT:ID]

It knows the question it asked, and the models that it hears: the one that its network began with,
and ``--model`` beside it. The rest is judged offline, without the oracle, a node, or the weights.
Prints the answer and returns 0; says what is wrong and returns 1.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

NEEDED = ("form", "network", "model", "call", "group", "header", "text", "proof")
"""Links without which the answer is not the model's answer to this question."""


class NotBelievedError(Exception):
    """Which link of the receipt does not hold, or what else it is not."""


def believed(file: Path, question: str, *how: str) -> str:
    """The answer. Raises NotBelievedError."""
    done = subprocess.run(
        ["esper", "verify", file, *how, "--json"], capture_output=True, text=True, check=False
    )
    try:
        told = json.loads(done.stdout or done.stderr)
    except ValueError:
        raise NotBelievedError(done.stderr.strip() or "no verdict") from None
    if "links" not in told:
        raise NotBelievedError(told.get("error", {}).get("message", "no verdict"))
    links = {one["name"]: one for one in told["links"]}
    for name, link in links.items():
        if link["status"] == "fail":
            raise NotBelievedError(f"{name}: {link['detail']}")
    needed = [*NEEDED, *(["chain"] if "--tip" in how else [])]
    for name in needed:
        if links.get(name, {}).get("status") != "ok":
            raise NotBelievedError(f"{name} is not shown")
    # The link ``text`` ties these words to the proven tokens; whose question it was, only we know.
    text = json.loads(file.read_bytes())["text"]
    if question not in text["prompt"]:
        raise NotBelievedError("it answers another question")
    answer: str = text["answer"]
    return answer


def main() -> int:
    """Believe a file or not; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("file", type=Path)
    parser.add_argument("question")
    parser.add_argument("--model", help="64 bytes in hexadecimal digits: another model to hear")
    parser.add_argument("--tip", help="HEIGHT:ID of a block that you know: the receipt's anchor")
    chosen = parser.parse_args()
    how = [*(["--model", chosen.model] if chosen.model else [])]
    how += ["--tip", chosen.tip] if chosen.tip else []
    try:
        print(believed(chosen.file, chosen.question, *how))
    except (NotBelievedError, OSError, ValueError) as error:
        print(f"not believed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
