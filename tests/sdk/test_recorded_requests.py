"""What the SDKs were recorded sending goes upstream as it came, but for the edits that are documented.

The edits: `/api` leaves the path; the key, the host and what is about the client's own hop become the gateway's;
cookies stay here; `mistral/` leaves the model, and `respan_params` `metadata`; a chunk that a client did not know and
wrapped as UNKNOWN is unwrapped.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from tests.gateway.conftest import UPSTREAM_KEY, Heard, Node, Upstream, json_answer, read_request, running_node

Runner = Callable[[Any], Any]
DUMPS = ("py-1.12.4", "py-2.10.1", "py-3.7.0", "ts-1.15.1", "ts-2.7.0")
OURS = {"host", "authorization", "content-length", "connection", "accept-encoding", "cookie", "transfer-encoding"}
ANSWERED_HERE = ("/api/v1/models", "/api/v1/v1/")  # a list and cards of our own, and a helpful 404
BESIDE = ("/api/alt/", "/api?")  # the base URL was not the gateway's
WITHOUT_KEY = {"no api key", "no apiKey"}
# These bring credentials of the caller's own, which go to the provider's own address only.
OWN_CREDENTIALS = {
    "custom httpx transport rewriting body",
    "custom httpx2 transport rewriting body",
    "HTTPClient beforeRequest hook rewriting body",
}


class Sent(NamedTuple):
    """A recorded request."""

    call: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def recorded(folder: Path, client: str) -> Iterator[Sent]:
    """Yield the distinct requests of a client that a gateway passes on."""
    entries = json.loads((folder / f"{client}-requests.json").read_bytes())["requests"]
    named = [(entry["call"], entry if "method" in entry else entry.get("first")) for entry in entries]
    more = folder / f"{client}-extras-retries.json"
    if more.exists():
        named += [(name, item["first"]) for name, item in json.loads(more.read_bytes())["results"].items()]
    for call, sent in named:
        if (
            sent is None
            or call in WITHOUT_KEY | OWN_CREDENTIALS
            or sent["raw_path"].startswith((*ANSWERED_HERE, *BESIDE))
        ):
            continue
        if sent["raw_path"] != "/api":
            yield read_sent(call, sent)


def read_sent(call: str, sent: dict[str, Any]) -> Sent:
    body = sent.get("body_json")
    raw = (sent.get("body_raw") or "") if body is None else json.dumps(body, ensure_ascii=False)
    headers = tuple((name.lower(), value) for name, value in sent["headers"])
    return Sent(call, sent["method"], sent["raw_path"], headers, raw.encode())


class Ear:
    """An upstream's memory of requests: head and body."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, bytes]] = []

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        while True:
            before = len(heard.data)
            body = await read_request(reader, heard)
            self.heard.append((heard.data[before : len(heard.data) - len(body)], body))
            writer.write(json_answer(b'{"id":"recorded","object":"recorded"}'))
            await writer.drain()


async def replay(node: Node, sent: Sent) -> int:
    kept = [f"{name}: {value}" for name, value in sent.headers if name not in OURS - {"cookie", "accept-encoding"}]
    lines = [f"{sent.method} {sent.target} HTTP/1.1", "host: gantry", f"authorization: Bearer {node.key}", *kept]
    lines += [f"content-length: {len(sent.body)}"] if sent.body or sent.method == "POST" else []
    client = await node.connect()
    client.send("\r\n".join((*lines, "", "")).encode("latin-1") + sent.body)
    answer = await client.answer()
    client.leave()
    return answer.status


def wrong(sent: Sent, head: bytes, body: bytes) -> Iterator[str]:
    """Say what upstream heard otherwise than it was sent."""
    request, *lines = head.decode("latin-1").rstrip().split("\r\n")
    pairs = [line.partition(": ")[::2] for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    if request != f"{sent.method} {sent.target.removeprefix('/api')} HTTP/1.1":
        yield request
    if headers["authorization"] != f"Bearer {UPSTREAM_KEY}" or "cookie" in headers:
        yield f"secrets: {headers}"
    expected = {name: value for name, value in sent.headers if name not in OURS}
    found = {name: value for name, value in headers.items() if name not in OURS}
    if found != expected:
        yield f"headers: {found} instead of {expected}"
    unprefixed = sent.body.replace(b'"model": "mistral/', b'"model": "')
    if body != unprefixed and (b'"UNKNOWN"' not in sent.body or json.loads(body) != unwrapped(json.loads(unprefixed))):
        yield f"body: {body!r} instead of {unprefixed!r}"


def unwrapped(value: Any) -> Any:
    """Return a document with what stands in chunks wrapped as UNKNOWN in their places."""
    if isinstance(value, list):
        return [unwrapped(item) for item in value]
    if isinstance(value, dict):
        if value.get("type") == "UNKNOWN":
            return value["raw"]
        return {name: unwrapped(member) for name, member in value.items()}
    return value


@pytest.mark.parametrize("client", DUMPS)
def test_a_recorded_request_goes_upstream_as_it_came(client: str, shared: Path, tmp_path: Path, run: Runner) -> None:
    problems: list[Any] = []
    asked = 0

    async def main() -> None:
        nonlocal asked
        ear = Ear()
        scopes = int(DEFAULT_SCOPES | Scope.NATIVE)
        async with (
            Upstream(ear.script).running() as upstream,
            running_node(tmp_path, upstream.url, scopes=scopes) as node,
        ):
            for sent in recorded(shared / "reference" / "mistral-recordings", client):
                ear.heard.clear()
                status = await replay(node, sent)
                if not ear.heard:
                    problems.append((sent.call, status, "nothing went upstream"))
                    continue
                ((head, body),) = ear.heard
                problems.extend((sent.call, problem) for problem in wrong(sent, head, body))
                asked += 1

    run(main())
    assert problems == []
    assert asked > 40
