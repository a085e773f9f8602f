from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType

from esper.model.checkpoint import load_checkpoint
from esper.model.errors import FolderTakenError, MalformedFileError, MissingPackageError, ModelError
from esper.model.importing import bounded_gguf
from esper.model.importing.folder import import_model
from esper.model.importing.gguf_file import is_gguf, open_gguf
from esper.model.importing.gguf_tokenizer import tokenizer_of_gguf
from esper.model.templates.chat_template import read_chat_template
from esper.model.tokenizer import encode_text, load_tokenizer, tokenizer_of
from tests.spec.random_checkpoint import random_checkpoint, write_checkpoint, write_tokenizer
from tests.support.gguf_files import TOKENS, write_gguf

CHECKPOINT = random_checkpoint(31)
WORDS = "the quick brown fox"


@pytest.mark.parametrize("tied", [True, False])
def test_a_gguf_file_is_the_checkpoint_it_was_made_of(tmp_path: Path, tied: bool) -> None:
    checkpoint = random_checkpoint(31, tied=tied)
    imported = import_model(write_gguf(tmp_path / "a.gguf", checkpoint), tmp_path / "out")
    assert load_checkpoint(tmp_path / "out").config == checkpoint.config
    assert imported.fingerprint == checkpoint.fingerprint()
    assert imported.has_template
    tokenizer = load_tokenizer(tmp_path / "out", 40)
    ids = encode_text(tokenizer, WORDS)
    assert ids[:2] == [TOKENS.index("the"), TOKENS.index("Ġ")]
    assert tokenizer.decode(ids) == WORDS
    template = read_chat_template(tmp_path / "out")
    assert template is not None
    assert "<|im_end|>" in template.render([{"role": "user", "content": "hi"}])


@pytest.mark.parametrize("element", [GGMLQuantizationType.F16, GGMLQuantizationType.BF16])
def test_halves_are_widened(tmp_path: Path, element: GGMLQuantizationType) -> None:
    import_model(write_gguf(tmp_path / "a.gguf", element=element), tmp_path / "out")
    got = load_checkpoint(tmp_path / "out")
    assert np.abs(got.embed - CHECKPOINT.embed).max() < 0.02
    assert not np.array_equal(got.embed, CHECKPOINT.embed)


def test_a_folder_in_parts_becomes_one_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_checkpoint(tmp_path / "in", CHECKPOINT)
    write_tokenizer(tmp_path / "in", 40)
    whole = (tmp_path / "in" / "model.safetensors").rename(tmp_path / "in" / "a.safetensors")
    names = json.loads(whole.read_bytes()[8:].split(b"}}")[0] + b"}}").keys() - {"__metadata__"}
    index = {"weight_map": dict.fromkeys(sorted(names), whole.name)}
    (tmp_path / "in" / "model.safetensors.index.json").write_text(json.dumps(index))
    imported = import_model(tmp_path / "in", tmp_path / "out")
    assert imported.fingerprint == CHECKPOINT.fingerprint()
    assert not imported.has_template
    assert (tmp_path / "out" / "model.safetensors").exists()
    with pytest.raises(FolderTakenError, match="--overwrite"):
        import_model(tmp_path / "in", tmp_path / "out")
    import_model(tmp_path / "in", tmp_path / "out", overwrite=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    with pytest.raises(FolderTakenError, match=r"config\.json"):
        import_model(tmp_path / "in", tmp_path / "other")
    assert [file.name for file in (tmp_path / "other").iterdir()] == ["config.json"]


def _refusal(tmp_path: Path, source: Path) -> str:
    with pytest.raises(ModelError) as refusal:
        import_model(source, tmp_path / "out")
    words = str(refusal.value)
    assert source.name in words
    assert "\n" not in words
    assert not (tmp_path / "out").exists()
    return words


FIELDS: list[tuple[Mapping[str, Any], str]] = [
    ({"llama.expert_count": 8}, "llama.expert_count"),
    ({"llama.rope.scaling.type": "linear"}, "llama.rope.scaling.type"),
    ({"llama.rope.scaling.factor": 4.0}, "llama.rope.scaling.factor"),
    ({"llama.attention.sliding_window": 64}, "llama.attention.sliding_window"),
    ({"llama.rope.dimension_count": 2}, "llama.rope.dimension_count"),
    ({"llama.attention.value_length": 8}, "llama.attention.value_length"),
    ({"llama.block_count": None}, "llama.block_count"),
    ({"llama.block_count": "2"}, "llama.block_count"),
    ({"llama.vocab_size": 41}, "llama.vocab_size"),
    ({"llama.attention.head_count": 0}, "llama.attention.head_count"),
    ({"llama.attention.head_count_kv": 0}, "attn_k.weight"),
    ({"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": [0.0]}, "tokenizer.ggml.scores"),
    ({"split.count": 2}, "split.count"),
    ({"tokenizer.ggml.model": "bert"}, "tokenizer.ggml.model"),
    ({"tokenizer.ggml.pre": "qwen2"}, "tokenizer.ggml.pre"),
    ({"tokenizer.ggml.pre": None}, "tokenizer.ggml.pre"),
    ({"tokenizer.ggml.merges": ["t x"]}, "tokenizer.ggml.merges"),
    ({"tokenizer.ggml.merges": None}, "tokenizer.ggml.merges"),
    ({"tokenizer.ggml.bos_token_id": None}, "tokenizer.ggml.bos_token_id"),
    ({"tokenizer.ggml.unknown_token_id": 99}, "tokenizer.ggml.unknown_token_id"),
    ({"tokenizer.ggml.token_type": [1, 1]}, "tokenizer.ggml.token_type"),
    ({"tokenizer.ggml.tokens": ["a"] * 40}, "'a' twice"),
    ({"tokenizer.chat_template": 7}, "tokenizer.chat_template"),
]


@pytest.mark.parametrize(("fields", "words"), FIELDS)
def test_fields_that_do_not_fit_are_named(
    tmp_path: Path, fields: Mapping[str, Any], words: str
) -> None:
    assert words in _refusal(tmp_path, write_gguf(tmp_path / "a.gguf", fields=fields))


def test_another_architecture_is_named(tmp_path: Path) -> None:
    words = _refusal(tmp_path, write_gguf(tmp_path / "a.gguf", architecture="qwen2"))
    assert "'general.architecture' is 'qwen2'" in words
    assert "choose another checkpoint" in words


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    ones = np.ones(16, dtype=np.float32)
    nan = np.full((40, 16), np.nan, dtype=np.float32)
    for number, (name, array) in enumerate(
        [
            ("rope_freqs.weight", ones),
            ("blk.0.attn_q.bias", ones),
            ("blk.00.attn_norm.weight", ones),
            ("blk.0.attn_k.weight", np.ones((7, 16), dtype=np.float32)),
            ("token_embd.weight", nan),
        ]
    ):
        path = write_gguf(tmp_path / f"{number}.gguf", tensors={name: array})
        assert f"'{name}'" in _refusal(tmp_path, path)


def test_an_element_type_of_no_weights_is_named(tmp_path: Path) -> None:
    whole = np.ones(16, dtype=np.int8)
    path = write_gguf(tmp_path / "a.gguf", tensors={"output_norm.weight": whole})
    words = _refusal(tmp_path, path)
    assert "element type of tensor 'output_norm.weight' is 'I8'" in words
    assert "F16 or Q8_0" in words


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "a.gguf", tensors={"blk.1.ffn_up.weight": None})
    with pytest.raises(ModelError, match=r"model\.layers\.1\.mlp\.up_proj\.weight.* is missing"):
        import_model(path, tmp_path / "out")
    with pytest.raises(ModelError, match=r"a\.gguf: .*fetch the checkpoint again"):
        import_model(path, tmp_path / "out")


def test_a_file_cut_anywhere_is_refused_in_a_sentence(tmp_path: Path) -> None:
    content = write_gguf(tmp_path / "a.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in [0, 3, 4, 7, 8, 20, 24, 100, 999, len(content) // 2, len(content) - 40]:
        cut.write_bytes(content[:length])
        words = _refusal(tmp_path, cut)
        assert "fetch it again" in words or "begins with" in words
    cut.write_bytes(b"PK\3\4" + content[4:])
    assert "begins with b'PK" in _refusal(tmp_path, cut)


def test_what_is_not_there_and_what_is_no_gguf(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.gguf cannot be read .*give a GGUF file"):
        import_model(tmp_path / "none.gguf", tmp_path / "out")
    assert not is_gguf(tmp_path)
    (tmp_path / "x.bin").write_bytes(b"GGUF")
    assert is_gguf(tmp_path / "x.bin")


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_gguf(tmp_path / "a.gguf")
    monkeypatch.delitem(sys.modules, bounded_gguf.__name__, raising=False)
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingPackageError, match="pip install gguf"):
        open_gguf(path)


def test_sentence_pieces_merge_as_they_were_taught(tmp_path: Path, golden_model: Path) -> None:
    """The tokenizer of stories260K, as scores instead of merges, cuts its stories the same way."""
    content = json.loads((golden_model / "tokenizer.json").read_bytes())
    vocab: dict[str, int] = content["model"]["vocab"]
    made = {"".join(pair): -float(at) for at, pair in enumerate(content["model"]["merges"], 1)}
    tokens = sorted(vocab, key=vocab.__getitem__)
    kinds = [2, 3, 3, *(6 if t.startswith("<0x") else 1 for t in tokens[3:])]
    fields = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.scores": [made.get(token, -1e6) for token in tokens],
        "tokenizer.ggml.unknown_token_id": 0,
    }
    file = open_gguf(write_gguf(tmp_path / "a.gguf", fields=fields))
    ours = tokenizer_of(file.path, json.dumps(tokenizer_of_gguf(file)).encode(), 512)
    theirs = load_tokenizer(golden_model, 512)
    stories = Path(__file__).parents[3] / "vectors" / "stories_260k.txt"
    for story in [*stories.read_text(encoding="utf-8").splitlines()[:40], "héé\n日本", ""]:
        assert encode_text(ours, story) == encode_text(theirs, story)
        assert ours.decode(encode_text(ours, story)) == theirs.decode(encode_text(theirs, story))


def gguf_bytes(kind: int, value: bytes) -> bytes:
    """A file of one field and no tensor."""
    head = b"GGUF" + (3).to_bytes(4, "little") + bytes(8) + (1).to_bytes(8, "little")
    return head + (1).to_bytes(8, "little") + b"a" + kind.to_bytes(4, "little") + value


@pytest.mark.parametrize(
    "data",
    [
        gguf_bytes(9, (4).to_bytes(4, "little") + (1 << 60).to_bytes(8, "little")),
        gguf_bytes(9, (0).to_bytes(4, "little") + (9).to_bytes(8, "little") + bytes(8)),
        gguf_bytes(8, (1 << 60).to_bytes(8, "little") + b"text"),
        gguf_bytes(4, b"\0\0"),
        gguf_bytes(4, bytes(4)).replace(bytes(8), (1 << 60).to_bytes(8, "little"), 1),
    ],
    ids=["array", "array by one", "text", "number", "tensors"],
)
def test_lengths_that_the_file_does_not_hold_are_refused_at_once(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "a.gguf").write_bytes(data)
    with pytest.raises(MalformedFileError, match="cut short or damaged"):
        open_gguf(tmp_path / "a.gguf")


def test_a_list_that_the_file_holds_is_read_and_its_values_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 50
    (tmp_path / "a.gguf").write_bytes(
        gguf_bytes(9, (0).to_bytes(4, "little") + count.to_bytes(8, "little") + bytes(range(count)))
    )
    assert open_gguf(tmp_path / "a.gguf").wholes("a") == list(range(count))
    monkeypatch.setattr(bounded_gguf, "MOST_VALUES", count)
    with pytest.raises(MalformedFileError, match="more than 50 values"):
        open_gguf(tmp_path / "a.gguf")
