"""What the meter knows of custom models: never older than the configuration that routed the call."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.clerk.custom_prices import LOOK_EVERY, CustomPrices
from gantry.core.custom_model import CustomModel
from gantry.core.custom_provider import CustomProvider
from gantry.store.control import ControlStore, default_organization
from gantry.store.custom_models import put_custom_model, remove_custom_model
from gantry.store.database import StoreUnavailable
from gantry.store.providers import put_provider
from tests.postgresql import IS_CHOSEN, NOWHERE


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Home:
    def __init__(self, control: ControlStore, path: Path) -> None:
        self.control = control
        self.clock = Clock()
        self.prices = CustomPrices(path, clock=self.clock)
        with control.reading() as connection:
            self.organization = default_organization(connection)

    def put(self, name: str, price: int | None = 1) -> int:
        model = CustomModel(organization_id=self.organization, name=name, base="gpt-4o", input_price=price)
        with self.control.changing() as change:
            put_custom_model(change, model)
        return change.version

    def price_of(self, name: str | None, version: int = 0) -> int | None:
        found = self.prices.find(self.organization, name, version)
        return None if found is None else found.input_price


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with ControlStore(tmp_path / "control.db") as control:
        yield Home(control, tmp_path / "control.db")


def test_a_call_routed_by_a_newer_configuration_reads_it(home: Home) -> None:
    home.prices.refresh()
    first = home.put("fast", 1)
    assert (home.price_of("fast"), home.price_of("fast", first)) == (None, 1)
    second = home.put("fast", 2)
    assert (home.price_of("fast", first), home.price_of("fast", second), home.price_of("fast", first)) == (1, 2, 2)
    assert (home.price_of("slow"), home.price_of(None)) == (None, None)
    assert home.prices.find("another", "fast") is None


def test_what_names_no_configuration_is_priced_by_one_a_second_old_at_most(home: Home) -> None:
    home.prices.refresh()
    home.put("fast")
    home.prices.refresh()
    assert home.price_of("fast") is None
    home.clock.now += LOOK_EVERY
    home.prices.refresh()
    assert home.price_of("fast") == 1
    with home.control.changing() as change:
        remove_custom_model(change, home.organization, "fast")
    home.clock.now += LOOK_EVERY
    home.prices.refresh()
    assert home.price_of("fast") is None


def test_a_name_that_has_become_a_providers_is_priced_as_it_is_routed(home: Home) -> None:
    home.put("acme/fast", 1)
    home.put("acme", 2)
    provider = CustomProvider(
        organization_id=home.organization, id="acme", name="Acme", base_url="https://acme.example"
    )
    with home.control.changing() as change:
        put_provider(change, provider)
    home.prices.refresh()
    assert (home.price_of("acme/fast"), home.price_of("acme")) == (None, 2)


def test_nothing_is_metered_before_the_first_reading_and_a_database_that_went_away_changes_nothing(
    home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = CustomPrices(NOWHERE if IS_CHOSEN else tmp_path / "missing" / "control.db")
    with pytest.raises(StoreUnavailable):
        nowhere.refresh()
    version = home.put("fast")
    assert home.price_of("fast", version) == 1
    home.prices._store = Broken()  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING):
        for later in range(1, 4):
            assert home.price_of("fast", version + later) == 1
    assert caplog.text.count("priced as they were before") == 1


class Broken:
    def version(self) -> int:
        raise StoreUnavailable("gone")
