"""A stand-in for model and prover, for tests of the chain alone.

NOT A PROOF: the "proof" is a hash that anyone can compute, and the "model" is SHA3. It only shows
that the rules ask for the right claim and that every byte of it counts.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from esper.consensus.ports import ProofMalformedError, ProofRejectedError, WorkClaim
from esper.node.workers.search import PromptSource
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry, ModelShape
from esper.primitives.networks import PUZZLE, REGTEST
from esper.primitives.params import NetworkParameters
from esper.primitives.prompt import BankPrompt, bank_tree
from esper.primitives.work_outputs import Candidate, ProvenAnswer

MAGIC = b"FAKE PROOF"
TOKENIZER_ID = hashlib.sha3_512(b"fake tokenizer").digest()


def fake_bank(size: int = 4096) -> tuple[BankPrompt, ...]:
    """Prompts of 5 to 35 tokens, every seventh with a mask."""
    prompts = []
    for index in range(size):
        noise = hashlib.shake_256(b"prompt %d" % index).digest(72)
        length = 5 + noise[0] % 31
        tokens = tuple(3 + int.from_bytes(noise[2 * i + 1 : 2 * i + 3], "big") % 1021
                       for i in range(length))  # fmt: skip
        spans = ((1, 2),) if index % 7 == 0 else ()
        json_hash = hashlib.sha3_512(noise).digest()
        prompts.append(BankPrompt(TOKENIZER_ID, tokens, spans, json_hash))
    return tuple(prompts)


BANK = fake_bank()
SOURCE = PromptSource(BANK, bank_tree(BANK))
"""Made once: its tree takes a thirtieth of a second, and thousands of tests have a network."""


SHAPE = ModelShape(
    vocab=1024,
    dim=64,
    hidden=176,
    layers=4,
    heads=2,
    kv_heads=1,
    head_dim=32,
    max_seq=512,
)


def fake_model_entry() -> ModelEntry:
    """A shape like the genesis model's, under names of its own."""
    return ModelEntry(
        model_id=ModelId(hashlib.sha3_512(b"fake model").digest()),
        tier=0,
        shape=SHAPE,
        bos=1,
        eos=2,
        special_ids=(0, 1, 2),
        tokenizer_id=TOKENIZER_ID,
        bank_root=SOURCE.tree.root,
        bank_size=SOURCE.tree.count,
    )


def fake_network(base: NetworkParameters = REGTEST) -> NetworkParameters:
    """A network whose model is the fake, with two sequences a batch to tell them apart."""
    return replace(base, model=fake_model_entry(), puzzle=PUZZLE)


class FakeInference:
    """Answers by hashing the input; about one token in twenty is EOS."""

    def __init__(self, model: ModelEntry) -> None:
        self._model = model

    @property
    def model_id(self) -> ModelId:
        return self._model.model_id

    def answer(
        self, inputs: Sequence[tuple[int, ...]], max_answer: int, top_k: int
    ) -> tuple[ProvenAnswer, ...]:
        return tuple(self._one(tokens, max_answer, top_k) for tokens in inputs)

    def _one(self, tokens: tuple[int, ...], max_answer: int, top_k: int) -> ProvenAnswer:
        said: list[int] = []
        top: list[tuple[Candidate, ...]] = []
        while len(said) < max_answer and self._model.eos not in said:
            noise = hashlib.shake_256(repr((tokens, said)).encode()).digest(64)
            first = self._model.eos if noise[0] < 13 else 3 + noise[1] * 3
            others = [(first + 1 + i) % self._model.shape.vocab for i in range(top_k - 1)]
            logits = [1000 + noise[2] - 300 * i for i in range(top_k)]
            said.append(first)
            top.append(tuple(map(Candidate, [first, *others], logits)))
        return ProvenAnswer(tuple(said), tuple(top))


def claim_hash(claim: WorkClaim) -> bytes:
    """A hash of every field of a claim."""
    # The golden blocks hold fake proofs from when the class of answers had the shorter name.
    written = repr(claim).replace("ProvenAnswer(", "Answer(")
    return hashlib.sha3_512(written.encode()).digest()


class FakeProver:
    """Makes the fake proof: the magic and a hash of the claim."""

    def prove(self, claim: WorkClaim) -> bytes:
        return MAGIC + claim_hash(claim)


class FakeVerifier:
    """Accepts exactly what FakeProver makes of a claim whose answers FakeInference gives."""

    def __init__(self, model: ModelEntry) -> None:
        self._inference = FakeInference(model)
        self.verified = 0

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        self.verified += 1
        if len(proof) != len(MAGIC) + 64 or not proof.startswith(MAGIC):
            raise ProofMalformedError(f"{len(proof)} bytes are no fake proof")
        if proof != FakeProver().prove(claim):
            raise ProofRejectedError("the hash does not fit the claim")
        answers = [
            self._inference.answer([tokens], limit, claim.top_k)[0]
            for tokens, limit in zip(claim.inputs, claim.max_answers, strict=True)
        ]
        if list(claim.answers) != answers:
            raise ProofRejectedError("the fake model answers something else")


def prompt_source(params: NetworkParameters) -> PromptSource:
    """The fake bank with its tree, for a network of the fake model."""
    assert params.model.bank_root == SOURCE.tree.root
    return SOURCE
