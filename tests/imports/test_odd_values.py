"""Whatever stands at a place that is read, a plan comes of the rest, or a refusal in words."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from gantry.imports import litellm_config, litellm_fields, litellm_keys, openrouter, portkey
from gantry.imports.amounts import LARGEST, amount_in, moment_in, number_in
from gantry.imports.finding import Fate, Table
from gantry.imports.plan import ImportRefused, Plan
from gantry.imports.toml_text import write_toml
from gantry.providers.spec import ProviderSpec

Catalog = Mapping[str, ProviderSpec]

ODD = (-1, 10**400, True, ["a"], {"a": 1}, "http://[::1")
SECRET = "a-secret-that-nobody-sees"
LITELLM: dict[str, Any] = {
    "credential_list": [{"credential_name": "c", "credential_values": {}}],
    "litellm_settings": {"cache": True, "max_budget": 4},
    "model_list": [
        {
            "model_name": "a",
            "litellm_params": {"model": "openai/m", "api_base": "http://h:1/v1", "litellm_credential_name": "c"},
            "model_info": {},
        },
        {"model_name": "b", "litellm_params": {"model": "mistral/m"}},
    ],
}
PORTKEY: dict[str, Any] = {
    "strategy": {"mode": "loadbalance"},
    "targets": [{"provider": "openai", "api_key": "k", "override_params": {"model": "m"}}, {"provider": "mistral-ai"}],
}
OPENROUTER: dict[str, Any] = {"model": "a/b", "models": ["a/b", "c/d"], "provider": {}}


def places_of(table: Table) -> list[str]:
    """Return the places of a table and those they lie in, without strategies within strategies."""
    ends = {name[:at] for name in table for at, character in enumerate(name) if character in ".[" and at}
    return sorted(place for place in ends | set(table) if place.count("targets[]") < 2)


def with_value(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Return a document that says something at a place, whatever was there and on the way to it."""
    holder: dict[str, Any] = {"": copy.deepcopy(document)}
    inner: Any = holder
    step: str | int = ""
    for name in re.findall(r"[^.\[\]]+|\[\]", place):
        wanted: str | int = 0 if name == "[]" else name
        if not isinstance(inner[step], list if wanted == 0 else dict):
            inner[step] = [None] if wanted == 0 else {}
        inner, step = inner[step], wanted
        if isinstance(inner, dict):
            inner.setdefault(step, None)
    inner[step] = value
    changed: dict[str, Any] = holder[""]
    return changed


def variants(document: dict[str, Any], table: Table) -> Iterator[dict[str, Any]]:
    for place in places_of(table):
        for value in ODD:
            yield with_value(document, place, value)


@pytest.mark.parametrize(
    ("document", "table", "read"),
    [
        (LITELLM, litellm_fields.CONFIG, litellm_config.read_litellm),
        (PORTKEY, portkey.CONFIG, portkey.read_portkey),
        (OPENROUTER, openrouter.CONFIG, openrouter.read_openrouter),
    ],
    ids=["litellm", "portkey", "openrouter"],
)
def test_no_value_of_a_configuration_breaks_its_reading(
    document: dict[str, Any], table: Table, read: Callable[[Any, Catalog], Plan], catalog: Catalog
) -> None:
    read_at_all = 0
    for variant in variants(document, table):
        try:
            plan = read(variant, catalog)
        except ImportRefused:
            continue
        read_at_all += 1
        write_toml(plan, reveal=False)
    assert read_at_all > len(places_of(table))


def test_no_value_of_a_key_breaks_the_reading_of_all() -> None:
    for place in litellm_keys.KEYS:
        for value in ODD:
            row = {"key_alias": "a", "key_name": "sk-...1", place.removeprefix("keys[]."): value}
            plan = litellm_keys.read_keys([row, {"key_alias": "b"}], 0)
            write_toml(plan, reveal=False)
            assert "b" in [key.name for key in plan.keys], (place, value)


@pytest.mark.parametrize("address", [f"https://user:{SECRET}@house.example/v1", "http://[::1", "ftp://house.example"])
def test_an_address_that_is_none_is_told_and_its_secret_is_not(address: str, catalog: Catalog) -> None:
    params = {"model": "openai/m", "api_base": address}
    deployed = litellm_config.read_litellm({"model_list": [{"model_name": "a", "litellm_params": params}]}, catalog)
    targeted = portkey.read_portkey({"provider": "openai", "custom_host": address, "api_key": "k"}, catalog)
    for plan in (deployed, targeted):
        assert plan.providers == ()
        assert {one.fate for one in plan.findings} == {Fate.LEFT}
        assert SECRET not in repr(plan)


def test_a_member_that_is_no_number_is_told_and_one_written_as_text_is_read(catalog: Catalog) -> None:
    def plan_of(weight: Any, retries: Any) -> Plan:
        params = {"model": "mistral/m", "weight": weight, "num_retries": retries}
        return litellm_config.read_litellm({"model_list": [{"model_name": "a", "litellm_params": params}]}, catalog)

    plan = plan_of("heavy", -3)
    assert [one.words for one in plan.findings if one.place.endswith("weight")] == ["it is no number"]
    assert plan.routing["models"][0]["retries"] == {"num_retries": 0}  # the others would not hold either
    assert plan_of("3", 1).providers[0].weight == 3


def test_a_key_is_never_made_with_more_than_it_had() -> None:
    rows = [
        {"key_alias": "soon", "expires": "soon"},
        {"key_alias": "odd", "models": "house-large"},
        {"key_alias": "dead", "blocked": "TRUE"},
        {"key_alias": "far", "expires": "9999-12-31"},
        {"key_alias": "ever", "expires": "infinity", "models": "{}"},
    ]
    plan = litellm_keys.read_keys(rows, 0)
    assert [(key.name, key.expires_at) for key in plan.keys] == [("far", LARGEST), ("ever", None)]
    words = {one.place: one.words for one in plan.findings if one.fate is Fate.LEFT}
    assert "a key without end is not made" in words["keys[0].expires"]
    assert "a key for all is not made" in words["keys[1].models"]


def test_as_many_keys_may_have_one_name_as_there_are() -> None:
    plan = litellm_keys.read_keys([{"key_alias": "a"}] * 1_200, 0)
    assert plan.keys[-1].name == "a (1200)"


def test_a_number_counts() -> None:
    assert [number_in(value) for value in ("1.5", 2, 2**62)] == [1.5, 2.0, float(2**62)]
    no_numbers: tuple[Any, ...] = ("", None, True, "x", "inf", float("nan"), 10**400, 1e30, [])
    assert [number_in(value) for value in no_numbers] == [None] * 9
    assert (amount_in("1"), amount_in(1)) == (None, 1.0)
    assert moment_in("2026-01-01T00:00:00Z") == moment_in("2026-01-01")
    assert [moment_in(value) for value in ("soon", 5, None)] == [None] * 3
