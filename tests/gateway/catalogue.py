"""Providers that list models, the credentials an organization has for them, and a worker that routes by those."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from gantry.board.board import Word
from gantry.core.api_key import key_digest
from gantry.core.custom_model import CustomModel
from gantry.core.limits import Books
from gantry.core.routing_rules import NO_ROUTING_RULES, RoutingRules
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment
from gantry.gateway.limits import WorkerLimits
from gantry.home import load_keyring
from gantry.providers.spec import custom_spec, load_catalog
from gantry.routing.snapshot import Body, CredentialRecord, KeyRecord, build_key_table, seal_table, write_snapshot
from tests.gateway.conftest import Answer, Heard, Node, RawClient, Script, answering, json_answer, running_node

MISTRAL_AGENT = b"user-agent: mistral-client-python/2.10.1"
OPENAI_AGENT = b"user-agent: OpenAI/Python 2.1.0"
LARGE = b'{"id":"mistral-large-latest","type":"base","capabilities":{"vision":true},"aliases":["mistral-large-2512"]}'
TUNED = b'{"id":"ft:open-mistral-7b:o1","type":"fine-tuned","job":"j","root":"open-mistral-7b","capabilities":{}}'
LLAMA = b'{"id":"meta-llama/Llama-3","object":"model","created":1,"owned_by":"meta"}'
LARGE_NAMES = ["mistral-large-latest", "mistral/mistral-large-latest"]
TUNED_NAMES = ["ft:open-mistral-7b:o1", "mistral/ft:open-mistral-7b:o1"]
LLAMA_NAMES = ["togetherai/meta-llama/Llama-3"]


def model_list(*cards: bytes) -> bytes:
    return json_answer(b'{"object":"list","data":[%b]}' % b",".join(cards))


def listing(*cards: bytes) -> Script:
    """Return the script of a provider that lists these models."""
    return answering(model_list(*cards))


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
    heard.data += await reader.readuntil(b"\r\n\r\n")
    await reader.read()


def holding(answer: bytes, gate: asyncio.Event) -> Script:
    """Return a script that answers one request once the gate is open, unless the other side leaves before."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        heard.data += await reader.readuntil(b"\r\n\r\n")
        leaving = asyncio.create_task(reader.read())
        opening = asyncio.create_task(gate.wait())
        await asyncio.wait({leaving, opening}, return_when=asyncio.FIRST_COMPLETED)
        opening.cancel()
        if not leaving.done():
            writer.write(answer)
            await writer.drain()
        leaving.cancel()

    return script


def credential(provider: str, url: str, *models: str, organization: str | None = "o1") -> CredentialRecord:
    secrets = {"api_key": Secret(f"canary-{provider}")}
    return CredentialRecord(f"c-{provider}-{organization}", organization, provider, "main", url, secrets, models=models)


async def publish(
    node: Node,
    version: int,
    credentials: Sequence[CredentialRecord],
    customs: Sequence[CustomModel] = (),
    rules: RoutingRules = NO_ROUTING_RULES,
    books: Books | None = None,
    **key_fields: Any,
) -> None:
    """Put another snapshot into place, and wait until the worker routes by it."""
    keyring = load_keyring(node.home)
    fields: dict[str, Any] = {"environment": Environment.PROD, "scopes": int(DEFAULT_SCOPES), **key_fields}
    key = KeyRecord(key_id="k1", organization_id="o1", **fields)
    table = build_key_table([(key_digest(node.key, keyring.pepper), key)])
    custom = (custom_spec(each.provider_id, each.provider_id, each.base_url) for each in credentials)
    providers = {**{spec.id: spec for spec in custom}, **load_catalog()}
    body = Body(
        version,
        time.time_ns(),
        f"t{version}",
        tuple(providers.values()),
        tuple(credentials),
        {},
        tuple(customs),
        routing_rules={"o1": rules},
        books={} if books is None else {"o1": books},
    )
    written = node.home.snapshot.with_name("next")
    written.write_bytes(write_snapshot(body, seal_table(table, keyring.snapshot), [], keyring.snapshot))
    written.replace(node.home.snapshot)
    await until(lambda: node.slot[Word.SNAPSHOT_VERSION] == version)


@contextlib.asynccontextmanager
async def listing_node(
    path: Path,
    *credentials: CredentialRecord,
    patience: float = 10.0,
    customs: Sequence[CustomModel] = (),
    **key_fields: Any,
) -> AsyncIterator[Node]:
    """Run a worker for an organization with these credentials."""
    limits = WorkerLimits(first_byte_timeout=patience, drain_timeout=0.2)
    async with running_node(path, "http://127.0.0.1:9", limits=limits) as node:
        await publish(node, 6, credentials, customs, **key_fields)
        yield node


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to be")


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [card["id"] for card in json.loads(answer.body)["data"]]


async def ask(node: Node, path: str = "/v1/models", agent: bytes = MISTRAL_AGENT) -> Answer:
    return await node.ask(path, b"", agent, method="GET")


async def begin(node: Node) -> RawClient:
    """Return a client that has asked for the list."""
    client = await node.connect()
    client.send(node.request("/v1/models", b"", MISTRAL_AGENT, method="GET"))
    return client


async def ended(node: Node, count: int) -> list[Any]:
    """Return so many calls, once all of them are closed."""
    await until(lambda: sum(call[1] is not None for call in node.calls()) == count)
    return node.calls()
