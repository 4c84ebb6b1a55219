"""`gantry import litellm` on the configurations that LiteLLM itself publishes, and on the members its schema has.

They are read where the pinned wheel is installed, `litellm/proxy/**/*.yaml`: nothing of them is kept here. What a newer
wheel brings that no table knows makes this fail, so that somebody gives it a word or writes it down as reviewed.
"""

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from gantry.cli.main import gantry
from gantry.imports.finding import Fate, pattern_of, survey
from gantry.imports.litellm_fields import CONFIG
from gantry.providers.spec import load_catalog
from tests.sdk.environments import Client, NoClient, interpreter
from tests.sdk.roads import GANTRY, run

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

# Members of configurations that are unknown, and were looked at: by pattern, with the reason they stay so.
REVIEWED: dict[str, str] = {}
# Names in the schema's classes that no configuration has.
CONSTANTS = {"MAX_COST_PER_PTU_PER_HOUR", "MAX_PTU_COUNT"}
SCHEMA = {
    ("proxy/_types.py", "ConfigGeneralSettings"): ("general_settings",),
    ("types/router.py", "GenericLiteLLMParams"): ("model_list", 0, "litellm_params"),
    ("types/router.py", "CredentialLiteLLMParams"): ("model_list", 0, "litellm_params"),
    ("types/router.py", "LiteLLM_Params"): ("model_list", 0, "litellm_params"),
    ("types/router.py", "ModelInfo"): ("model_list", 0, "model_info"),
    ("types/utils.py", "CustomPricingLiteLLMParams"): ("model_list", 0, "litellm_params"),
}
_IS_CONFIGURATION = re.compile(r"^(model_list|litellm_settings)\s*:", re.MULTILINE)


@pytest.fixture(scope="module")
def litellm() -> Path:
    """Where the pinned LiteLLM is installed."""
    try:
        program = interpreter(Client.LITELLM)
    except NoClient as error:
        pytest.skip(f"LiteLLM's wheel is not here: {error}")
    found = run((str(program), "-c", "import importlib.util as u; print(u.find_spec('litellm').origin)"))
    return Path(found.strip()).parent


@pytest.fixture(scope="module")
def configurations(litellm: Path) -> list[Path]:
    files = sorted((litellm / "proxy").rglob("*.yaml"))
    return [file for file in files if _IS_CONFIGURATION.search(file.read_text())]


def leaves(value: Any, place: str = "") -> Iterator[str]:
    """Yield the place of everything that says something and is neither a list nor an object."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from leaves(one, f"{place}[{index}]")
    elif value not in (None, ""):
        yield place


def is_within(place: str, outer: str) -> bool:
    return place == outer or place.startswith((f"{outer}.", f"{outer}["))


def environ() -> dict[str, str]:
    """Our environment, without what could stand for a variable of a configuration."""
    offered = {variable for spec in load_catalog().values() for variable in spec.environment}
    return {name: value for name, value in os.environ.items() if name not in offered and not name.startswith("GANTRY_")}


def faults_of(file: Path, report: Path) -> Iterator[str]:
    """Yield what is wrong with the import of a configuration, by the command itself."""
    arguments = ["import", "litellm", str(file), "--report", str(report), "--home", str(report.with_suffix(""))]
    shown = CliRunner().invoke(gantry, arguments)
    if shown.exit_code or "Traceback" in shown.output or shown.exception is not None:
        yield f"it ends with {shown.exit_code}, {shown.exception!r}: {shown.output[-500:]}"
        return
    findings = json.loads(report.read_text())["findings"]
    places = [finding["place"] for finding in findings]
    for leaf in leaves(yaml.safe_load(file.read_text())):
        if not any(is_within(leaf, place) for place in places):
            yield f"{leaf} is ignored in silence"
    unknown = {pattern_of(one["place"]) for one in findings if one["fate"] == "unknown"}
    yield from (f"{pattern} is unknown" for pattern in sorted(unknown - REVIEWED.keys()))


def test_every_published_configuration_is_read_and_every_member_told(
    configurations: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in os.environ.keys() - environ().keys():
        monkeypatch.delenv(variable)
    assert len(configurations) >= 20  # there are 29 in 1.110.2
    faults = {
        file.name: found
        for number, file in enumerate(configurations)
        if (found := list(faults_of(file, tmp_path / f"{number}.json")))
    }
    assert faults == {}


def test_a_published_configuration_is_applied(configurations: list[Path], tmp_path: Path) -> None:
    file = next(one for one in configurations if one.name == "proxy_config.yaml")
    home = ("--home", str(tmp_path / "home"))
    run((*GANTRY, "import", "litellm", str(file), "--apply", *home), environ())
    names = {entry["model_name"] for entry in yaml.safe_load(file.read_text())["model_list"]}
    listed = run((*GANTRY, "models", "list", *home))
    assert names <= {line.split()[0] for line in listed.splitlines()}


@pytest.mark.parametrize(("path", "name"), SCHEMA)
def test_every_member_of_the_schema_has_a_word(litellm: Path, path: str, name: str) -> None:
    tree = ast.parse((litellm / path).read_text())
    (found,) = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name)
    assigned = (node.target for node in found.body if isinstance(node, ast.AnnAssign))
    members = {target.id for target in assigned if isinstance(target, ast.Name)} - CONSTANTS - {"model_config"}
    assert members
    document: Any = dict.fromkeys(members, "x")
    for step in reversed(SCHEMA[path, name]):
        document = [document] if isinstance(step, int) else {step: document}
    unknown = {place for place, field in survey(document, CONFIG) if field.fate is Fate.UNKNOWN}
    assert unknown <= REVIEWED.keys()
