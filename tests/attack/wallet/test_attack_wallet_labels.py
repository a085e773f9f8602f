"""Labels that look like another's: a payment to what is read would go to what is not seen."""

import unicodedata

import pytest

from esper.wallet.errors import MisuseError
from esper.wallet.labels import checked_label

# Hangul fillers, a joiner without a form, an empty braille cell, selectors of variants.
UNSEEN = ["\u3164", "\uffa0", "\u115f", "\u1160", "\u034f", "\u2800", "\ufe0f", "\U000e0101"]


@pytest.mark.parametrize("character", UNSEEN, ids=[f"U+{ord(one):04X}" for one in UNSEEN])
def test_a_label_holds_no_character_that_cannot_be_seen(character: str) -> None:
    assert character.isprintable()
    for label in (f"bob{character}", f"{character}bob", f"b{character}ob", character):
        with pytest.raises(MisuseError, match="cannot be seen"):
            checked_label(label)


def test_names_in_any_script_are_labels() -> None:
    for label in ("Böb", "Бob", "ボブ", "밥", "बॉब", "👩‍🚀"[0], "bob 2"):
        assert checked_label(label) == unicodedata.normalize("NFC", label)
