"""The compiled extension: records, state, both engines, digests, proofs, signatures."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, TypedDict

from esper.primitives.ids import ModelId

class Schema:
    """A schema of ``esper.primitives.codec``, compiled.

    ``refusal(what, position)`` makes the error that is raised about bytes.
    """

    @staticmethod
    def unsigned(bits: int) -> Schema:
        """An unsigned integer of at most ``bits``, 1 to 64. Raises ValueError for other widths."""

    @staticmethod
    def signed() -> Schema:
        """A signed integer in (-2^62, 2^62)."""

    @staticmethod
    def fixed_bytes(size: int) -> Schema:
        """A byte string of exactly ``size`` bytes."""

    @staticmethod
    def wide_unsigned(size: int) -> Schema:
        """An unsigned integer as exactly ``size`` big-endian bytes."""

    @staticmethod
    def var_bytes(limit: int) -> Schema:
        """A byte string of at most ``limit`` bytes."""

    @staticmethod
    def unsigned_pair(bits: int) -> Schema:
        """Two integers of at most ``bits`` each, 1 to 64. Raises ValueError for other widths."""

    @staticmethod
    def array(element: Schema, limit: int) -> Schema:
        """A list of at most ``limit`` elements."""

    @staticmethod
    def record(
        build: Callable[..., object],
        version: int | None,
        fields: Sequence[tuple[str, Schema]],
        by_place: bool,
    ) -> Schema:
        """Fields behind a version; ``build`` gets them by name, or in their order."""

    def encode(self, value: object) -> bytes:
        """The canonical bytes. Raises ValueError for a value outside the schema."""

    def decode(
        self, data: bytes, limit: int, what: str, refusal: Callable[[str, int], Exception]
    ) -> Any:
        """The one value in ``data``, which must be the encoding of what was read."""

    def decode_own(self, data: bytes, what: str, refusal: Callable[[str, int], Exception]) -> Any:
        """The one value in ``data``, without the second look."""

    def read(
        self, data: bytes, position: int, what: str, refusal: Callable[[str, int], Exception]
    ) -> tuple[Any, int]:
        """The value that begins at a position, and where it ends."""

def array_length(
    data: bytes, position: int, what: str, refusal: Callable[[str, int], Exception]
) -> tuple[int, int]:
    """The declared length of the array that begins at a position, and where its head ends."""

class NativeModel:
    """A G16 model in memory, checked on loading, with its integer engine."""

    @staticmethod
    def load(directory: str | PathLike[str], /) -> NativeModel:
        """Read, check and hash the model in a directory.

        Raises `ValueError` naming field, tensor or bound, `OSError` where a file cannot be read,
        `RuntimeError` where this machine fails the engine's known-answer test.
        """

    @property
    def shape(self) -> dict[str, int]:
        """Sizes: vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq."""

    @property
    def integers_hash(self) -> bytes:
        """64 bytes that name the integers."""

    @property
    def bounds(self) -> list[dict[str, object]]:
        """Worst cases as {layer, name, value, limit, bits}."""

    def logits(self, sequences: Sequence[Sequence[int]], threads: int) -> list[bytes]:
        """Logits of every position of each sequence, (positions, vocab) little-endian int64."""

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new: int, top_k: int, threads: int
    ) -> list[tuple[list[int], list[list[tuple[int, int]]]]]:
        """Greedy answers, and for each answer token its `top_k` (id, logit) pairs."""

    def answer(
        self, prompt: Sequence[int], max_new: int, threads: int, each: Callable[[int], object], /
    ) -> None:
        """The greedy answer to one prompt, each token given to `each` as soon as it is known.

        What `each` raises ends the answer, and is raised.
        """

    def score(
        self,
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        top_k: int,
        threads: int,
        /,
    ) -> list[list[list[tuple[int, int]]]]:
        """For each token of each answer its `top_k` (id, logit) pairs, in one pass of each text."""

    def trace(self, tokens: Sequence[int], threads: int, /) -> list[list[bytes]]:
        """By token SHA3-256 of what each layer made, then of the logits: `layers + 1` digests.

        Two machines that differ part at the first that is another. `ValueError` for unfit tokens.
        """

class ServingBatch:
    """Sequences that are answered together; they come and go while the others run on."""

    def __init__(
        self, model: NativeModel, slots: int, rows: int, threads: int, logit_scale: float, /
    ) -> None:
        """`slots` caches of `rows` positions; `logit_scale` is of one unit of a logit.

        Raises `ValueError` for what is no such size or scale, `MemoryError` if there is no room.
        """

    @staticmethod
    def slot_bytes(model: NativeModel, rows: int, /) -> int:
        """Bytes that one slot of so many rows takes."""

    def __len__(self) -> int: ...
    def add(
        self,
        number: int,
        prompt: Sequence[int],
        max_new: int,
        top_k: int = 0,
        group: str = "",
        public: int = 0,
        /,
    ) -> int:
        """Take a sequence in; how many of its tokens have run already and need not run again.

        `top_k` candidates are told with each token, 0 to 20. Only within a `group`, of at most 64
        bytes, does a prompt begin with what has run of another, but for the first `public` tokens:
        these it shares with all who say so of the same tokens. Raises `ValueError` for a number
        that is here, a full batch, or what does not fit.
        """

    def remove(self, number: int, /) -> bool:
        """Give a sequence up; whether it was here."""

    def run(
        self, max_steps: int, deadline_ms: int, /
    ) -> list[tuple[int, int, int, list[tuple[int, int]], float, bool]]:
        """Tokens in order: (number, token, logit, best pairs, logsumexp, whether it ends).

        Back early with the first token or the end of an answer; lets other threads go on. Pairs are
        empty and `logsumexp`, a float that no proof knows, is 0 where no candidates were asked for.
        Raises `RuntimeError` once a step has broken off: the batch is of no use then.
        """

class FloatSpread(TypedDict):
    """Size of the values at one site; a plain dict at run time."""

    absmax: float
    mean_abs: float

class FloatCalibration(TypedDict):
    """What the float engine met; a plain dict at run time."""

    tokens: int
    final_input: FloatSpread
    layers: list[dict[str, FloatSpread]]

class NativeFloatModel:
    """A float32 Llama checkpoint with its engine. Nothing it computes enters consensus."""

    @staticmethod
    def load(
        files: Sequence[str | PathLike[str]],
        threads: int,
        sizes: Sequence[int],
        constants: tuple[float, float, bool],
        /,
    ) -> NativeFloatModel:
        """Read safetensors files (F32, F16 or BF16) that hold all tensors together.

        `sizes` are those of `shape` in its order, `constants` norm_eps, rope_theta and whether the
        embedding is the output matrix.

        Raises `ValueError` naming field or tensor, `OSError` where a file cannot be read.
        """

    @property
    def shape(self) -> dict[str, int]:
        """Sizes: vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq."""

    def logits(self, sequences: Sequence[Sequence[int]], /) -> list[bytes]:
        """Logits of every position of each sequence, (positions, vocab) little-endian float32."""

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new: int, eos: int, /
    ) -> list[list[int]]:
        """Greedy answers, each ended by `eos` or after `max_new` tokens."""

    def calibrate(self, sequences: Sequence[Sequence[int]], /) -> FloatCalibration:
        """Sizes of the values the sequences meet, by site. `ValueError` for unfit tokens."""

class ProvingKey:
    """A model committed for proving; making one commits to all weights."""

    def __init__(self, model: NativeModel, /) -> None:
        """Commit. Raises `ValueError` naming what cannot be proven."""

    @property
    def model_id(self) -> ModelId:
        """64 bytes that name the model together with the proof system."""

    @property
    def descriptor(self) -> bytes:
        """Canonical bytes of the model descriptor, which hash to the model id."""

    def prove(
        self,
        binding: bytes,
        shape: tuple[int, int],
        sequences: Sequence[
            tuple[Sequence[int], Sequence[int], int, Sequence[Sequence[tuple[int, int]]]]
        ],
        done: Callable[[str], None] | None = None,
        /,
    ) -> bytes:
        """Proof of a statement of shape (rows, top_k); `ValueError` if it is false.

        `done` hears the name of every stage that is over.
        """

class ProofPlan(TypedDict):
    """What a proof takes; a plain dict at run time."""

    witness_cells: int
    leaves: int
    model_cells: int
    memory_bytes: int
    stages: list[tuple[str, float]]

def proof_plan(model: NativeModel, sequences: int, rows: int, answers: int) -> ProofPlan:
    """What a proof takes, told before any work on it; `ValueError` for what cannot be proven."""

class PartedNativeModel:
    """A model and where it is cut: what needs all of its integers, before any part is proven."""

    def __init__(self, model: NativeModel, count: int, /) -> None:
        """Cut into parts of about as many weights each. `ValueError` naming what is refused."""

    @property
    def first_layers(self) -> list[int]:
        """First layer of each part."""

    def outlines(self) -> list[bytes]:
        """Descriptors of all parts without their roots."""

    def integers(self) -> list[bytes]:
        """Hashes of the parts' integers, 64 bytes each: what `PartKey` is to find in the folder."""

    def residuals(self, rows: int, /) -> tuple[int, int, int, int]:
        """Of the residuals for so many rows: bytes, most bytes, values, most values."""

    def boundaries(
        self,
        shape: tuple[int, int],
        sequences: Sequence[
            tuple[Sequence[int], Sequence[int], int, Sequence[Sequence[tuple[int, int]]]]
        ],
        /,
    ) -> list[bytes]:
        """The packed residuals between the parts on a batch of shape (rows, top_k)."""

class PartKey:
    """A part of a model committed for proving, by the integers of its own layers alone."""

    def __init__(self, directory: str | PathLike[str], outline: bytes, integers: bytes, /) -> None:
        """Read the part's integers and commit them; `outline` is its descriptor.

        Sizes, shifts, embedding and the hash `integers` are compared; what the outline says of the
        whole model comes back as it was given: this is no check of somebody's descriptor.

        Raises `ValueError` naming what is refused, `OSError` where a file cannot be read.
        """

    @property
    def descriptor(self) -> bytes:
        """Canonical bytes of the part's descriptor."""

    def prove(
        self,
        model_id: ModelId,
        binding: bytes,
        shape: tuple[int, int],
        sequences: Sequence[
            tuple[Sequence[int], Sequence[int], int, Sequence[Sequence[tuple[int, int]]]]
        ],
        parts: Sequence[bytes],
        between: Sequence[bytes],
        done: Callable[[str], None] | None = None,
        /,
    ) -> bytes:
        """Proof of the part: `parts` are all descriptors, `between` all residuals."""

def part_plan(outline: bytes, sequences: int, rows: int, answers: int, /) -> ProofPlan:
    """What a proof of a part takes, by its descriptor; `ValueError` for what cannot be proven."""

def parts_id(parts: Sequence[bytes], /) -> ModelId:
    """64 bytes that name a model in parts, by the descriptors of all of them in order."""

def join_parts(parts: Sequence[bytes], between: Sequence[bytes], proofs: Sequence[bytes]) -> bytes:
    """The bytes of a proof in parts from descriptors, residuals and proofs of all of them."""

class PartsVerifyReport(TypedDict):
    """What a verified proof in parts rests on; a plain dict at run time."""

    security_bits: float
    parts: list[PartReport]
    milliseconds: float

class PartReport(TypedDict):
    """What the proof of one part rests on; a plain dict at run time."""

    security_bits: float
    terms: list[tuple[str, float]]
    witness_vars: int
    leaf_vars: int

def verify_proof_in_parts(
    parts_id: ModelId,
    model_id: ModelId,
    binding: bytes,
    shape: tuple[int, int],
    sequences: Sequence[
        tuple[Sequence[int], Sequence[int], int, Sequence[Sequence[tuple[int, int]]]]
    ],
    proof: bytes,
    /,
) -> PartsVerifyReport:
    """Check a proof in parts of a model known by `parts_id`; raises as `verify_proof`."""

def read_descriptor(data: bytes, /) -> dict[str, int]:
    """What a model descriptor says: the fields of its shape, bos, eos and embed_bits.

    Raises `ValueError` naming the limit that it breaks.
    """

def verify_proof(
    model_id: ModelId,
    binding: bytes,
    shape: tuple[int, int],
    sequences: Sequence[
        tuple[Sequence[int], Sequence[int], int, Sequence[Sequence[tuple[int, int]]]]
    ],
    proof: bytes,
    /,
) -> VerifyReport:
    """Check a proof without weights; lets other threads go on.

    Raises `MalformedProofError` for bytes that do not decode, else `ValueError` with the check that
    failed.
    """

class MalformedProofError(ValueError):
    """Bytes that are no proof: they do not decode, whatever they were to show."""

class VerifyReport(TypedDict):
    """What a verified proof rests on; a plain dict at run time."""

    security_bits: float
    terms: list[tuple[str, float]]
    witness_vars: int
    leaf_vars: int
    milliseconds: float

def model_id(model: NativeModel, /) -> ModelId:
    """64 bytes that name the model together with the proof system; commits to the weights."""

def sha3_512_many(tag: bytes, messages: Sequence[bytes]) -> list[bytes]:
    """SHA3-512(tag || message) of each message. `ValueError` for what is no tag of 32 bytes."""

def sha3_256_many(tag: bytes, messages: Sequence[bytes]) -> list[bytes]:
    """SHA3-256(tag || message) of each message. `ValueError` for what is no tag of 32 bytes."""

def update_state(
    get: Callable[[bytes], bytes | None],
    levels: int,
    top: bytes,
    changes: Sequence[tuple[bytes, bytes | None, bytes | None]],
    damaged: Callable[[str], Exception],
    unfit: Callable[[str], Exception],
) -> tuple[bytes, bytes, list[tuple[bytes, bytes | None]], int]:
    """What changes by strictly ascending path do to the state tree with the uppermost node `top`.

    Returns the new uppermost node, its hash, the records to write and how many hashes were
    computed. Raises `damaged` or `unfit` of a reason, and what `get` raises.
    """

def poseidon2_digest(tag: str, elements: list[int]) -> list[int]:
    """Eight limbs of the digest of canonical field elements; ValueError for others."""

def poseidon2_permute(state: list[int]) -> list[int]:
    """One permutation of sixteen canonical field elements; ValueError for others."""

def reserve_memory(size: int, /) -> None:
    """Make so many bytes ready for the first proof of this process."""

def release_memory() -> int:
    """Give the memory that proofs keep for the next one back; bytes of its large blocks."""

def ml_dsa_65_holds(key: bytes, message: bytes, signature: bytes, /) -> bool:
    """Whether a signature is the key's, with an empty context; False for other sizes."""

def ml_dsa_65_first_invalid(
    claims: Sequence[tuple[bytes, bytes, bytes]], threads: int, /
) -> int | None:
    """The index of the first (key, message, signature) that fails; lets other threads go on."""

def judge_receipt(data: bytes, networks: bytes, asked: bytes, judge: object | None = None) -> str:
    """The verdict of the verifier in Rust on a receipt, as JSON: {exit, links}.

    ``networks`` and ``asked`` are records of ``esper.receipts.twin``; ``judge`` takes the place of
    the verifier of proofs. Raises ``ValueError`` for records of another form.
    """
