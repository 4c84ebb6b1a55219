"""console/log_export: every log once, in slices, and nothing that a spreadsheet would run."""

import csv
import io
import json

import pytest
from fastapi.testclient import TestClient

from gantry.console import log_export
from gantry.console.log_export import cell_of
from gantry.core.vocabulary import Scope
from gantry.store.logs import LogStore
from tests.console.conftest import Keys, bearer, log_id_at, make_log, store_logs

EXPORT = "/api/request-logs/export/"


def test_json_lines_are_the_items_of_the_list(
    client: TestClient, keys: Keys, logs: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_export, "_SLICE", 3)
    key, secret = keys.add()
    other, _ = keys.add()
    store_logs(logs, *(make_log(key, number, metadata='{"a":1.00}') for number in range(1, 11)), make_log(other, 20))
    listed = client.get("/api/request-logs/list/", headers=bearer(secret)).json()["results"]
    answer = client.get(EXPORT, headers=bearer(secret))
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert 'filename="request-logs.jsonl"' in answer.headers["content-disposition"]
    assert [json.loads(line) for line in answer.content.splitlines()] == listed
    assert b'"metadata":{"a":1.00}' in answer.content
    turned = client.get(EXPORT + "?sort_by=id&exclude=input", headers=bearer(secret)).content.splitlines()
    assert [json.loads(line)["id"] for line in turned] == [item["id"] for item in reversed(listed)]


def test_csv_has_one_line_of_names_and_no_formulas(
    client: TestClient, keys: Keys, logs: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_export, "_SLICE", 2)
    key, _ = keys.add()
    _, secret = keys.add(Scope.READ)
    hostile = make_log(key, 1, customer_identifier="=1+1", input='line\nbreak, "quoted"', metadata='{"a":1}', cost=-5)
    store_logs(logs, hostile, *(make_log(key, number) for number in range(2, 6)))
    answer = client.post(EXPORT + "?format=csv", headers=bearer(secret), json={})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == [log_id_at(number) for number in range(1, 6)]
    assert (rows[0]["customer_identifier"], rows[0]["input"]) == ("'=1+1", 'line\nbreak, "quoted"')
    assert (rows[0]["metadata"], rows[0]["cost"], rows[1]["cost"]) == ('{"a":1}', "-5e-09", "")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx"])
def test_formulas_are_defused(text: str) -> None:
    assert cell_of(text) == f"'{text}"


def test_what_an_export_cannot_do_is_refused(client: TestClient, keys: Keys) -> None:
    _, secret = keys.add()
    for query in ("?sort_by=-cost", "?format=xlsx", "?cost[operator]=gte&cost[value]=x"):
        assert client.get(EXPORT + query, headers=bearer(secret)).status_code == 400, query
