"""The time of day is read in one place; whatever counts time counts it evenly."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TIMES_OF_DAY = {
    "time": {"time", "time_ns", "clock_gettime", "clock_gettime_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
"""By module or class: what reads the clock that steps."""
OF_NOW_WITHOUT_ARGUMENT = {"localtime", "gmtime", "ctime"}
ALLOWED = {
    "esper/node/clock.py": "it is the clock",
}
"""Files that may read it, each with its reason."""


def readings(source: str) -> Iterator[str]:
    """Every place of a module that reads the time of day."""
    for found in ast.walk(ast.parse(source)):
        if isinstance(found, ast.ImportFrom) and found.module == "time":
            yield from (one.name for one in found.names if one.name in TIMES_OF_DAY["time"])
        if isinstance(found, ast.Attribute):
            owner = found.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if found.attr in TIMES_OF_DAY.get(name, ()):
                yield f"{name}.{found.attr}"
        if isinstance(found, ast.Call) and isinstance(found.func, ast.Attribute):
            bare = found.func.attr in OF_NOW_WITHOUT_ARGUMENT and not found.args
            if bare and isinstance(found.func.value, ast.Name) and found.func.value.id == "time":
                yield f"time.{found.func.attr}()"


def test_nobody_else_reads_the_time_of_day() -> None:
    reading = {
        str(path.relative_to(ROOT)): sorted(set(readings(path.read_text(encoding="utf-8"))))
        for folder in ("esper", "bench", "scripts")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }
    assert {path for path, found in reading.items() if found} == set(ALLOWED)


@pytest.mark.parametrize(
    "source",
    [
        "import time\nbegan = time.time()",
        "import time\nclock = time.time_ns",
        "from time import time",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\ndatetime.now(UTC)",
        "from datetime import date\ndate.today()",
        "import time\ntime.gmtime()",
    ],
)
def test_every_way_to_read_it_is_seen(source: str) -> None:
    assert list(readings(source))


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.monotonic()",
        "import time\ntime.perf_counter_ns()",
        "import time\ntime.gmtime(record.created)",
        "from datetime import datetime\ndatetime.fromtimestamp(1, UTC)",
    ],
)
def test_what_counts_evenly_or_is_given_a_time_may_stand(source: str) -> None:
    assert not list(readings(source))
