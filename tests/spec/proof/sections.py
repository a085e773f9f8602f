"""Where each part of a proof's bytes begins: for those who change one."""

from __future__ import annotations

from collections.abc import Iterator

from tests.spec.proof.decoding.embedding import EmbeddingRows
from tests.spec.proof.opening.wire import Opening, Queries
from tests.spec.proof.parameters import DIGEST_BYTES, ELEMENT_BYTES, EXTENSION_BYTES
from tests.spec.proof.verifier import Decoded

_LENGTH = 4


def sections(decoded: Decoded) -> dict[str, int]:
    """The first byte of each part, by name; parts without bytes are left out.

    Of a part of a model, counted from the modes, behind its length.
    """
    starts, at = {}, 0
    for name, size in _sizes(decoded):
        if size:
            starts[name] = at
        at += size
    return starts


def _exts(count: int) -> int:
    return count * EXTENSION_BYTES


def _sizes(decoded: Decoded) -> Iterator[tuple[str, int]]:
    body = decoded.body
    if decoded.layout.d.part is None:
        yield "descriptor length", _LENGTH
        yield "descriptor", len(decoded.descriptor)
    yield "modes", len(decoded.layout.modes.data)
    if isinstance(decoded.embedded, EmbeddingRows):
        yield "embedding rows", sum(map(len, decoded.embedded.encoded.values()))
        yield "embedding siblings", DIGEST_BYTES * len(decoded.embedded.siblings)
    yield "witness root", DIGEST_BYTES
    yield "early value", _exts(1)
    yield "root denominator", _exts(1)
    for index, layer in enumerate(body.fraction):
        yield f"fraction rounds {index}", _exts(2 * len(layer.rounds))
        yield f"fraction ends {index}", _exts(4)
    yield "table value", _exts(1)
    yield "linear", _exts(1)
    yield "contractions", _exts(1)
    yield "products", _exts(4 * len(body.products))
    yield "final values", _exts(len(body.final_values))
    yield "contraction", _exts(3 * len(body.contraction))
    yield "a_model", _exts(1)
    yield "a_witness", _exts(1)
    yield "b", _exts(1)
    yield "witness claims", _exts(2 * len(body.witness_claims))
    yield "witness value", _exts(1)
    yield "model claims", _exts(2 * len(body.model_claims))
    yield "model value", _exts(1)
    for index, opening in enumerate(decoded.openings):
        name = f"opening {index}"
        yield f"{name} length", _LENGTH
        for part, size in _opening_sizes(opening):
            yield f"{name} {part}", size


def _opening_sizes(opening: Opening) -> Iterator[tuple[str, int]]:
    yield "outside", _exts(1)
    yield "fold", _exts(2 * len(opening.fold))
    for index, step in enumerate(opening.rounds):
        yield f"root {index}", DIGEST_BYTES
        yield f"outside {index}", _exts(1)
        yield from _query_sizes(str(index), step.queries, is_base=index == 0)
        yield f"fold {index}", _exts(2 * len(step.fold))
    yield "last", _exts(len(opening.last))
    yield from _query_sizes("last", opening.last_queries, is_base=not opening.rounds)
    yield "last fold", _exts(2 * len(opening.last_fold))


def _query_sizes(name: str, queries: Queries, is_base: bool) -> Iterator[tuple[str, int]]:
    yield f"work {name}", ELEMENT_BYTES
    values = sum(map(len, queries.rows))
    yield f"rows {name}", values * (ELEMENT_BYTES if is_base else EXTENSION_BYTES)
    yield f"sibling count {name}", _LENGTH
    yield f"siblings {name}", DIGEST_BYTES * len(queries.siblings)
