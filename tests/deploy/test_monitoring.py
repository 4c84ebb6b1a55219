"""Alert rules and dashboard as files: each alert has a runbook that begins with it, and `promtool` takes the rules."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
RUNBOOKS = ROOT / "docs" / "runbooks"
PROMTOOL = shutil.which("promtool")


def rules() -> list[Mapping[str, Any]]:
    groups = yaml.safe_load((MONITORING / "gantry.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_a_runbook_that_names_it(rule: Mapping[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    runbook = ROOT / rule["annotations"]["runbook"]
    begin = runbook.read_text().partition("\n## ")[0]
    assert f"`{rule['alert']}`" in begin
    (row,) = [line for line in (RUNBOOKS / "README.md").read_text().splitlines() if f"`{rule['alert']}`" in line]
    assert f"({runbook.name})" in row


def test_every_runbook_is_in_the_index_and_says_when_it_is_over() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    for runbook in RUNBOOKS.glob("*.md"):
        if runbook.name != "README.md":
            text = runbook.read_text()
            assert f"({runbook.name})" in index
            assert "**Starts from:**" in text
            assert "## It is over when" in text


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool here (Debian has it in `prometheus`)")
@pytest.mark.parametrize(("what", "file"), [("check", "gantry.rules.yml"), ("test", "gantry.rules.test.yml")])
def test_promtool_takes_the_rules(what: str, file: str) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, what, "rules", MONITORING / file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_by_the_tests_of_the_rules() -> None:
    tests = (MONITORING / "gantry.rules.test.yml").read_text()
    assert [rule["alert"] for rule in rules() if rule["alert"] not in tests] == []


def test_panels_of_the_dashboard_have_a_place_and_a_name_of_their_own() -> None:
    panels = json.loads((MONITORING / "gantry.dashboard.json").read_text())["panels"]
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
        assert 0 <= place["x"] <= place["x"] + place["w"] <= 24
    for name in ("id", "title"):
        assert len({panel[name] for panel in panels}) == len(panels)
    assert [panel["title"] for panel in panels if panel["type"] != "row" and not panel["description"]] == []
