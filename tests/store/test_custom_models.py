"""Custom models in the store: what was put comes back, on every engine, and each change makes a version."""

import pytest
from msgspec.structs import replace

from gantry.core.custom_model import CustomModel
from gantry.store.control import ControlStore, default_organization
from gantry.store.custom_models import custom_models_of, find_custom_model, put_custom_model, remove_custom_model


@pytest.fixture
def organization(control: ControlStore) -> str:
    with control.reading() as connection:
        return default_organization(connection)


def full(organization: str) -> CustomModel:
    return CustomModel(
        organization_id=organization,
        name="team/fast",
        base="mistral/mistral-small-latest",
        provider_id="acme",
        called_by_name=True,
        display_name="Fast",
        input_price=123_456_789_012,
        output_price=0,
        cached_input_price=1,
        cache_write_price=2**53 + 1,
        context_window=128_000,
        streaming=True,
        tools=False,
        parameters={"temperature": {"max": 1.5}},
        managed_by="gantry.toml",
    )


def test_a_custom_model_comes_back_and_keeps_its_day_of_birth(control: ControlStore, organization: str) -> None:
    with control.changing() as change:
        first = put_custom_model(change, full(organization))
        assert (first.created_at, first.updated_at) == (change.now, change.now)
    with control.changing() as change:
        second = put_custom_model(change, replace(first, display_name="", base=None, vision=True))
    assert (second.created_at, second.vision, second.base) == (first.created_at, True, None)
    assert second.updated_at >= first.updated_at
    with control.reading() as connection:
        assert find_custom_model(connection, organization, "team/fast") == second
        assert custom_models_of(connection) == custom_models_of(connection, organization) == [second]
        assert custom_models_of(connection, "another") == []
        assert find_custom_model(connection, organization, "fast") is None


def test_each_change_makes_a_version(control: ControlStore, organization: str) -> None:
    versions = [control.version()]
    for name in ("b", "a"):
        with control.changing() as change:
            put_custom_model(change, CustomModel(organization_id=organization, name=name, base="gpt-4o"))
        versions.append(control.version())
    with control.changing() as change:
        assert remove_custom_model(change, organization, "b")
        assert not remove_custom_model(change, organization, "b")
        assert not remove_custom_model(change, "another", "a")
    versions.append(control.version())
    assert versions == sorted(set(versions))
    with control.reading() as connection:
        assert [model.name for model in custom_models_of(connection)] == ["a"]
