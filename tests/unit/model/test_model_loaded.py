from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from esper.model import LoadedModel, ModelError, load_model
from esper.model.bounds import check_bounds
from esper.model.errors import (
    InvalidFieldError,
    MalformedFileError,
    MissingFileError,
    TokenizerError,
)
from esper.model.exporting.calibration import calibrate
from esper.model.exporting.export import ExportOptions, export_model
from esper.model.g16_format import read_integer_model, write_integer_model
from esper.model.naming.integers_hash import integers_hash
from esper.model.tokenizer import load_tokenizer
from tests.spec.g16_numpy import SpecModel
from tests.spec.random_checkpoint import random_checkpoint, write_tokenizer

pytest.importorskip("esper._native", reason="needs the compiled extension: run `make build`")

SEQUENCES = [[1, 5, 9, 30, 39, 12, 12, 4, 28], [1], [0] * 20]


@pytest.fixture(scope="module", params=[12, 16])
def small_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model with a tokenizer, gate width 12 or 16."""
    folder = tmp_path_factory.mktemp("model")
    checkpoint = random_checkpoint(21)
    options = ExportOptions(gate_bits=request.param)
    model = export_model(checkpoint, calibrate(checkpoint, SEQUENCES[:1]), options)
    write_integer_model(folder / "g16.safetensors", model)
    write_tokenizer(folder, 40)
    return folder


def test_native_engine_equals_the_specification(small_model: Path) -> None:
    loaded, spec = load_model(small_model), SpecModel(small_model)
    for sequence in SEQUENCES:
        logits = loaded.logits(sequence)
        assert logits.dtype == np.int64
        assert np.array_equal(logits, spec.logits(sequence))
        assert np.array_equal(logits, loaded.logits(sequence, threads=1))
        answer = spec.generate(sequence, 9, loaded.eos)
        assert loaded.generate(sequence, 9) == answer
        assert loaded.generate(sequence, 9, threads=1) == answer


def test_an_answer_comes_token_by_token(small_model: Path) -> None:
    loaded = load_model(small_model)

    def told(sequence: list[int], most: int) -> list[int]:
        tokens: list[int] = []

        def take(token: int) -> bool:
            tokens.append(token)
            return len(tokens) < most

        loaded.answer(sequence, 9, take)
        return tokens

    for sequence in SEQUENCES:
        whole = loaded.generate(sequence, 9)
        assert told(sequence, 99) == whole
        assert told(sequence, 2) == whole[:2]


def test_what_takes_an_answer_may_fail(small_model: Path) -> None:
    def fail(token: int) -> bool:
        raise RuntimeError(f"no {token}")

    with pytest.raises(RuntimeError, match="no "):
        load_model(small_model).answer([1], 3, fail)


def test_an_answer_that_does_not_fit_is_refused(small_model: Path) -> None:
    loaded = load_model(small_model)
    for tokens, longest in (([1], 0), ([], 1), ([40], 1), ([1], 65)):
        with pytest.raises(InvalidFieldError):
            loaded.answer(tokens, longest, lambda token: True)


def test_native_hash_equals_the_plain_one(small_model: Path) -> None:
    assert load_model(small_model).integers_hash == integers_hash(read_integer_model(small_model))


def test_native_bounds_equal_the_plain_ones(small_model: Path) -> None:
    native: dict[str, list[int]] = {}
    for bound in load_model(small_model).native.bounds:
        site = "model" if bound["layer"] is None else f"layer {bound['layer']}"
        native.setdefault(site, []).append(cast(int, bound["value"]))
    plain: dict[str, list[int]] = {}
    for own in check_bounds(read_integer_model(small_model)):
        plain.setdefault(own.site, []).append(own.value)
    assert {s: sorted(v) for s, v in native.items()} == {s: sorted(v) for s, v in plain.items()}


def test_golden_model_natively(golden_model: Path) -> None:
    vectors = json.loads((golden_model / "g16_vectors.json").read_text())
    loaded = load_model(golden_model)
    content = b"".join(loaded.logits(row).astype("<i8").tobytes() for row in vectors["tokens"])
    assert hashlib.sha256(content).hexdigest() == vectors["logits_sha256"]
    assert loaded.integers_hash == integers_hash(read_integer_model(golden_model))
    assert (loaded.bos, loaded.eos) == (1, 2)
    prompt = loaded.encode("Once upon a time")
    assert prompt[0] == 1
    assert loaded.decode(prompt, loaded.generate(prompt, 8)).startswith(", there was")


def test_text_goes_there_and_back(small_model: Path) -> None:
    loaded = load_model(small_model)
    tokens = loaded.encode("abz")
    assert tokens == [1, 3, 4, 28]
    assert loaded.decode(tokens, [5, 6]) == "cd"


@pytest.mark.parametrize("tokens", [[], [40], [-1], [1] * 65])
def test_unfit_tokens_are_refused(small_model: Path, tokens: list[int]) -> None:
    loaded = load_model(small_model)
    with pytest.raises(InvalidFieldError, match="tokens"):
        loaded.logits(tokens)
    with pytest.raises(InvalidFieldError, match="tokens"):
        loaded.generate(tokens, 1)


def test_answers_must_fit(small_model: Path) -> None:
    loaded = load_model(small_model)
    for most, fits in ((4, True), (5, False), (0, False)):
        if fits:
            assert 1 <= len(loaded.generate([1] * 61, most)) <= most
        else:
            with pytest.raises(InvalidFieldError):
                loaded.generate([1] * 61, most)
    with pytest.raises(InvalidFieldError, match="threads"):
        loaded.generate([1], 1, threads=0)


def test_model_id_is_stable(small_model: Path) -> None:
    first: LoadedModel = load_model(small_model)
    assert len(first.model_id) == 64
    assert first.model_id == load_model(small_model).model_id


def test_missing_and_broken_files(small_model: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="export"):
        load_model(tmp_path)
    integers = (small_model / "g16.safetensors").read_bytes()
    (tmp_path / "g16.safetensors").write_bytes(integers)
    with pytest.raises(MissingFileError, match="tokenizer"):
        load_model(tmp_path)
    (tmp_path / "g16.safetensors").write_bytes(integers[:-1])
    with pytest.raises(ModelError):
        load_model(tmp_path)


def test_tokenizers_must_fit_the_model(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, 40)
    load_tokenizer(tmp_path, 29)
    with pytest.raises(TokenizerError, match="28"):
        load_tokenizer(tmp_path, 28)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(MalformedFileError):
        load_tokenizer(tmp_path, 40)


@pytest.mark.parametrize(("longest", "taken"), [(100, True), (1_000, True), (1_001, False)])
def test_words_are_not_cut_into_pieces_at_the_square_of_their_length(
    tmp_path: Path, longest: int, taken: bool
) -> None:
    # A thousand letters are a millisecond's work, a text of the greatest length a minute's.
    pieces = WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]", max_input_chars_per_word=longest)
    Tokenizer(pieces).save(str(tmp_path / "tokenizer.json"))
    if taken:
        load_tokenizer(tmp_path, 2)
    else:
        with pytest.raises(TokenizerError, match="max_input_chars_per_word to 1000"):
            load_tokenizer(tmp_path, 2)
