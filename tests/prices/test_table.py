"""Price tables as data."""

import pytest

from gantry.prices.published import compile_published
from gantry.prices.rate import Prices
from gantry.prices.table import (
    DatedPrices,
    Match,
    ModelPrices,
    Pattern,
    PriceTable,
    ProviderPrices,
    decode_table,
    encode_table,
)

HOUR = 3600
PATTERNS = [
    (Pattern(Match.EQUALS, "ab"), {"ab": True, "abc": False}),
    (Pattern(Match.STARTS, "ab"), {"abc": True, "xab": False}),
    (Pattern(Match.ENDS, "ab"), {"xab": True, "abc": False}),
    (Pattern(Match.CONTAINS, "ab"), {"xabx": True, "ba": False}),
    (Pattern(Match.REGEX, "^a.c$"), {"abc": True, "abcd": False}),
    (
        Pattern(Match.ANY, "", (Pattern(Match.EQUALS, "a"), Pattern(Match.EQUALS, "b"))),
        {"a": True, "b": True, "c": False},
    ),
    (Pattern(Match.ALL, "", (Pattern(Match.STARTS, "a"), Pattern(Match.ENDS, "b"))), {"axb": True, "ax": False}),
]


@pytest.mark.parametrize(("pattern", "names"), PATTERNS)
def test_patterns(pattern: Pattern, names: dict[str, bool]) -> None:
    assert {name: pattern.matches(name) for name in names} == names


@pytest.mark.parametrize(
    ("hours", "second", "expected"),
    [
        ((16 * HOUR, 18 * HOUR), 17 * HOUR, True),
        ((16 * HOUR, 18 * HOUR), 18 * HOUR, False),
        ((23 * HOUR, 1 * HOUR), 0, True),
        ((23 * HOUR, 1 * HOUR), 12 * HOUR, False),
    ],
)
def test_hours_of_the_day(hours: tuple[int, int], second: int, expected: bool) -> None:
    day = 86_400 * 20_000
    assert DatedPrices(Prices(), hours=hours).in_force((day + second) * 1_000_000_000) is expected


def test_the_last_entry_in_force_wins() -> None:
    entries = (
        DatedPrices(Prices(input=1)),
        DatedPrices(Prices(input=2), since=100),
        DatedPrices(Prices(input=3), since=200),
    )
    record = ModelPrices("m", Pattern(Match.EQUALS, "m"), entries)
    assert [record.at(moment, None) for moment in (0, 100, 250)] == [Prices(input=n) for n in (1, 2, 3)]


def test_a_batch_costs_its_own_prices_or_unknown_ones() -> None:
    ordinary = ModelPrices("m", Pattern(Match.EQUALS, "m"), (DatedPrices(Prices(input=2)),))
    assert ordinary.at_batch(0) is None
    record = ModelPrices("m", ordinary.pattern, (*ordinary.entries, DatedPrices(Prices(input=1), 100, batch=True)))
    assert [record.at_batch(moment) for moment in (99, 100)] == [None, Prices(input=1)]
    assert [record.at(100, tier) for tier in (None, "priority")] == [Prices(input=2)] * 2


def test_a_service_tier_without_its_own_price_costs_the_ordinary_one() -> None:
    record = ModelPrices("m", Pattern(Match.EQUALS, "m"), (DatedPrices(Prices(input=1)),))
    assert record.at(0, "priority") == Prices(input=1)


def test_a_provider_falls_back_to_others() -> None:
    record = ModelPrices("m", Pattern(Match.EQUALS, "m"), (DatedPrices(Prices(input=1)),))
    table = PriceTable("s", "v", {"a": ProviderPrices((), ("gone", "b")), "b": ProviderPrices((record,))})
    assert table.find("a", "m") is record
    assert table.find("a", "n") is None
    assert table.find("c", "m") is None


def test_the_published_table_survives_being_bytes() -> None:
    table = compile_published()
    assert decode_table(encode_table(table)) == table
    assert table.version.startswith("genai-prices ")
    assert len(table.providers) > 40
