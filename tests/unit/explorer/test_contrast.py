"""Text of every colour can be read on every ground, in both schemes."""

import re
from itertools import product

import pytest

from esper.explorer.static_files import static_files

CSS = static_files()["app.css"].data.decode()
LEAST = 4.5
TEXTS = ("text", "muted", "link", "ok", "warn", "bad")
GROUNDS = ("page", "panel", "hover")


def schemes() -> list[dict[str, str]]:
    """The colours of each rule of the root: light, dark by the machine, dark by the switch."""
    rules = re.findall(r":root[^{]*\{([^}]*--page[^}]*)\}", CSS)
    return [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", rule)) for rule in rules]


def luminance(colour: str) -> float:
    """Relative, as WCAG 2.2 has it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_the_standard_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(("text", "ground"), list(product(TEXTS, GROUNDS)))
def test_text_can_be_read(number: int, text: str, ground: str) -> None:
    colours = schemes()[number]
    assert contrast(colours[text], colours[ground]) >= LEAST


def test_both_ways_to_the_dark_scheme_are_one() -> None:
    light, machine, switch = schemes()
    assert machine == switch != light
    assert set(light) == set(switch)


def test_no_colour_stands_outside_the_schemes() -> None:
    rest = re.sub(r":root[^{]*\{[^}]*\}", "", CSS)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", rest)
