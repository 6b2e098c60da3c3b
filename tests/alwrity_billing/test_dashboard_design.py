"""The design tokens hold WCAG AA in both themes, and every sheet uses them and nothing else."""

import re
from pathlib import Path

import pytest
from django.conf import settings

SHEETS = Path(settings.BASE_DIR, "static", "css")
TOKENS = (SHEETS / "tokens.css").read_text()
THEMES = ("light", "dark")

TEXT = 4.5
GRAPHIC = 3.0


def colours() -> dict[str, dict[str, str]]:
    """The two hex values of each token, by theme."""
    found = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", TOKENS)
    return {name: dict(zip(THEMES, pair, strict=True)) for name, *pair in found}


COLOURS = colours()


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


GROUNDS = ("ground", "surface", "surface-sunken", "surface-hover")
PAIRS = [
    *[(ink, ground, TEXT) for ink in ("ink", "ink-muted", "ink-faint", "accent") for ground in GROUNDS],
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    ("accent-strong", "accent-soft", TEXT),
    ("ink", "accent-soft", TEXT),
    *[(state, f"{state}-soft", TEXT) for state in ("good", "warn", "bad")],
    *[(state, "surface", TEXT) for state in ("good", "warn", "bad")],
    ("line-control", "surface", GRAPHIC),
    ("accent", "ground", GRAPHIC),
    *[(f"series-{tone}", "surface", GRAPHIC) for tone in ("1", "2", "3", "4", "5", "6", "rest")],
]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_colours_contrast_as_wcag_aa_asks(front: str, back: str, least: float, theme: str) -> None:
    assert contrast(COLOURS[front][theme], COLOURS[back][theme]) >= least


USERS_OF_TOKENS = [
    "base.css",
    "components.css",
    "forms.css",
    "figures.css",
    "billing.css",
    "alerts.css",
    "calls.css",
    "recommendations.css",
]


@pytest.mark.parametrize("sheet", USERS_OF_TOKENS)
def test_sheets_take_every_colour_from_the_tokens(sheet: str) -> None:
    assert re.findall(r"#[0-9a-f]{3,8}\b|rgb\(|hsl\(|oklch\(", (SHEETS / sheet).read_text()) == []


@pytest.mark.parametrize("sheet", USERS_OF_TOKENS)
def test_sheets_use_only_tokens_that_exist(sheet: str) -> None:
    text = (SHEETS / sheet).read_text()
    known = set(re.findall(r"(--[a-z0-9-]+):", TOKENS + text))
    assert set(re.findall(r"var\((--[a-z0-9-]+)", text)) - known == set()


def test_no_sheet_or_script_asks_another_host() -> None:
    files = [*SHEETS.glob("*.css"), *Path(settings.BASE_DIR, "static", "js").glob("*.js")]
    assert [path.name for path in files if re.search(r"https?://|url\(", path.read_text())] == []
