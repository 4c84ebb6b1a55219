"""console/otlp: spans end in the console's journal as logs, in both encodings, each by itself."""

import gzip
from collections.abc import Sequence

import pytest
from fastapi.testclient import TestClient

from gantry.console import otlp
from gantry.console.otlp import JSON, MOST_BYTES, PROTOBUF
from gantry.console.state import ConsoleState
from gantry.core.vocabulary import Scope
from gantry.dialects.otlp.message import Attributes, Batch, Span
from gantry.dialects.posted import log_id_of
from gantry.dialects.posted_log import read_posted
from gantry.home import Home
from gantry.journal.writer import JournalLevel
from gantry.wire.protobuf import LENGTH, VARINT, read_fields, tag
from tests.console.conftest import Keys, bearer
from tests.console.test_log_posts import posted_frames
from tests.dialects.otlp.spans import SPAN, TRACE, make_span, to_json, to_protobuf
from tests.journal.levels import hold_at

TRACES = "/api/v2/traces"
GOOD = make_span({"gen_ai.request.model": "m"})
BAD = make_span({}, span_id="")


def batches(*spans: Span) -> list[Batch]:
    return [Batch({"service.name": "app"}, "lib", spans)]


def encoded(media: str, spans: Sequence[Span]) -> bytes:
    return to_json(batches(*spans)) if media == JSON else to_protobuf(batches(*spans))


def message_of(body: bytes, number: int = 2) -> str:
    return next(
        value.decode() for key, value in read_fields(body) if key == tag(number, LENGTH) and isinstance(value, bytes)
    )


@pytest.mark.parametrize("path", [TRACES, TRACES + "/", "/v2/traces"])
@pytest.mark.parametrize(("media", "empty"), [(JSON, b"{}"), (PROTOBUF, b"")])
def test_a_span_is_in_the_journal_when_it_is_answered(
    client: TestClient, keys: Keys, home: Home, path: str, media: str, empty: bytes
) -> None:
    key, secret = keys.add(Scope.INGEST)
    headers = {**bearer(secret), "content-type": media, "content-encoding": "gzip", "user-agent": "an exporter"}
    for _ in range(2):  # the second is what an exporter sends when it saw no answer
        answer = client.post(path, content=gzip.compress(encoded(media, [GOOD])), headers=headers)
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, empty, media)
    first, second = posted_frames(home.journal)
    assert first.log_id == second.log_id == log_id_of(key.organization_id, f"{TRACE}-{SPAN}")
    assert (first.key_id, first.user_agent) == (key.id, "an exporter")
    assert read_posted(first.body).model == "m"


def test_each_span_is_taken_or_refused_by_itself(client: TestClient, keys: Keys, home: Home) -> None:
    _, secret = keys.add()
    for media in (JSON, PROTOBUF):
        answer = client.post(
            TRACES, content=encoded(media, [BAD, GOOD]), headers={**bearer(secret), "content-type": media}
        )
        assert answer.status_code == 200
        if media == JSON:
            said = answer.json()["partialSuccess"]
            assert (said["rejectedSpans"], "span id" in said["errorMessage"]) == ("1", True)
        else:
            ((key, partial),) = read_fields(answer.content)
            assert (key, next(read_fields(bytes(partial)))) == (tag(1, LENGTH), (tag(1, VARINT), 1))
            assert "span id" in message_of(bytes(partial))
    assert len(posted_frames(home.journal)) == 2


@pytest.mark.parametrize(
    ("media", "body", "headers", "status"),
    [
        (JSON, b"", {}, 400),
        (JSON, b'{"resourceSpans":7}', {}, 400),
        (PROTOBUF, b"\x0a\x05", {}, 400),
        (PROTOBUF, b"not gzip", {"content-encoding": "gzip"}, 400),
        (PROTOBUF, b"x", {"content-encoding": "zstd"}, 400),
        ("text/plain", b"{}", {}, 415),
        (PROTOBUF, b"x" * (MOST_BYTES + 1), {}, 413),
        (PROTOBUF, gzip.compress(bytes(MOST_BYTES + 1), mtime=0), {"content-encoding": "gzip"}, 413),
    ],
)
def test_what_cannot_be_read_is_refused_whole_in_its_encoding(
    client: TestClient, keys: Keys, home: Home, media: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    _, secret = keys.add()
    answer = client.post(TRACES, content=body, headers={**bearer(secret), "content-type": media, **headers})
    assert answer.status_code == status
    assert message_of(answer.content) if media == PROTOBUF else answer.json()["detail"]
    assert posted_frames(home.journal) == []


def test_too_many_spans_are_refused(client: TestClient, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    _, secret = keys.add()
    monkeypatch.setattr(otlp, "MOST_SPANS", 1)
    answer = client.post(TRACES, content=encoded(JSON, [GOOD, GOOD]), headers={**bearer(secret), "content-type": JSON})
    assert (answer.status_code, "at most 1 spans" in answer.json()["detail"]) == (413, True)


@pytest.mark.parametrize(("resource", "scope"), [({"service.name": "x" * 1000}, ""), ({}, "é" * 501)])
def test_a_resource_may_not_fill_the_journal(
    client: TestClient, keys: Keys, monkeypatch: pytest.MonkeyPatch, resource: Attributes, scope: str
) -> None:
    _, secret = keys.add()
    monkeypatch.setattr(otlp, "MOST_TOLD", 5000)
    for spans, status in (([GOOD], 200), ([GOOD] * 5, 413)):
        content = to_json([Batch(resource, scope, tuple(spans))])
        answer = client.post(TRACES, content=content, headers={**bearer(secret), "content-type": JSON})
        assert answer.status_code == status, answer.text


def test_a_full_journal_and_a_full_door_ask_for_the_same_again(
    client: TestClient, keys: Keys, state: ConsoleState, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = keys.add()
    headers = {**bearer(secret), "content-type": PROTOBUF}
    hold_at(state.journal, JournalLevel.FULL)
    answer = client.post(TRACES, content=encoded(PROTOBUF, [GOOD]), headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "journal is full" in message_of(answer.content)
    hold_at(state.journal, JournalLevel.NORMAL)
    monkeypatch.setattr(otlp, "_SECONDS_TO_WAIT", 0.0)
    monkeypatch.setattr(state.bodies, "_value", 0)
    answer = client.post(TRACES, content=encoded(PROTOBUF, [GOOD]), headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_the_door_is_for_keys_that_may_post(client: TestClient, keys: Keys) -> None:
    _, reader = keys.add(Scope.READ)
    assert client.post(TRACES, content=b"{}", headers={**bearer(reader), "content-type": JSON}).status_code == 403
    assert client.post(TRACES, content=b"{}", headers={"content-type": JSON}).status_code == 401
