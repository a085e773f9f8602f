"""Proofs through the Python interface: honest ones are accepted, everything else is refused."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from esper.model import load_model
from esper.model.loaded import LoadedModel
from esper.primitives.ids import ModelId
from esper.prover import (
    MalformedProofError,
    ProvingError,
    Statement,
    StatementError,
    VerificationError,
    planned,
    proof_file,
    prove,
    release_memory,
    verify,
)

GENESIS = Path(__file__).resolve().parents[3] / "genesis" / "model"
BINDING = bytes(range(64))


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """The genesis model."""
    return load_model(GENESIS)


@pytest.fixture(scope="module")
def proven(model: LoadedModel) -> tuple[Statement, bytes]:
    """Two prompts of different length, answered and proven."""
    prompts = [model.encode("Once upon a time"), model.encode("The dog")]
    return prove(model, prompts, max_answer=8, binding=BINDING)


def test_honest_proof_is_accepted(model: LoadedModel, proven: tuple[Statement, bytes]) -> None:
    statement, proof = proven
    report = verify(statement, proof)
    assert report.security_bits >= 128
    assert report.proof_bytes == len(proof) <= 512 * 1024
    assert statement.model_id == model.model_id
    for sequence in statement.sequences:
        assert list(sequence.answer) == model.generate(sequence.prompt, 8)


def test_each_prompt_has_its_own_limit(model: LoadedModel) -> None:
    prompts = [model.encode("Once upon a time"), model.encode("The dog")]
    statement, proof = prove(model, prompts, max_answer=(2, 7), binding=BINDING)
    assert [len(s.answer) for s in statement.sequences] == [2, 7]
    verify(statement, proof)
    for limit in (1, 3, 8):
        with pytest.raises(VerificationError):
            verify(changed(statement, max_answer=limit), proof)
    with pytest.raises(ProvingError, match="1 limits for 2 prompts"):
        prove(model, prompts, max_answer=(2,), binding=BINDING)


def changed(statement: Statement, **fields: object) -> Statement:
    """A copy whose first sequence has other fields."""
    first = dataclasses.replace(statement.sequences[0], **fields)  # type: ignore[arg-type]
    return dataclasses.replace(statement, sequences=(first, *statement.sequences[1:]))


def test_any_other_statement_is_refused(proven: tuple[Statement, bytes]) -> None:
    statement, proof = proven
    first = statement.sequences[0]
    (best, *rest), *later = first.top
    others = {
        "binding": dataclasses.replace(statement, binding=bytes(64)),
        "model": dataclasses.replace(statement, model_id=ModelId(bytes(64))),
        "prompt": changed(statement, prompt=(*first.prompt[:-1], first.prompt[-1] ^ 1)),
        "logit": changed(statement, top=(((best[0], best[1] + 1), *rest), *later)),
        "rows": dataclasses.replace(statement, rows=2 * statement.rows),
        "order": dataclasses.replace(statement, sequences=statement.sequences[::-1]),
        "fewer": dataclasses.replace(statement, sequences=statement.sequences[:1]),
    }
    for name, other in others.items():
        with pytest.raises(VerificationError):
            verify(other, proof)
        assert other != statement, name


def test_changed_proof_is_refused(proven: tuple[Statement, bytes]) -> None:
    statement, proof = proven
    for at in (0, 100, len(proof) // 2, len(proof) - 1):
        broken = bytearray(proof)
        broken[at] ^= 1
        with pytest.raises(VerificationError):
            verify(statement, bytes(broken))
    with pytest.raises(VerificationError):
        verify(statement, proof[:-1])
    with pytest.raises(VerificationError):
        verify(statement, proof + b"\0")


def test_bytes_that_do_not_decode_are_told_from_proofs_that_show_nothing(
    proven: tuple[Statement, bytes],
) -> None:
    statement, proof = proven
    no_element = proof[:-8] + b"\xff" * 8
    other_version = proof[:4] + bytes([proof[4] + 1]) + proof[5:]
    for malformed in (b"", proof[:-1], proof + b"\0", no_element, other_version):
        with pytest.raises(MalformedProofError):
            verify(statement, malformed)
    last_bit = proof[:-1] + bytes([proof[-1] ^ 1])
    for other, rejected in [
        (statement, last_bit),
        (dataclasses.replace(statement, binding=bytes(64)), proof),
        (dataclasses.replace(statement, model_id=ModelId(bytes(64))), proof),
        (dataclasses.replace(statement, top_k=0), proof),
    ]:
        with pytest.raises(VerificationError) as caught:
            verify(other, rejected)
        assert not isinstance(caught.value, MalformedProofError)


def test_proofs_are_verified_at_the_same_time(proven: tuple[Statement, bytes]) -> None:
    """Times inside the verifier add up to more than has passed: two were inside at once.

    Behind one lock, or with Python's held, they could never: each time is measured inside. Whether
    the threads meet in a round is up to the machine, so there are many rounds.
    """

    def verify_some(_: int) -> float:
        return sum(verify(*proven).milliseconds for _ in range(5))

    with ThreadPoolExecutor(4) as threads:
        for _ in range(100):
            start = time.perf_counter()
            inside = sum(threads.map(verify_some, range(4)))
            if inside > 1.05 * 1e3 * (time.perf_counter() - start):
                return
    raise AssertionError("no two verifications were ever inside at once")


def test_python_goes_on_while_a_proof_is_verified(proven: tuple[Statement, bytes]) -> None:
    """A thread that verifies is never interrupted here, so only what it lets in can run."""
    inside = met = False

    def verify_until_met() -> None:
        nonlocal inside
        for _ in range(1000):
            inside = True
            verify(*proven)
            inside = False
            if met:
                return

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        thread = threading.Thread(target=verify_until_met)
        thread.start()
        while thread.is_alive() and not met:
            met = inside
            thread.join(0.0001)
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert met


def test_proof_file_round_trip(tmp_path: Path, proven: tuple[Statement, bytes]) -> None:
    path = tmp_path / "answer.proof"
    proof_file.write(path, *proven)
    assert proof_file.read(path) == proven


def test_what_cannot_be_proven_says_so(model: LoadedModel) -> None:
    with pytest.raises(ProvingError, match="binding"):
        prove(model, [[1]], max_answer=1, binding=b"")
    with pytest.raises(ProvingError, match="prompts"):
        prove(model, [], max_answer=1, binding=BINDING)
    with pytest.raises(ProvingError, match="top_k"):
        prove(model, [[1]], max_answer=1, binding=BINDING, top_k=0)
    with pytest.raises(ProvingError, match="rows"):
        prove(model, [[1, 5, 6]], max_answer=4, binding=BINDING, rows=3)


def test_fields_out_of_range_are_statement_errors(proven: tuple[Statement, bytes]) -> None:
    statement, proof = proven
    with pytest.raises(StatementError, match="model_id"):
        verify(dataclasses.replace(statement, model_id=ModelId(b"x")), proof)
    with pytest.raises(StatementError, match="rows"):
        verify(dataclasses.replace(statement, rows=-1), proof)
    with pytest.raises(StatementError, match="token"):
        verify(changed(statement, prompt=(1 << 40,)), proof)


def test_the_memory_of_proofs_goes_back_when_asked(model: LoadedModel) -> None:
    prove(model, [model.encode("The dog")], max_answer=8, binding=BINDING)
    held = resident_bytes()
    released = release_memory()
    assert released > 32 << 20
    assert resident_bytes() < held - released // 2
    assert release_memory() == 0
    # The next one finds its memory again.
    verify(*prove(model, [model.encode("The dog")], max_answer=8, binding=BINDING))


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_the_stages_are_told_as_they_were_planned(model: LoadedModel) -> None:
    prompts = [model.encode("Once upon a time")]
    plan = planned(model.native, prompts, 4)
    told: list[str] = []
    prove(model, prompts, max_answer=4, binding=BINDING, done=told.append)
    assert told == [name for name, _ in plan.stages]
    assert sum(share for _, share in plan.stages) == pytest.approx(1)
    assert min(share for _, share in plan.stages) > 0
    assert plan.rows == 8
    larger = planned(model.native, prompts * 2, 30)
    assert larger.witness_cells > plan.witness_cells
    assert larger.memory_bytes > plan.memory_bytes
    assert larger.model_cells == plan.model_cells


def test_what_a_stage_s_listener_raises_is_raised(model: LoadedModel) -> None:
    def listener(stage: str) -> None:
        raise LookupError(stage)

    with pytest.raises(LookupError, match="answer"):
        prove(model, [model.encode("a")], max_answer=1, binding=BINDING, done=listener)
    statement, _ = prove(model, [model.encode("a")], max_answer=1, binding=BINDING)
    with pytest.raises(LookupError, match="witness"):
        model.proving_key.prove(BINDING, statement.shape(), statement.fields(), listener)


def test_a_plan_of_what_cannot_be_proven_is_refused(model: LoadedModel) -> None:
    with pytest.raises(ProvingError, match="none given"):
        planned(model.native, [], 4)
    with pytest.raises(ProvingError, match="take 65536 rows, and the model has 512"):
        planned(model.native, [[1] * 40_000], 4)
    with pytest.raises(ProvingError, match="sequences times rows"):
        planned(model.native, [[1] * 500] * 33, 4)
    assert planned(model.native, [[1]], 1).rows == 2
