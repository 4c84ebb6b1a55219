"""Our own table is read strictly."""

from datetime import date

import pytest

from gantry.prices.overrides import AliasLine, Factors, OverridesUnreadable, RateLine, load_overrides, parse_overrides
from gantry.prices.published import compile_published
from gantry.prices.rate import Prices

TODAY = 1_795_910_400_000_000_000
LINE = '[[rate]]\nprovider = "mistral"\nnames = ["a"]\nsince = 2026-01-02\n'


def test_the_table_that_ships_is_whole() -> None:
    overrides, published = load_overrides(), compile_published()
    assert date.fromisoformat(overrides.version).isoformat() == overrides.version
    for line in overrides.alias:
        assert published.find(line.provider, line.model) is not None, f"{line.model} is an alias of nothing"
    for target in overrides.providers.values():
        assert target in published.providers, target


def test_each_line_differs_from_the_published_data_and_says_why() -> None:
    """Otherwise it is of no use any more: take it out."""
    overrides, published = load_overrides(), compile_published()
    lines: tuple[RateLine | AliasLine | Factors, ...] = (*overrides.rate, *overrides.alias, *overrides.factors.values())
    for line in lines:
        assert line.why, line
    for rate in overrides.rate:
        for name in rate.names:
            record = published.find(rate.provider, name)
            theirs = None if record is None else record.at(TODAY, rate.service_tier)
            assert theirs != rate.prices(), f"{rate.provider}/{name}"
    for alias in overrides.alias:
        meant = published.find(alias.provider, alias.model)
        assert any(published.find(alias.provider, name) != meant for name in alias.names), alias


def test_lines_become_dated_prices() -> None:
    overrides = parse_overrides(f'version = "1"\n{LINE}input = "0.5"\noutput = 1.5\n{LINE}free = true\n')
    record = overrides.table().find("mistral", "a")
    assert record is not None
    assert [entry.prices for entry in record.entries] == [
        Prices(input=500_000_000, output=1_500_000_000),
        Prices(input=0, output=0, audio_hour=0, characters=0, pages=0),
    ]
    assert record.at(1, None) is None


def test_a_star_stands_for_any_end() -> None:
    table = parse_overrides('version = "1"\n' + LINE.replace('"a"', '"Some-*"') + "free = true\n").table()
    assert table.find("mistral", "some-model") is not None
    assert table.find("mistral", "a-some-model") is None


def test_a_line_may_be_of_a_service_tier() -> None:
    text = f'version = "1"\n{LINE}input = "1"\n{LINE}input = "2"\nservice_tier = "low"\n'
    record = parse_overrides(text).table().find("mistral", "a")
    assert record is not None
    found = [record.at(TODAY, tier) for tier in (None, "low", "high")]
    assert [prices.input for prices in found if prices is not None] == [10**9, 2 * 10**9, 10**9]


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
