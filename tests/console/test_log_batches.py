"""console/log_batches: each log of a batch by itself, in the journal when it is called taken."""

import msgspec
import pytest
from fastapi.testclient import TestClient

from gantry.console.log_batches import MOST_LOGS
from gantry.console.state import ConsoleState
from gantry.core.vocabulary import Scope
from gantry.dialects.posted import log_id_of
from gantry.home import Home
from gantry.journal.writer import JournalLevel
from tests.console.conftest import Keys, bearer
from tests.console.test_log_posts import posted_frames
from tests.journal.levels import hold_at

BATCH = "/api/request-logs/batch/create/"


def test_each_log_is_taken_or_refused_by_itself(client: TestClient, keys: Keys, home: Home) -> None:
    key, secret = keys.add(Scope.INGEST)
    batch = {
        "logs": [
            {"unique_id": "a", "model": "m"},
            {"cost": "much"},
            7,
            {"status_code": 500},
            {"unique_id": "a", "model": "m"},
        ]
    }
    answer = client.post(BATCH, json=batch, headers=bearer(secret))
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["success", "refused", "refused", "error", "success"]
    assert results[0]["id"] == results[4]["id"] == log_id_of(key.organization_id, "a")
    assert "cost" in results[1]["detail"]
    frames = posted_frames(home.journal)
    assert [frame.log_id for frame in frames] == [results[index]["id"] for index in (0, 3, 4)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"logs":{}}', 400),
        (b"\xff", 400),
        (msgspec.json.encode({"logs": [{}] * (MOST_LOGS + 1)}), 413),
    ],
)
def test_what_is_no_batch_is_refused_whole(
    client: TestClient, keys: Keys, home: Home, body: bytes, status: int
) -> None:
    _, secret = keys.add()
    assert client.post(BATCH, content=body, headers=bearer(secret)).status_code == status
    assert posted_frames(home.journal) == []


def test_a_full_journal_refuses_the_logs(client: TestClient, keys: Keys, state: ConsoleState) -> None:
    _, secret = keys.add()
    hold_at(state.journal, JournalLevel.FULL)
    (result,) = client.post(BATCH, json={"logs": [{}]}, headers=bearer(secret)).json()["results"]
    assert (result["id"], result["status"]) == (None, "refused")
    assert "journal is full" in result["detail"]


def test_spans_are_logs(client: TestClient, keys: Keys, home: Home) -> None:
    _, secret = keys.add()
    spans = [{"trace_unique_id": "t", "span_unique_id": "s", "log_type": "task"}, {"cost": "much"}]
    answer = client.post("/api/traces/ingest/", json=spans, headers=bearer(secret)).json()
    assert (answer["success"], answer["ingested_count"]) == (False, 1)
    for body in (spans[:1], {"data": spans[:1]}):
        answer = client.post("/api/v1/traces/ingest", json=body, headers=bearer(secret)).json()
        assert answer == {"message": "1 of 1 spans are stored."}
    assert len(posted_frames(home.journal)) == 3
    assert client.post("/api/v1/traces/ingest", json=[7], headers=bearer(secret)).status_code == 400
