"""Write packaging/esper.toml, a sample of every setting, from the fields of ``Settings``.

python scripts/write_sample_settings.py
"""

from __future__ import annotations

import json
from pathlib import Path

from esper.node.setting_fields import Setting, declared
from esper.node.settings import Settings

SAMPLE = Path(__file__).resolve().parents[1] / "packaging" / "esper.toml"
HEAD = """\
# Settings of esperd: a copy of this file goes into the data directory, under the same name. Each
# line shows the default; take its # away to change it. `esperd config` shows what is in effect.
# Made by scripts/write_sample_settings.py.
"""
NOT_IN_THE_FILE = ("datadir",)
"""It says where the file lies."""


def default(one: Setting) -> str:
    """What holds if nobody says anything, as the file has it."""
    words = one.traits.shown_default
    value = words if words and _is_said_in_words(one) else one.plain(one.default)
    return json.dumps(value)


def _is_said_in_words(one: Setting) -> bool:
    """Whether the words of the default stand for it in the file too, as `genesis` does."""
    return one.kind is Path and one.default != Path()


def entry(one: Setting) -> str:
    """Meaning, range and default of one setting."""
    words = one.traits.shown_default
    told = (
        f"{one.described}\n# default: {words}"
        if words and not _is_said_in_words(one)
        else one.described
    )
    return f"\n# {told}\n#{one.name} = {default(one)}\n"


def sample() -> str:
    """The whole file."""
    return HEAD + "".join(
        entry(one) for one in declared(Settings) if one.name not in NOT_IN_THE_FILE
    )


if __name__ == "__main__":
    SAMPLE.write_text(sample(), encoding="utf-8")
