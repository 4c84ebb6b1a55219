"""docs/providers.md is true: its table is the catalogue, and its example of a new provider works as it stands."""

import json
import re
from pathlib import Path

from gantry.core.usage import Usage
from gantry.providers.spec import load_catalog, parse_spec
from tests.providers.test_catalog import read_fixture

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([^|]+) \| `(\w+)` \| ([^|]+) \| ([^|]+) \| (\S+) \|$", re.MULTILINE)


def block(info: str) -> str:
    found = re.search(rf"^```{re.escape(info)}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, info
    return found[1]


def test_the_table_is_the_catalogue() -> None:
    assert [
        (
            spec.name,
            spec.id,
            ", ".join(f"`{prefix}/`" for prefix in spec.prefixes),
            ", ".join(f"`{variable}`" for variable in spec.environment) or "none needed",
            spec.base_url or "yours",
        )
        for spec in load_catalog().values()
    ] == ROW.findall(PAGE)


def test_the_example_is_a_provider_whose_answers_are_read() -> None:
    spec = parse_spec(block("toml catalog/acme.toml"), "acme.toml")
    assert spec.id in spec.prefixes
    assert spec.rules_for("acme-think-1").drop == ("logit_bias", "temperature")
    fixture = json.loads(block("json fixtures/acme.json"))
    answer = read_fixture(spec, fixture)
    assert answer.usage == Usage(**fixture["says"].pop("usage"))
    assert {name: getattr(answer, name) for name in fixture["says"]} == fixture["says"]
    assert answer.warnings == ()
