from __future__ import annotations

from pathlib import Path

import pytest

from esper.model.checkpoint import load_checkpoint
from esper.model.exporting.chat_sequences import chat_sequences
from esper.model.importing.folder import import_model
from esper.model.tokenizer import load_tokenizer
from tests.support.gguf_files import write_gguf
from tests.support.model_folders import change

TEXT = "the quick brown fox jumps over the lazy dog\n" * 40
BOS, EOS = 1, 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import_model(write_gguf(tmp_path / "a.gguf"), tmp_path / "hf")
    return tmp_path / "hf"


def _sequences(folder: Path, length: int) -> list[list[int]]:
    checkpoint = load_checkpoint(folder)
    return chat_sequences(folder, checkpoint, load_tokenizer(folder, 40), TEXT, length)


def test_chats_begin_with_markers_and_fit(folder: Path) -> None:
    sequences = _sequences(folder, 60)
    assert len(sequences) > 8
    for sequence in sequences:
        assert sequence[0] == BOS
        assert len(sequence) <= 60
        assert len(set(sequence)) > 8
    assert any(EOS in sequence for sequence in _sequences(folder, 400))


def test_a_refusing_template_is_calibrated_without_what_it_refuses(folder: Path) -> None:
    refusing = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "{{ '<|im_start|>' + messages[0]['content'] + '<|im_end|>' }}"
    )
    change(folder / "tokenizer_config.json", chat_template=refusing)
    assert 4 < len(_sequences(folder, 60)) < 9


@pytest.mark.parametrize("template", [None, "{{ messages[0]['content'] }}", "{% broken"])
def test_what_writes_no_marker_is_no_chat(folder: Path, template: str | None) -> None:
    change(folder / "tokenizer_config.json", chat_template=template)
    assert _sequences(folder, 60) == []
