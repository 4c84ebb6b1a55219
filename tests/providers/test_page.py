"""docs/providers.md is true: its examples of a new provider work as they stand."""

import json
import re
from pathlib import Path

from gantry.core.usage import Usage
from gantry.providers.spec import parse_spec
from tests.providers.test_catalog import read_fixture

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")


def block(info: str) -> str:
    found = re.search(rf"^```{re.escape(info)}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, info
    return found[1]


def test_the_example_is_a_provider_whose_answers_are_read() -> None:
    spec = parse_spec(block("toml catalog/acme.toml"), "acme.toml")
    assert spec.id in spec.prefixes
    assert spec.rules_for("acme-think-1").drop == ("logit_bias", "temperature")
    fixture = json.loads(block("json fixtures/acme.json"))
    answer = read_fixture(spec, fixture)
    assert answer.usage == Usage(**fixture["says"].pop("usage"))
    assert {name: getattr(answer, name) for name in fixture["says"]} == fixture["says"]
    assert answer.warnings == ()


def test_the_example_of_fields_is_a_providers() -> None:
    row = block("toml catalog/acme.toml")
    fields, rest = block("toml fields.toml"), row.partition("[auth]")[0]
    either, tables = fields.partition("\n\n")[::2]
    paths = row[row.index("[paths.openai_chat]") : row.index("[request]")]
    text = f"{rest.replace('api.acme', '{region}.acme')}\n{either}\n\n{tables}\n{paths}"
    spec = parse_spec(text, "acme.toml")
    assert [item.name for item in spec.fields] == ["api_key", "key_id", "key_secret", "region", "account_key"]
    assert spec.fill_base_url(spec.base_url, {"region": "eu-1"}) == "https://eu-1.acme.example"
    assert spec.fill_base_url(spec.base_url, {"region": "global"}) == "https://api.acme.example"
