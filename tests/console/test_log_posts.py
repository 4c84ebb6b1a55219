"""console/log_posts: large posted logs end in the console's journal, whole, stripped, or not at all."""

from pathlib import Path

import msgspec
import pytest
from fastapi.testclient import TestClient

from gantry.console.log_posts import MAX_BYTES
from gantry.console.state import ConsoleState
from gantry.core.vocabulary import Environment, Scope
from gantry.home import Home
from gantry.journal.frames import FrameKind, LogPosted, decode_payload
from gantry.journal.segments import mark_of, scan_frames, segment_name
from gantry.journal.writer import JournalLevel
from tests.console.conftest import NOW, Keys, bearer
from tests.journal.levels import hold_at

SNIPPET = {
    "model": "mistral/mistral-large-latest",
    "prompt_messages": [{"role": "user", "content": "Hello, how are you?"}],
    "completion_message": {"role": "assistant", "content": "Hello from Mistral."},
    "cost": 0.001,
    "generation_time": 1.2,
    "customer_params": {"customer_identifier": "user_123"},
}


def posted_frames(journal: Path) -> list[LogPosted]:
    """Return the posted logs in all journals under a folder."""
    found: list[LogPosted] = []
    for segment in sorted(journal.glob("*/*.seg")):
        number = int(segment.stem)
        assert segment.name == segment_name(number)
        frames, _ = scan_frames(segment.read_bytes(), mark_of(segment.parent.name, number), 0, 1000)
        for frame in frames:
            assert frame.kind == FrameKind.LOG_POSTED
            log = decode_payload(FrameKind.LOG_POSTED, frame.payload)
            assert isinstance(log, LogPosted)
            found.append(log)
    return found


@pytest.mark.parametrize(
    "path", ["/api/request-logs/create/", "/api/request-logs/create", "/api/request-logs/", "/request-logs"]
)
def test_a_post_is_in_the_journal_when_it_is_answered(client: TestClient, keys: Keys, home: Home, path: str) -> None:
    key, secret = keys.add(environment=Environment.TEST)
    answer = client.post(path, json=SNIPPET, headers={**bearer(secret), "user-agent": "me"})
    assert answer.status_code == 200
    said = answer.json()
    assert (said["cost"], said["latency"], said["customer_identifier"]) == (0.001, 1.2, "user_123")
    assert (said["environment"], said["status"], said["id"]) == ("test", "success", said["unique_id"])
    (frame,) = posted_frames(home.journal)
    assert frame == LogPosted(said["id"], key.organization_id, key.id, "test", NOW, "full", frame.body, "me")
    assert msgspec.json.decode(frame.body) == SNIPPET


def test_a_log_of_20_mb_is_taken_and_a_larger_one_is_not(client: TestClient, keys: Keys, home: Home) -> None:
    _, secret = keys.add(Scope.INGEST)
    body = b'{"input":"' + b"x" * (MAX_BYTES - 12) + b'"}'
    assert len(body) == MAX_BYTES
    assert client.post("/api/request-logs/", content=body, headers=bearer(secret)).status_code == 200
    assert [len(frame.body) for frame in posted_frames(home.journal)] == [MAX_BYTES]
    declared = client.post("/api/request-logs/", content=body + b" ", headers=bearer(secret))
    chunked = client.post("/api/request-logs/", content=iter([body, b" "]), headers=bearer(secret))
    assert (declared.status_code, chunked.status_code) == (413, 413)
    assert "20 MB" in declared.json()["detail"]
    assert len(posted_frames(home.journal)) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"cost":"much"}'])
def test_what_is_no_log_is_refused(client: TestClient, keys: Keys, home: Home, body: bytes) -> None:
    _, secret = keys.add()
    answer = client.post("/api/request-logs/", content=body, headers=bearer(secret))
    assert answer.status_code == 400
    assert "detail" in answer.json()
    assert posted_frames(home.journal) == []


def test_credentials_do_not_reach_the_journal(client: TestClient, keys: Keys, home: Home) -> None:
    _, secret = keys.add()
    body = {**SNIPPET, "customer_credentials": {"mistral": {"api_key": "canary-1"}}}
    assert client.post("/api/request-logs/", json=body, headers=bearer(secret)).status_code == 200
    written = b"".join(segment.read_bytes() for segment in home.journal.glob("*/*.seg"))
    assert b"Hello from Mistral." in written
    assert b"canary-1" not in written
    assert secret.reveal().encode() not in written


def test_a_nearly_full_journal_takes_measures_without_content(
    client: TestClient, keys: Keys, home: Home, state: ConsoleState
) -> None:
    _, secret = keys.add()
    hold_at(state.journal, JournalLevel.NO_BODIES)
    assert client.post("/api/request-logs/", json=SNIPPET, headers=bearer(secret)).status_code == 200
    (frame,) = posted_frames(home.journal)
    assert b"Hello" not in frame.body
    assert msgspec.json.decode(frame.body)["cost"] == 0.001


def test_a_full_journal_is_a_503(client: TestClient, keys: Keys, home: Home, state: ConsoleState) -> None:
    _, secret = keys.add()
    hold_at(state.journal, JournalLevel.FULL)
    answer = client.post("/api/request-logs/", json=SNIPPET, headers=bearer(secret))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert posted_frames(home.journal) == []
