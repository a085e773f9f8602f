"""Measure proofs by actors of Ray on one machine: throughput of 1 and 2, and times to recover.

python -m bench.farm [PROOFS]     prints one JSON object

A cluster of two nodes, each with one processor, is started on this machine and ended with the
measurement. Each actor proves with one thread; every proof is verified. Needs `pip install ray` and
two processors that are free: with one, two actors take twice the time of one.

`ready_s` are seconds from asking for an actor until it has loaded the model. `killed_seen_s` are
seconds from the SIGKILL of a proving actor until whoever waits for its proof is told, and
`killed_proof_s` until another actor, asked for then, has given that proof. `joined_s` are seconds
from a node's joining until an actor that waited for its processor has loaded the model.

`cpu_s_a_proof_1` and `_2` are processor seconds that one actor and two took for a proof, and
`ratio_free` what the ratio would be if each of two actors had a processor to itself: unlike seconds
and `ratio` they hold on a machine that does other work.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

GENESIS: Final = Path(__file__).resolve().parents[1] / "genesis" / "model"
ANSWER: Final = 16
ROWS: Final = 64
OBJECT_STORE_BYTES: Final = 100_000_000
PATIENCE_S: Final = 600
MOST_PROOFS: Final = 1_000


class Prover:
    """An actor. Bytes go in and come out, so that nobody unpickles what it says."""

    def __init__(self, folder: str) -> None:
        # Before the extension is loaded: its pool is as large as this says then.
        os.environ["RAYON_NUM_THREADS"] = "1"
        from esper.model import load_model

        self._model = load_model(Path(folder))

    def pid(self) -> bytes:
        """The process, in decimal digits; answered once the model is loaded."""
        return b"%d" % os.getpid()

    def used(self) -> float:
        """Seconds of processors that it has taken."""
        return time.process_time()

    def prove(self, binding: bytes) -> bytes:
        """The proof of one sequence under this binding of 64 bytes."""
        from esper.prover import prove

        tokens = self._model.encode("Once upon a time there was")
        return prove(self._model, [tokens], max_answer=ANSWER, binding=binding, rows=ROWS)[1]


def bindings(count: int) -> list[bytes]:
    """So many that differ."""
    return [number.to_bytes(64, "big") for number in range(count)]


def check(proofs: Sequence[bytes], bound: Sequence[bytes]) -> None:
    """Raises ProofError unless each proof shows what it was asked for."""
    from esper.model import load_model
    from esper.prover import prove, verify

    model = load_model(GENESIS)
    tokens = model.encode("Once upon a time there was")
    for binding, proof in zip(bound, proofs, strict=True):
        statement, _ = prove(model, [tokens], max_answer=ANSWER, binding=binding, rows=ROWS)
        verify(statement, proof)


class Farm:
    """Two nodes of Ray on this machine, and actors on them."""

    def __init__(self, ray: Any, cluster: Any) -> None:
        self._ray = ray
        self.cluster = cluster
        self._actor = ray.remote(Prover)

    def actor(self) -> Any:
        """One that Ray places where a processor is free, now or later."""
        chosen = self._actor.options(
            num_cpus=1,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=2,
            scheduling_strategy="SPREAD",
        )
        return chosen.remote(str(GENESIS))

    def pid(self, actor: Any) -> int:
        """Of an actor, once it is ready."""
        return int(self._ray.get(actor.pid.remote(), timeout=PATIENCE_S))

    def used(self, actors: Sequence[Any]) -> float:
        """Seconds of processors that they have taken."""
        asked = [actor.used.remote() for actor in actors]
        return sum(map(float, self._ray.get(asked, timeout=PATIENCE_S)))

    def throughput(self, actors: Sequence[Any], count: int) -> tuple[float, float]:
        """Proofs a second, and processor seconds a proof, of actors that have all proven before."""
        bound = bindings(count)
        used = self.used(actors)
        began = time.perf_counter()
        asked = [actors[n % len(actors)].prove.remote(one) for n, one in enumerate(bound)]
        proofs = self._ray.get(asked, timeout=PATIENCE_S)
        took = time.perf_counter() - began
        used = self.used(actors) - used
        check(proofs[:2], bound[:2])
        return count / took, used / count

    def killed(self, actor: Any) -> dict[str, float]:
        """What a SIGKILL in the middle of a proof costs."""
        [binding] = bindings(1)
        pid = self.pid(actor)
        waiting = actor.prove.remote(binding)
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        began = time.perf_counter()
        try:
            self._ray.get(waiting, timeout=PATIENCE_S)
        except self._ray.exceptions.RayActorError:
            seen = time.perf_counter() - began
        else:
            raise AssertionError("the proof was there before the actor was killed")
        other = self.actor()
        proof = self._ray.get(other.prove.remote(binding), timeout=PATIENCE_S)
        took = time.perf_counter() - began
        check([proof], [binding])
        return {"killed_seen_s": seen, "killed_proof_s": took}


def measured(farm: Farm, count: int) -> dict[str, Any]:
    """All of it, in one life of the cluster."""
    began = time.perf_counter()
    first = farm.actor()
    farm.pid(first)
    ready = time.perf_counter() - began
    # There is no processor for it before a node comes.
    second = farm.actor()
    farm.throughput([first], 1)
    one, one_cpu_s = farm.throughput([first], count)
    began = time.perf_counter()
    farm.cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)
    farm.pid(second)
    joined = time.perf_counter() - began
    farm.throughput([second], 1)
    two, two_cpu_s = farm.throughput([first, second], count)
    return {
        "proofs": count,
        "load": os.getloadavg()[0],
        "ready_s": ready,
        "joined_s": joined,
        "proofs_a_second_1": one,
        "proofs_a_second_2": two,
        "ratio": two / one,
        "cpu_s_a_proof_1": one_cpu_s,
        "cpu_s_a_proof_2": two_cpu_s,
        "ratio_free": 2 * one_cpu_s / two_cpu_s,
    } | farm.killed(second)


def main() -> None:
    """Print what was measured."""
    # Before Ray is loaded: it tells nobody that it runs.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ModuleNotFoundError as error:
        sys.exit(f"bench.farm needs Ray, and {error.name} is not installed: pip install ray")
    text = sys.argv[1] if len(sys.argv) > 1 else "8"
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MOST_PROOFS):
        sys.exit(f"PROOFS: must be a number from 1 to {MOST_PROOFS}, not {text!r}")
    count = int(text)
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        },
    )
    try:
        ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
        found = measured(Farm(ray, cluster), count)
    finally:
        ray.shutdown()
        cluster.shutdown()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
