"""The guard: what one organization made is not there for another that may share its account."""

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.board.board import Word
from gantry.board.resources import ResourceBook
from gantry.core.api_key import ENTROPY_BYTES, format_key, key_digest
from gantry.core.errors import InvalidRequest, NotFound, UpstreamBroke
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, STATEFUL_OPERATIONS, Dialect, Environment, Operation, Outcome
from gantry.gateway.headers import AnswerKind
from gantry.gateway.native import MAX_NAMED, FilterPump, Guard, WatchPump, is_shared, needs_guard
from gantry.gateway.pump import PLAIN, RelayPump
from gantry.home import load_keyring
from gantry.providers.spec import load_catalog
from gantry.routing.snapshot import (
    Body,
    CredentialRecord,
    KeyRecord,
    KeyTable,
    Snapshot,
    build_key_table,
    seal_table,
    write_snapshot,
)
from tests.gateway.conftest import (
    STREAM_HEAD,
    Answer,
    Heard,
    Node,
    Upstream,
    json_answer,
    read_request,
    running_node,
)

Run: TypeAlias = Callable[[Awaitable[None]], None]

FILE = "0196a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
CONVERSATION = "0196eeee-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
OTHER = "0196ffff-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
JSON = AnswerKind("application/json", "", False, True)
GZIP = AnswerKind("application/json", "gzip", False, True)
EVENTS = AnswerKind("text/event-stream", "", True, False)
BINARY = AnswerKind("application/octet-stream", "", False, False)


def snapshot_of(*holders: tuple[str | None, str]) -> Snapshot:
    """Return a snapshot with credentials of these organizations for these providers."""
    credentials = tuple(
        CredentialRecord(f"c{number}", organization, provider, "main", "https://x.test", {"api_key": Secret("s")})
        for number, (organization, provider) in enumerate(holders)
    )
    return Snapshot(Body(1, 0, "t", (), credentials, {}), KeyTable("t", bytes(8), {}))


SHARED = snapshot_of(("o1", "mistral"), ("o2", "mistral"))
ALONE = snapshot_of(("o1", "mistral"), ("o1", "mistral"))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[ResourceBook]:
    opened = ResourceBook.open(tmp_path / "resources", b"p" * 32)
    yield opened
    opened.close()


def guard(
    book: ResourceBook,
    organization: str,
    operation: Operation,
    target: str,
    method: str = "GET",
    snapshot: Snapshot = SHARED,
) -> Guard:
    return Guard(book, snapshot, "mistral", organization, operation, method, target)


def make(book: ResourceBook, organization: str, operation: Operation, answer: Any, **more: Any) -> None:
    """Let an organization make something: its answer passes a guard."""
    watched = guard(book, organization, operation, "/v1/x", "POST", **more)
    watched.check_request(b"{}")
    pump = watched.over(PLAIN, 200, JSON)
    body = json.dumps(answer).encode()
    assert pump.feed(body) + pump.end() == body


def test_a_provider_is_shared_when_two_have_a_credential_for_it() -> None:
    assert not is_shared(ALONE, "mistral")
    assert is_shared(SHARED, "mistral")
    assert not is_shared(SHARED, "openai")
    assert is_shared(snapshot_of(("o1", "mistral"), (None, "mistral")), "mistral")
    assert not is_shared(snapshot_of(("o1", "mistral"), ("o2", "openai")), "mistral")


def test_a_call_is_looked_at_when_it_may_make_something_or_the_provider_is_shared() -> None:
    assert {operation for operation in Operation if needs_guard(ALONE, "mistral", operation)} == STATEFUL_OPERATIONS
    assert all(needs_guard(SHARED, "mistral", operation) for operation in Operation)


@pytest.mark.parametrize(
    ("operation", "method", "target", "body"),
    [
        (Operation.FILES, "GET", f"/v1/files/{FILE}/content", b""),
        (Operation.FILES, "GET", f"/v1/files/{FILE.replace('-', '').upper()}", b""),
        (Operation.FILES, "DELETE", f"/v1/files/{FILE}", b""),
        (Operation.BATCHES, "POST", "/v1/batch/jobs", json.dumps({"input_files": [FILE]}).encode()),
        (Operation.BATCHES, "GET", f"/v1/batch/jobs?agent_id={FILE}", b""),
        (Operation.AGENT_CHAT, "POST", "/v1/agents/completions", json.dumps({"agent_id": f"ag_{FILE}"}).encode()),
        (Operation.CHAT, "POST", "/v1/chat/completions", json.dumps({"messages": [{"file_id": FILE}]}).encode()),
        (Operation.OPAQUE, "GET", f"/v1/anything/{FILE}", b""),
    ],
)
def test_what_another_made_is_not_there(
    book: ResourceBook, operation: Operation, method: str, target: str, body: bytes
) -> None:
    make(book, "o1", Operation.FILES, {"id": FILE})
    guard(book, "o1", operation, target, method).check_request(body, "application/json")
    with pytest.raises(NotFound, match="nothing with the id"):
        guard(book, "o2", operation, target, method).check_request(body, "application/json")
    guard(book, "o2", operation, target, method, ALONE).check_request(body, "application/json")


def test_a_form_is_looked_into_by_its_fields(book: ResourceBook) -> None:
    make(book, "o1", Operation.FILES, {"id": FILE})
    with pytest.raises(NotFound):
        guard(book, "o2", Operation.TRANSCRIPTION, "/v1/audio/transcriptions", "POST").check_form(["voxtral", FILE])
    guard(book, "o1", Operation.TRANSCRIPTION, "/v1/audio/transcriptions", "POST").check_form(["voxtral", FILE])


def test_a_body_that_is_not_read_must_be_a_file(book: ResourceBook) -> None:
    make(book, "o1", Operation.LIBRARIES, {"id": FILE})
    for content_type in ("application/json", "text/plain", ""):
        with pytest.raises(InvalidRequest, match="cannot be looked into"):
            guard(book, "o1", Operation.FILES, "/v1/files", "POST").check_upload(content_type)
        guard(book, "o1", Operation.FILES, "/v1/files", "POST", ALONE).check_upload(content_type)
    upload = "Multipart/Form-Data; boundary=x"
    guard(book, "o1", Operation.LIBRARIES, f"/v1/libraries/{FILE}/documents", "POST").check_upload(upload)
    with pytest.raises(NotFound):
        guard(book, "o2", Operation.LIBRARIES, f"/v1/libraries/{FILE}/documents", "POST").check_upload(upload)


def test_a_request_that_names_too_many_is_refused(book: ResourceBook) -> None:
    def body(count: int) -> bytes:
        return json.dumps([f"file-{number:08}" for number in range(count)]).encode()

    guard(book, "o1", Operation.BATCHES, "/v1/batch/jobs", "POST").check_request(body(MAX_NAMED))
    with pytest.raises(InvalidRequest, match="more than 10000"):
        guard(book, "o1", Operation.BATCHES, "/v1/batch/jobs", "POST").check_request(body(MAX_NAMED + 1))


def test_a_list_is_held_and_shown_without_what_another_made(book: ResourceBook) -> None:
    make(book, "o1", Operation.FILES, {"id": FILE})
    body = json.dumps({"data": [{"id": FILE}, {"id": "file-unknown1"}], "total": 2}).encode()
    for organization, shown in (("o1", body), ("o2", b'{"data": [{"id": "file-unknown1"}], "total": 1}')):
        watched = guard(book, organization, Operation.FILES, "/v1/files?page=0")
        assert watched.holds(200, JSON)
        pump = watched.over(PLAIN, 200, JSON)
        assert isinstance(pump, FilterPump)
        assert [pump.feed(body[:9]), pump.feed(body[9:])] == [b"", b""]
        assert pump.end() == shown


@pytest.mark.parametrize(
    ("operation", "method", "target", "status", "kind", "snapshot"),
    [
        (Operation.FILES, "GET", "/v1/files", 200, JSON, ALONE),
        (Operation.FILES, "GET", f"/v1/files/{FILE}/content", 200, JSON, SHARED),
        (Operation.FILES, "GET", "/v1/files", 404, JSON, SHARED),
        (Operation.FILES, "GET", "/v1/files", 200, BINARY, SHARED),
        (Operation.FILES, "HEAD", "/v1/files", 200, JSON, SHARED),
        (Operation.CHAT, "POST", "/v1/chat/completions", 200, JSON, SHARED),
        (Operation.CHAT, "POST", "/v1/chat/completions", 200, EVENTS, SHARED),
        (Operation.AGENT_CHAT, "POST", "/v1/agents/completions", 200, EVENTS, SHARED),
        (Operation.MODELS, "GET", "/v1/models", 200, JSON, SHARED),
        (Operation.FILES, "POST", "/v1/files", 422, JSON, SHARED),
        (Operation.FILES, "DELETE", f"/v1/files/{FILE}", 200, JSON, SHARED),
    ],
)
def test_all_other_answers_pass_by_themselves(
    book: ResourceBook,
    operation: Operation,
    method: str,
    target: str,
    status: int,
    kind: AnswerKind,
    snapshot: Snapshot,
) -> None:
    watched = guard(book, "o1", operation, target, method, snapshot)
    assert not watched.holds(status, kind)
    assert watched.over(PLAIN, status, kind) is PLAIN


def test_what_was_made_before_a_second_organization_came_is_remembered(book: ResourceBook) -> None:
    make(book, "o1", Operation.AGENTS, {"id": f"ag_{FILE}"}, snapshot=ALONE)
    with pytest.raises(NotFound):
        guard(book, "o2", Operation.AGENTS, f"/v1/agents/ag_{FILE}").check_request()


@pytest.mark.parametrize("snapshot", [ALONE, SHARED])
def test_what_the_request_names_was_not_made_by_it(book: ResourceBook, snapshot: Snapshot) -> None:
    """Nobody knows whose these are: to go on with a conversation, or to cite a file, does not take it."""
    target = f"/v1/conversations/conv_{FILE}"
    watched = guard(book, "o1", Operation.CONVERSATIONS, target, "POST", snapshot)
    watched.check_request(json.dumps({"inputs": [{"file_id": OTHER}]}).encode())
    pump = watched.over(PLAIN, 200, JSON)
    cited = [{"file_id": OTHER}, {"file_id": "file-made1234"}]
    pump.feed(json.dumps({"conversation_id": f"conv_{FILE}", "outputs": cited}).encode())
    pump.end()
    for name in (FILE, OTHER):
        guard(book, "o2", Operation.FILES, f"/v1/files/{name}").check_request()
    with pytest.raises(NotFound):
        guard(book, "o2", Operation.FILES, "/v1/files/file-made1234").check_request()


JOB, RESULT = OTHER, FILE


def _results_are_for(book: ResourceBook, organization: str) -> bool:
    listed = {"data": [{"id": RESULT, "sample_type": "batch_result"}]}
    return (
        guard(book, organization, Operation.FILES, "/v1/files").filter(json.dumps(listed).encode()) != b'{"data": []}'
    )


@pytest.mark.parametrize("target", [f"/v1/batch/jobs/{JOB}", "/v1/batch/jobs"])
@pytest.mark.parametrize("snapshot", [ALONE, SHARED])
def test_the_results_of_a_batch_belong_to_who_has_the_batch(
    book: ResourceBook, target: str, snapshot: Snapshot
) -> None:
    make(book, "o1", Operation.BATCHES, {"id": JOB, "output_file": None})
    assert not _results_are_for(book, "o1")  # nobody's yet
    assert not _results_are_for(book, "o2")
    job = {"id": JOB, "output_file": RESULT, "error_file": "file-errors12"}
    body = json.dumps(job if JOB in target else {"data": [job]}).encode()
    for organization in ("o2", "o1"):
        pump = guard(book, organization, Operation.BATCHES, target, "GET", snapshot).over(PLAIN, 200, JSON)
        shown = pump.feed(body) + pump.end()
        assert shown == body or (organization == "o2" and snapshot is SHARED)
    assert _results_are_for(book, "o1")
    assert not _results_are_for(book, "o2")
    for name in (RESULT, "file-errors12"):
        guard(book, "o1", Operation.FILES, f"/v1/files/{name}/content").check_request()
        with pytest.raises(NotFound):
            guard(book, "o2", Operation.FILES, f"/v1/files/{name}/content").check_request()


STREAM = (
    f'event: conversation.response.started\ndata: {{"conversation_id":"conv_{CONVERSATION}"}}\n\n'
    'event: message.output.delta\ndata: {"content":{"file_id":"file-made1234"}}\n\ndata: [DONE]\n\n'
).encode()


@settings(deadline=None)  # it makes files
@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_a_stream_is_watched_as_it_passes_and_never_held(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    book = ResourceBook.open(tmp_path_factory.mktemp("book") / "resources", b"p" * 32)
    watched = guard(book, "o1", Operation.CONVERSATIONS, "/v1/conversations", "POST")
    watched.check_request(b"{}")
    pump = watched.over(RelayPump(Dialect.MISTRAL), 200, EVENTS)
    assert isinstance(pump, WatchPump)
    places = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(places):
        assert pump.feed(STREAM[start:end]) == STREAM[start:end]
    assert pump.stream_ended
    for name in (CONVERSATION.replace("-", ""), "file-made1234"):  # before the end of it
        assert book.is_foreign("mistral", name, "o2")
    assert pump.end() == b""
    assert pump.ping() == b": ping\n\n"
    book.close()


def test_a_compressed_answer_is_read_and_passes_as_it_came(book: ResourceBook) -> None:
    made = gzip.compress(json.dumps({"id": FILE}).encode())
    watched = guard(book, "o1", Operation.FILES, "/v1/files", "POST").over(PLAIN, 200, GZIP)
    assert watched.feed(made) + watched.end() == made
    listed = gzip.compress(json.dumps({"data": [{"id": FILE}]}).encode())
    own = guard(book, "o1", Operation.FILES, "/v1/files").over(PLAIN, 200, GZIP)
    assert own.feed(listed) + own.end() == listed
    other = guard(book, "o2", Operation.FILES, "/v1/files").over(PLAIN, 200, GZIP)
    other.feed(listed)
    with pytest.raises(UpstreamBroke, match="must not be"):
        other.end()


@pytest.mark.parametrize("body", [b"<html>", b'{"data": [', b"\x1f\x8b"])
def test_a_list_that_cannot_be_read_is_not_shown(book: ResourceBook, body: bytes) -> None:
    pump = guard(book, "o1", Operation.FILES, "/v1/files").over(PLAIN, 200, JSON)
    pump.feed(body)
    with pytest.raises(UpstreamBroke, match="cannot be read"):
        pump.end()


def test_a_job_that_cannot_be_read_is_the_callers(book: ResourceBook) -> None:
    pump = guard(book, "o1", Operation.BATCHES, f"/v1/batch/jobs/{JOB}").over(PLAIN, 200, JSON)
    assert pump.feed(b"<html>") + pump.end() == b"<html>"


# Through a worker: two organizations, one account behind both

LIST = f'{{ "data": [{{"id": "{FILE}"}}, {{"id": "{OTHER}"}}], "object": "list", "total": 2 }}'.encode()
ANSWERS = {
    ("POST", "/v1/files"): json_answer(b'{"id": "%b", "object": "file"}' % FILE.encode()),
    ("GET", "/v1/files"): json_answer(LIST),
    ("GET", f"/v1/files/{FILE}"): json_answer(b'{"id": "%b"}' % FILE.encode()),
    ("POST", "/v1/conversations"): STREAM_HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(STREAM), STREAM),
    ("POST", "/v1/chat/completions"): json_answer(b'{"choices": []}'),
}
UPLOAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n'
SECOND_KEY = format_key(b"2" * ENTROPY_BYTES).reveal()


async def provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
    while True:
        start = len(heard.data)
        await read_request(reader, heard)
        method, target = heard.data[start:].split(b" ", 2)[:2]
        writer.write(ANSWERS[method.decode(), target.partition(b"?")[0].decode()])


async def share(node: Node, url: str) -> None:
    """Give a second organization a key, and both a home credential for one account."""
    keyring = load_keyring(node.home)
    fields: dict[str, Any] = {"environment": Environment.PROD, "scopes": int(DEFAULT_SCOPES)}
    keys = ((node.key, "o1"), (SECOND_KEY, "o2"))
    table = build_key_table(
        (key_digest(text, keyring.pepper), KeyRecord(key_id=f"key-{owner}", organization_id=owner, **fields))
        for text, owner in keys
    )
    credentials = tuple(
        CredentialRecord(f"c-{owner}", owner, "mistral", "main", url, {"api_key": Secret("k")}, 1.0, (), None, True)
        for _, owner in keys
    )
    body = Body(6, time.time_ns(), "t2", tuple(load_catalog().values()), credentials, {})
    aside = node.home.path / "aside"
    aside.write_bytes(write_snapshot(body, seal_table(table, keyring.snapshot), [], keyring.snapshot))
    aside.replace(node.home.snapshot)
    for _ in range(500):
        if node.slot[Word.SNAPSHOT_VERSION] == 6:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the worker did not take the second snapshot")


def test_two_organizations_with_one_account(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(provider).running() as upstream, running_node(tmp_path, upstream.url) as node:
            await share(node, upstream.url)

            async def ask(
                owner: str, method: str, path: str, body: bytes = b"", kind: bytes = b"application/json"
            ) -> Answer:
                client = await node.connect()
                key = node.key if owner == "o1" else SECOND_KEY
                head = f"{method} {path} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {key}\r\n".encode()
                client.send(head + b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body))
                answer = await asyncio.wait_for(client.answer(method), 10)
                client.leave()
                return answer

            uploaded = await ask("o1", "POST", "/v1/files", UPLOAD, b"multipart/form-data; boundary=b")
            assert (uploaded.status, json.loads(uploaded.body)["id"]) == (200, FILE)
            assert (await ask("o1", "GET", f"/v1/files/{FILE}")).status == 200
            asked = len(upstream.heard)
            absent = await ask("o2", "GET", f"/v1/files/{FILE}")
            assert (absent.status, json.loads(absent.body)["object"]) == (404, "error")
            chat = json.dumps({"model": "mistral-small-latest", "messages": [{"file_id": FILE}]}).encode()
            assert (await ask("o2", "POST", "/v1/chat/completions", chat)).status == 404
            assert len(upstream.heard) == asked  # not even asked

            assert (await ask("o1", "GET", "/v1/files?page=0")).body == LIST
            shown = await ask("o2", "GET", "/v1/files?page=0")
            assert json.loads(shown.body) == {"data": [{"id": OTHER}], "object": "list", "total": 1}
            assert shown.headers["content-length"] == str(len(shown.body))

            begun = await ask("o2", "POST", "/v1/conversations", b'{"inputs": "hi", "stream": true}')
            assert begun.body == STREAM
            for path in (f"/v1/conversations/conv_{CONVERSATION}", "/v1/files/file-made1234/content"):
                assert (await ask("o1", "GET", path)).status == 404
            assert (await ask("o1", "POST", "/v1/chat/completions", chat)).status == 200

            refused = [opened for opened, closed, _ in node.calls() if closed and closed.outcome == Outcome.REFUSED]
            assert {opened.organization_id for opened in refused} == {"o1", "o2"}

    run(main())
