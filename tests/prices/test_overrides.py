"""Our own table is read strictly."""

from datetime import date

import pytest

from gantry.prices.overrides import OverridesUnreadable, load_overrides, parse_overrides
from gantry.prices.published import compile_published
from gantry.prices.rate import Prices

LINE = '[[rate]]\nprovider = "mistral"\nnames = ["a"]\nsince = 2026-01-02\n'


def test_the_table_that_ships_is_whole() -> None:
    overrides, published = load_overrides(), compile_published()
    assert date.fromisoformat(overrides.version).isoformat() == overrides.version
    for line in overrides.alias:
        assert published.find(line.provider, line.model) is not None, f"{line.model} is an alias of nothing"
    for target in overrides.providers.values():
        assert target in published.providers, target


def test_lines_become_dated_prices() -> None:
    overrides = parse_overrides(f'version = "1"\n{LINE}input = "0.5"\noutput = 1.5\n{LINE}free = true\n')
    record = overrides.table().find("mistral", "a")
    assert record is not None
    assert [entry.prices for entry in record.entries] == [
        Prices(input=500_000_000, output=1_500_000_000),
        Prices(input=0, output=0, audio_hour=0, characters=0, pages=0),
    ]
    assert record.at(1, None) is None


def test_a_star_stands_for_any_beginning() -> None:
    table = parse_overrides('version = "1"\n' + LINE.replace('"a"', '"*:free"') + "free = true\n").table()
    assert table.find("mistral", "some-model:free") is not None
    assert table.find("mistral", "some-model") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        'version = "1"\nunknown = 1',
        f'version = "1"\n{LINE}inputs = "0.5"',
        'version = "1"\n[[rate]]\nprovider = "mistral"\nnames = ["a"]',
        'version = "1"\n[[alias]]\nprovider = "mistral"\nnames = ["a"]\nsince = "someday"\nmodel = "b"',
        "version = ",
        'version = "1"\n[factors.mistral]\nbacth = "0.5"',
    ],
)
def test_a_line_that_is_wrong_is_named(text: str) -> None:
    with pytest.raises(OverridesUnreadable, match=r"overrides\.toml"):
        parse_overrides(text)
