"""Declared custom models: applied as one change, only where they differ, and gone when no longer declared."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from gantry.clerk.declared import apply_declared
from gantry.clerk.declared_models import apply_declared_models
from gantry.core.custom_model import CustomModel
from gantry.core.secret import Secret
from gantry.home import Keyring
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from gantry.providers.spec import load_catalog
from gantry.settings import DeclaredModel, DeclaredProvider
from gantry.store.control import ControlStore, default_organization
from gantry.store.custom_models import custom_models_of, put_custom_model
from gantry.store.vault import Vault
from tests.store.conftest import address, control, postgres_server

__all__ = ["address", "control", "postgres_server"]

CATALOG = load_catalog()
NOW = 1_780_000_000_000_000_000
FAST = DeclaredModel(name="team/fast", base="mistral/mistral-small-latest")
MINE = DeclaredModel(
    name="mine",
    provider="acme",
    display_name="Mine",
    input_cost=0.15,
    output_cost=2,
    cached_input_cost=0.01,
    cache_write_cost=0.3,
    context_window=1000,
    streaming=True,
    tools=False,
    vision=True,
    parameters={"since": {"max": 1.5}},
)
ACME = DeclaredProvider(provider="acme", api_key=Secret("x"), base_url="https://acme.test")


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


def apply(control: ControlStore, rates: Rates, *declared: DeclaredModel) -> tuple[list[CustomModel], list[str]]:
    problems = apply_declared_models(control, CATALOG, declared, lambda: rates, lambda: NOW)
    with control.reading() as connection:
        return custom_models_of(connection), problems


def declare_providers(control: ControlStore, declared: Sequence[DeclaredProvider]) -> None:
    assert apply_declared(control, Vault(Keyring(b"m" * 32).vault), CATALOG, declared, {}) == []


def add_by_hand(control: ControlStore, name: str, **fields: Any) -> CustomModel:
    with control.reading() as connection:
        organization = default_organization(connection)
    with control.changing() as change:
        return put_custom_model(change, CustomModel(organization_id=organization, name=name, **fields))


def test_what_is_declared_is_what_is_stored(control: ControlStore, rates: Rates) -> None:
    declare_providers(control, [ACME])
    (mine, fast), problems = apply(control, rates, FAST, MINE)
    assert problems == []
    assert (fast.name, fast.base, fast.provider_id, fast.called_by_name) == ("team/fast", FAST.base, None, False)
    assert (fast.has_prices, fast.display_name, fast.managed_by) == (False, "", "gantry.toml")
    assert replace(mine, created_at=0, updated_at=0) == CustomModel(
        organization_id=fast.organization_id,
        name="mine",
        provider_id="acme",
        called_by_name=True,
        display_name="Mine",
        input_price=150_000_000,
        output_price=2_000_000_000,
        cached_input_price=10_000_000,
        cache_write_price=300_000_000,
        context_window=1000,
        streaming=True,
        tools=False,
        vision=True,
        parameters={"since": {"max": 1.5}},
        managed_by="gantry.toml",
    )


def test_applying_again_changes_nothing(control: ControlStore, rates: Rates) -> None:
    declare_providers(control, [ACME])
    first = apply(control, rates, FAST, MINE)
    version = control.version()
    assert apply(control, rates, FAST, MINE) == first
    assert control.version() == version


def test_a_change_is_one_version_and_keeps_the_day_of_birth(control: ControlStore, rates: Rates) -> None:
    other = DeclaredModel(name="other", base="gpt-4o")
    (before, _), _ = apply(control, rates, other, FAST)
    version = control.version()
    (after, new), _ = apply(control, rates, replace(other, base="gpt-5.5"), DeclaredModel(name="z", base="gpt-4o"))
    assert (after.base, after.created_at, new.name) == ("gpt-5.5", before.created_at, "z")
    assert control.version() == version + 1


def test_what_is_no_longer_declared_goes_and_what_people_added_stays(control: ControlStore, rates: Rates) -> None:
    kept = add_by_hand(control, "by-hand", base="gpt-4o")
    apply(control, rates, FAST)
    assert apply(control, rates) == ([kept], [])


def test_without_any_declared_no_prices_are_read(control: ControlStore) -> None:
    version = control.version()
    assert apply_declared_models(control, CATALOG, [], lambda: pytest.fail("they were read")) == []
    assert control.version() == version


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (replace(FAST, name="fast", base="who-knows"), "models[1].base: Base model not found: who-knows."),
        (replace(FAST, name="fast", provider="nobody"), "models[1].provider: Provider not found: nobody."),
        (replace(FAST, name="mistral/fast"), "models[1].name: A model called mistral/fast is already one of"),
        (replace(FAST, name=" "), "models[1].name: model_name is missing."),
        (replace(FAST, name="public"), "models[1].name: public cannot be the name of a model"),
        (FAST, "models[1].name: team/fast is the name of models[0] already."),
        (replace(FAST, name="by-hand"), "models[1].name: by-hand was added by hand; remove that with `gantry models"),
        (replace(FAST, name="fast", input_cost=-1.0), "models[1].input_cost: input_cost must be USD"),
        (replace(FAST, name="fast", cached_input_cost=float("nan")), "models[1].cached_input_cost: cache_hit_input"),
        (replace(FAST, name="fast", context_window=0), "models[1].context_window: max_context_window must be"),
        (DeclaredModel(name="m", provider="openai", input_cost=1.0), "models[1].output_cost: output_cost is missing"),
    ],
)
def test_a_model_that_cannot_be_used_refuses_itself_alone(
    control: ControlStore, rates: Rates, entry: DeclaredModel, problem: str
) -> None:
    add_by_hand(control, "by-hand", base="gpt-4o")
    found, problems = apply(control, rates, FAST, entry)
    assert [model.name for model in found] == ["by-hand", "team/fast"]
    assert len(problems) == 1
    assert problems[0].startswith(f"gantry.toml: {problem}")


def test_a_model_leads_to_a_name_that_a_declared_credential_lists(control: ControlStore, rates: Rates) -> None:
    alias = DeclaredModel(name="alias", base="our-own-model")
    assert apply(control, rates, alias)[0] == []
    declare_providers(control, [replace(ACME, models=("our-own-model",))])
    assert [model.base for model in apply(control, rates, alias)[0]] == ["our-own-model"]
    declare_providers(control, [replace(ACME, models=("our-own-*",))])
    assert [model.base for model in apply(control, rates, alias)[0]] == ["our-own-model"]
