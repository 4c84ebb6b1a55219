"""`gantry prices set`, and `[[prices]]` of gantry.toml: an operator's own rates."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gantry.clerk.declared_prices import apply_declared_prices
from gantry.core.usage import Usage
from gantry.home import Home
from gantry.prices.cost import cost
from gantry.prices.folder import PriceFolder, PricesDamaged
from gantry.prices.overrides import RateLine, load_overrides
from gantry.prices.published import compile_published
from gantry.prices.rate import Rate
from gantry.prices.rates import Rates
from gantry.settings import load_settings
from tests.clerk.test_meter import START as AT
from tests.cli.conftest import Run

pytestmark = pytest.mark.slow
EARLIER = AT - 400 * 86_400 * 10**9
DAY = "2026-01-01"


def rates_of(home_path: Path) -> Rates:
    return Rates(load_overrides(), compile_published(), PriceFolder(Home(home_path).prices).operator_table())


def found(home_path: Path, model: str = "mistral-large-latest", at: int = AT, **terms: Any) -> Rate:
    rate = rates_of(home_path).find("mistral", model, at, **terms)
    assert rate is not None
    return rate


def test_own_prices_hold_above_all_others_from_their_day_on(run: Run, home_path: Path) -> None:
    run("prices", "set", "mistral", "mistral-large-latest", "--since", DAY, "--input", "0.4", "--output", "$1.2")
    rate = found(home_path)
    assert (rate.prices.input, rate.prices.output, rate.source) == (400_000_000, 1_200_000_000, "operator")
    assert rate.version.startswith("operator ")
    assert found(home_path, at=EARLIER).source == "genai-prices"
    # what a provider charges relative to its list prices applies to them
    assert found(home_path).prices.cached_input == 40_000_000
    assert found(home_path, batch=True).prices.output == 600_000_000
    shown = json.loads(run("prices", "show", "mistral-large-latest", "--json").stdout)
    assert (shown["price_source"], shown["price_since"]) == ("operator", "2026-01-01T00:00:00Z")


def test_own_prices_stand_above_gantrys_own_table(run: Run, home_path: Path) -> None:
    assert found(home_path, "mistral-embed").source == "override"
    run("prices", "set", "mistral", "mistral-embed", "--since", DAY, "--input", "0.05")
    assert found(home_path, "mistral-embed").prices.input == 50_000_000


def test_each_unit_is_told_as_show_tells_it(run: Run, home_path: Path) -> None:
    run(
        "prices", "set", "mistral", "house*", "--since", DAY, "--pages", "3", "--audio-hour", "0.3", "--characters", "9"
    )
    run("prices", "set", "mistral", "looker", "--since", DAY, "--input", "1", "--output", "2", "--web-searches", "7")
    house, looker = found(home_path, "house-ocr-1"), found(home_path, "looker")
    assert cost(house, Usage(pages=1)) == 3_000_000
    assert cost(house, Usage(input_audio_seconds=Decimal(3600))) == 300_000_000
    assert cost(house, Usage(characters=1_000_000)) == 9_000_000_000
    assert cost(looker, Usage(input_tokens=0, output_tokens=0, web_searches=2)) == 14_000_000
    assert cost(looker, Usage(input_tokens=0, output_tokens=0, billed_tool_calls=1)) is None


def test_setting_again_takes_the_place_and_unset_takes_back(run: Run, home_path: Path) -> None:
    for price in ("1", "2"):
        run("prices", "set", "mistral", "m", "--since", DAY, "--input", price)
    run("prices", "set", "mistral", "m", "--since", DAY, "--service-tier", "priority", "--input", "5")
    run("prices", "set", "mistral", "m", "--since", "2026-11-01", "--input", "3")
    own = json.loads(run("prices", "own", "--json").stdout)
    assert [(line["since"], line["service_tier"], line["prices"][0]["usd"]) for line in own] == [
        (DAY, None, 2.0),
        (DAY, "priority", 5.0),
        ("2026-11-01", None, 3.0),
    ]
    assert "2 prices of mistral/m are taken back" in run("prices", "unset", "mistral", "m", "--since", DAY).stdout
    assert found(home_path, "m").prices.input == 3_000_000_000
    run("prices", "unset", "mistral", "m")
    assert rates_of(home_path).find("mistral", "m", AT) is None
    assert "No prices of mistral/m were set here" in run("prices", "unset", "mistral", "m", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name none of input"),
        (("--input", "-1"), "no amount of dollars"),
        (("--input", "nan"), "no amount of dollars"),
        (("--input", "1", "--since", "soon"), "looks like 2026-12-01"),
    ],
)
def test_what_is_no_price_is_refused(run: Run, arguments: tuple[str, ...], said: str) -> None:
    assert said in run("prices", "set", "mistral", "m", *arguments, code=2).stderr


def test_declared_prices_are_managed_there(run: Run, home_path: Path) -> None:
    home = Home(home_path)
    home.prepare()
    table = '[[prices]]\nprovider = "mistral"\nmodels = ["a", "b-*"]\nsince = 2026-01-01\ninput = 0.3\npages = "2"\n'
    home.config.write_text(table)
    _, declared = load_settings(home, {}, {})
    folder = PriceFolder(home.prices)
    assert apply_declared_prices(folder, declared.prices) == []
    stamp = folder.stamp()
    assert apply_declared_prices(folder, declared.prices) == []
    assert folder.stamp() == stamp  # nothing is read anew where nothing changed
    assert found(home_path, "b-2").prices.input == 300_000_000
    assert cost(found(home_path, "a"), Usage(pages=500)) == 1_000_000_000
    said = run("prices", "set", "mistral", "a", "--since", DAY, "--input", "9", code=1).stderr
    assert "gantry.toml declares prices of mistral/a since 2026-01-01" in said
    assert "gantry.toml" in run("prices", "own").stdout
    home.config.write_text(table.replace("0.3", "-0.3"))
    said_of = apply_declared_prices(folder, load_settings(home, {}, {})[1].prices)
    assert said_of == ["gantry.toml: the price of mistral a, b-* for input is no amount of dollars"]
    assert rates_of(home_path).find("mistral", "a", AT) is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = PriceFolder(tmp_path)
    folder.put_own([RateLine("mistral", ("m",), date(2026, 1, 1), input=Decimal(1))])
    (tmp_path / "own.json").write_text("[{")
    with pytest.raises(PricesDamaged, match=r"own\.json cannot be used"):
        folder.operator_table()
