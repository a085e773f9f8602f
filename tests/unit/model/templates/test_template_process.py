"""Chat templates in a process of their own: no template and no process takes the caller along."""

from __future__ import annotations

import json
import os
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from esper.model.errors import MachineError, TemplateKilledError, TemplateRefusedError
from esper.model.templates.apart.apart_template import ApartTemplate
from esper.model.templates.apart.frames import HEAD, LONGEST_OUTPUT, head_of, text_of
from esper.model.templates.apart.template_child import MEMORY
from esper.model.templates.apart.template_process import LONGEST_TEMPLATE, TemplateProcess
from esper.model.templates.chat_template import ChatTemplate, TemplateSource
from esper.model.templates.own_text import mask_of
from tests.unit.model.test_chat_template import HI, TOKENS, VECTORS
from tests.unit.model.test_template_limits import HOSTILE

PLENTY_S = 60.0
"""A limit that no honest template reaches, however busy the machine is."""
GOOD = TemplateSource("{{ messages[0].content }}!")
BEGIN = "import os, time, resource\nos.write(0, b'\\1')\n"


@pytest.fixture(scope="module")
def process() -> Iterator[TemplateProcess]:
    with TemplateProcess(limit_s=PLENTY_S) as made:
        yield made


def running(code: str, limit_s: float = PLENTY_S) -> TemplateProcess:
    """A process that does something else than it should."""
    return TemplateProcess(("-c", BEGIN + textwrap.dedent(code)), limit_s)


def told(render: Callable[[], str]) -> tuple[str, bytes | None]:
    """A text and what of it is the template's own, or the reason."""
    try:
        text = render()
    except TemplateRefusedError as error:
        return str(error), None
    return text, mask_of(text)


@pytest.mark.parametrize("name", VECTORS["templates"])
def test_texts_and_what_is_the_template_s_are_the_same(process: TemplateProcess, name: str) -> None:
    source = TemplateSource(VECTORS["templates"][name], TOKENS)
    here = ChatTemplate(source.source, source.tokens)
    for chat in VECTORS["chats"]:
        apart = told(partial(process.render, source, chat))
        assert apart == told(partial(here.render, chat))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_refused(process: TemplateProcess, name: str) -> None:
    with pytest.raises(TemplateRefusedError):
        process.render(TemplateSource(HOSTILE[name], TOKENS), HI)
    assert process.render(GOOD, HI) == "hi!"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x" * (LONGEST_TEMPLATE + 1), "65,537 bytes, at most 65,536"),
        ("é" * (LONGEST_TEMPLATE // 2 + 1), "65,538 bytes"),
        ("{{ 'a' * 1048577 }}", "writes 1,048,577 bytes, at most 1,048,576"),
        ("{{ 'é' * 600000 }}", "writes 1,200,000 bytes"),
        ("{{ '\\ud800' }}", "half a surrogate pair"),
        ("{% for %}", "cannot be used"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "cannot be used"),
    ],
)
def test_what_is_too_long_or_no_text(process: TemplateProcess, source: str, reason: str) -> None:
    with pytest.raises(TemplateRefusedError, match=reason) as refused:
        process.render(TemplateSource(source), HI)
    assert not isinstance(refused.value, TemplateKilledError)


def test_the_longest_template_and_text(process: TemplateProcess) -> None:
    source = TemplateSource("{{ 'a' * 1048576 }}".ljust(LONGEST_TEMPLATE).rstrip() + "{# #}")
    assert process.render(source, HI) == "a" * LONGEST_OUTPUT
    padded = GOOD.source + "{#" + "x" * (LONGEST_TEMPLATE - len(GOOD.source) - 4) + "#}"
    assert process.render(TemplateSource(padded), HI) == "hi!"


def test_a_process_serves_many_and_keeps_few(process: TemplateProcess) -> None:
    for number in (*range(9), 0):
        assert process.render(TemplateSource(f"{number}"), HI) == str(number)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.read(0, 9); os._exit(3)", "ended without an answer"),
        ("os.abort()", "ended without an answer"),
        ("os.write(0, b'T' + b'\\xff' * 8); time.sleep(99)", "announces 4,294,967,295 bytes"),
        ("os.write(0, b'R' + b'\\0\\1\\0\\0' + b'\\0' * 4); time.sleep(99)", "at most 8,192"),
        ("os.write(0, b'X' + b'\\0' * 8); time.sleep(99)", "something else than a text"),
        ("os.write(0, b'T\\0\\0\\0\\1\\0\\0\\0\\1\\xff\\1')", "no UTF-8"),
        ("os.write(0, b'T\\0\\0\\0\\1\\0\\0\\0\\1a\\2')", "which characters"),
        ("os.write(0, b'T\\0\\0\\0\\2\\0\\0\\0\\1ab\\1')", "which characters"),
        ("os.write(0, b'T\\0\\0\\0\\1\\0\\0\\0\\2')", "announces"),
    ],
)
def test_a_process_that_fails_is_a_sentence(code: str, reason: str) -> None:
    with running(code) as process:
        with pytest.raises(TemplateKilledError, match=f"was ended: .*{reason}"):
            process.render(GOOD, HI)
        assert process._process is None


@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(99)",
        "while True: pass",
        "os.write(0, b'T\\0\\0\\0\\5\\0\\0\\0\\5')\nwhile True: time.sleep(.05); os.write(0, b'')",
        "os.write(0, b'T\\0\\1\\0\\0\\0\\1\\0\\0')\nwhile True: os.write(0, b'a'); time.sleep(.05)",
    ],
)
def test_a_process_that_does_not_end_is_ended(code: str) -> None:
    with running(code, limit_s=0.3) as process:
        began = time.monotonic()
        with pytest.raises(TemplateKilledError, match=r"did not end within 0\.3 s"):
            process.render(GOOD, HI)
        assert process._process is None
    assert time.monotonic() - began < 30


def test_one_that_reads_nothing_is_ended() -> None:
    with (
        running("time.sleep(99)", limit_s=0.3) as process,
        pytest.raises(TemplateKilledError, match="did not end"),
    ):
        process.render(GOOD, [{"role": "user", "content": "x" * (4 << 20)}])


def test_memory_is_limited() -> None:
    code = """
        from esper.model.templates.apart import template_child
        template_child.limit_process()
        try:
            kept = bytearray(template_child.MEMORY + (64 << 20))
        except MemoryError:
            os.write(0, b'R' + bytes((0, 0, 0, 2)) + bytes(4) + b'ok')
        os.read(0, 9)
        time.sleep(99)
    """
    assert MEMORY == 256 << 20
    with running(code) as process, pytest.raises(TemplateRefusedError, match=r"^ok$"):
        process.render(GOOD, HI)


def test_the_next_chat_gets_a_new_process(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    fails_once = f"""
        if not os.path.exists({mark!r}):
            open({mark!r}, "w").close()
            os._exit(1)
        os.read(0, 99999)
        os.write(0, b'T' + bytes((0, 0, 0, 2)) * 2 + b'ok' + bytes(2))
    """
    with running(fails_once) as process:
        with pytest.raises(TemplateKilledError):
            process.render(GOOD, HI)
        assert process.render(GOOD, HI) == "ok"


def test_one_killed_between_two_chats_is_replaced() -> None:
    with TemplateProcess(limit_s=PLENTY_S) as process:
        assert process.render(GOOD, HI) == "hi!"
        assert process._process is not None
        process._process.kill()
        process._process.wait()
        assert process.render(GOOD, HI) == "hi!"
        process.close()
        process.close()
        assert process.render(GOOD, HI) == "hi!"


def test_many_threads_share_one(process: TemplateProcess) -> None:
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        found[number] = process.render(GOOD, [{"role": "user", "content": f"{number}" * 9999}])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"{number}" * 9999 + "!" for number in range(8)}


def test_a_process_that_does_not_begin_is_the_machine_s_fault() -> None:
    for code in ("pass", "import os; os.write(0, b'x')"):
        with (
            TemplateProcess(("-c", code)) as process,
            pytest.raises(MachineError, match="cannot be started"),
        ):
            process.render(GOOD, HI)


def test_it_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "x")
    code = "names = ' '.join(sorted(os.environ)).encode()\n"
    code += "os.write(0, b'R' + len(names).to_bytes(4, 'big') + bytes(4) + names); os.read(0, 9)"
    with running(code) as process, pytest.raises(TemplateRefusedError) as said:
        process.render(GOOD, HI)
    assert "SECRET" not in str(said.value)
    assert "PATH" in str(said.value) or "PATH" not in os.environ


def test_a_template_apart_says_what_is_known_of_it(process: TemplateProcess) -> None:
    assert ApartTemplate(GOOD, process).reason == ""
    assert ApartTemplate(GOOD, process).render(HI) == "hi!"
    assert "at most" in ApartTemplate(TemplateSource("x" * 70_000), process).reason


def test_a_reply_s_head_is_judged_before_its_text() -> None:
    assert head_of(HEAD.pack(b"T", LONGEST_OUTPUT, 0)).text == LONGEST_OUTPUT
    with pytest.raises(TemplateKilledError):
        head_of(HEAD.pack(b"T", LONGEST_OUTPUT + 1, 0))
    assert text_of(head_of(HEAD.pack(b"R", 2, 0)), b"\xff!", b"") == "\ufffd!"
    assert json.dumps(text_of(head_of(HEAD.pack(b"T", 1, 1)), b"a", b"\0")) == '"a"'
