"""Logs as they come, through the gateway: at once, from where one left off, and over when the watcher leaves."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

Event = tuple[int, str, dict[str, object]]


@contextmanager
def watching(node: Node, key: str, last: int | None = None) -> Iterator[Iterator[Event]]:
    """The events of a tail, for the life of the block."""
    place = urlsplit(node.server.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    headers = {"authorization": f"Bearer {key}"} | ({} if last is None else {"last-event-id": str(last)})
    connection.request("GET", "/api/request-logs/tail/?exclude=input,output", headers=headers)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    try:
        yield events(answer)
    finally:
        connection.close()


def events(answer: http.client.HTTPResponse) -> Iterator[Event]:
    fields: dict[str, str] = {}
    while line := answer.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "event" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


def sockets_of_console(node: Node) -> int:
    folder = Path(f"/proc/{node.status()['console']['pid']}/fd")
    return sum(str(entry.readlink()).startswith("socket:") for entry in folder.iterdir() if entry.is_symlink())


def test_a_log_is_seen_when_it_is_stored_and_a_watcher_goes_on_where_it_left(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        key = node.gantry("keys", "create", "watcher", "--scope", "read", "--scope", "ingest").stdout.split()[-1]
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")

        def post(name: str) -> None:
            log = {"model": "m", "input": "hello", "output": "hi", "custom_identifier": name}
            assert node.ask("/api/request-logs/create/", body=json.dumps(log).encode(), key=key)[0] == 200

        # Its own connections to stores on servers, which it opens with its first question, stay.
        assert node.ask("/api/request-logs/list/", key=key)[0] == 200
        sockets = sockets_of_console(node)
        with watching(node, key) as tail:
            begun, name, _ = next(tail)
            assert name == "ready"
            post("first")
            first, name, log = next(tail)
            assert (first > begun, name, log["custom_identifier"]) == (True, "log", "first")
            assert "input" not in log
            post("second")
            assert next(tail)[2]["custom_identifier"] == "second"
        await_true(lambda: sockets_of_console(node) <= sockets, "the console lets go of who has left")
        with watching(node, key, last=first) as tail:
            assert next(tail)[2]["custom_identifier"] == "second"
            assert next(tail)[1] == "ready"
            post("third")
            assert next(tail)[2]["custom_identifier"] == "third"
            node.server.process.terminate()  # a tail holds nobody up
            assert next(tail, None) is None
            assert node.server.process.wait(20) == 0  # seconds, fewer than workers have for calls to end
