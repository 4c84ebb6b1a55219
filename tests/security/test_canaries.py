"""Canaries: secrets that pass through a node are found nowhere afterwards, in no file, log, answer or row.

Each canary is a string that occurs nowhere else: `canary-…` for credentials, `unkept-…` for content that is not to be
kept. Files are searched as they are, with the clerk held still so that the journal is full, and again when all is
stored; rows are searched unpacked, because content is compressed. Controls, which may be kept, must be found in the
same places: a search that finds nothing ever proves nothing.
"""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from gantry.core.api_key import ENTROPY_BYTES, format_key
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogStore
from tests.security.stack import Reply, Stack, running_stack

pytestmark = pytest.mark.slow

CHAT = "/api/v1/chat/completions"
POST = "/api/request-logs/create/"
MODEL = "mistral/mistral-small-latest"
PROVIDER_KEY = "canary-provider-key"
CONTROL = "control-prompt-that-may-be-kept"
CREDENTIALS: list[dict[str, Any]] = [
    {"customer_credentials": {"acme": {"api_key": "canary-customer-map"}}},
    {"customer_credentials": {"acme": [{"weight": 1, "credentials": {"api_key": "canary-customer-list"}}]}},
    {"customer_credentials": [{"weight": 1, "credentials": {"acme": {"api_key": "canary-customer-pool"}}}]},
    {"credential_override": {"acme/m": {"api_key": "canary-override"}}},
    {"customer_api_keys": {"acme/m": "canary-customer-key"}},
    {"load_balance_models": [{"model": "acme/m", "weight": 1, "credentials": {"api_key": "canary-balanced"}}]},
    {"respan_params": {"customer_credentials": {"acme": {"api_key": "canary-in-params"}}}},
    {"keywordsai_params": {"credential_override": {"acme/m": {"api_key": "canary-in-old-params"}}}},
    {"metadata": {"respan_params": {"customer_credentials": {"acme": {"api_key": "canary-in-metadata"}}}}},
    {"customer_credentials": {"acme": {"api_key": "canary-malformed\r\n"}}},
    {"customer_credentials": "canary-of-another-type"},
]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def use_customers_credentials(stack: Stack, key: str) -> None:
    """Bring credentials in every shape; their provider is at a private address, where no caller's key is sent."""
    for fields in CREDENTIALS:
        stack.post(CHAT, key, {"model": "acme/m", "messages": said(CONTROL), **fields})
        stack.post(CHAT, key, {"model": MODEL, "messages": said(CONTROL), "stream": True, **fields})
        stack.post(CHAT, key, {"model": "nobody-has-this", "messages": said(CONTROL), **fields})
        stack.post("/api/v1/agents/completions", key, {"agent_id": "a", "messages": said(CONTROL), **fields})
        stack.post(POST, key, {"model": "m", "input": CONTROL, **fields})
        stack.post(POST, key, {"model": "m", "input": CONTROL + "x" * 300_000, **fields})
    header = {"customer_credentials": {"acme": {"api_key": "canary-in-header"}}}
    for value in (json.dumps(header), base64.b64encode(json.dumps(header).encode()).decode()):
        stack.post(CHAT, key, {"model": "acme/m", "messages": said(CONTROL)}, x_data_respan_params=value)
    full = {"model": "acme/m", "messages": [], "customer_credentials": {"acme": {"api_key": "canary-in-full-request"}}}
    stack.post(POST, key, {"model": "m", "input": CONTROL, "full_request": full})


def use_secrets_elsewhere(stack: Stack, key: str) -> None:
    """Put secrets where callers put them by mistake, and provoke errors around them."""
    stack.ask("GET", "/api/v1/files?api_key=canary-in-query&key=canary-in-query", key)
    stack.ask("GET", "/api/v1/models", key, None, x_api_key="canary-in-x-api-key", cookie="canary-in-cookie=1")
    stack.ask("POST", CHAT, key, b'{"model":"m","customer_credentials":{"acme":{"api_key":"canary-in-torn-json"')
    stack.ask("POST", POST, key, b'{"model":"m","customer_credentials":{"acme":{"api_key":"canary-in-torn-log"')
    twice = b'{"model":"m","customer_credentials":{"a":{"api_key":"canary-twice"}},"customer_credentials":{}}'
    stack.ask("POST", CHAT, key, twice)
    stack.ask("POST", POST, key, twice)
    for stranger in ("canary-stranger", format_key(b"\x07" * ENTROPY_BYTES).reveal()):
        assert stack.post(CHAT, stranger, {"model": MODEL, "messages": []}).status == 401
        assert stack.ask("GET", "/api/request-logs/list/", stranger).status == 401


def use_key_that_keeps_nothing(stack: Stack, key: str) -> None:
    """Say what must not be kept, in every way that ends in a record."""
    fields = {
        "messages": said("unkept-prompt"),
        "metadata": {"k": "unkept-metadata"},
        "customer_identifier": "unkept-customer",
    }
    assert stack.post(CHAT, key, {"model": MODEL, **fields}).status == 200
    assert stack.post(CHAT, key, {"model": MODEL, "stream": True, **fields}).status == 200
    for fault in ("status-401", "status-500", "cut-mid-event", "malformed-json", "reset"):
        stack.post(CHAT, key, {"model": f"mistral-small-latest--sim-{fault}", "stream": True, **fields})
    stack.post(CHAT, key, {"model": "nobody-has-this", **fields})
    stack.post("/api/v1/agents/completions", key, {"agent_id": "a", **fields})
    for size in (1, 300_000):
        posted = {"model": "m", "input": "unkept-prompt" * size, "output": "unkept-answer", **fields}
        assert stack.post(POST, key, posted).status == 200


def use_disabled_log(stack: Stack, key: str) -> None:
    for stream in (False, True):
        body = {"model": MODEL, "messages": said("unkept-disabled-prompt"), "stream": stream, "disable_log": True}
        assert stack.post(CHAT, key, body).status == 200
    assert stack.post(POST, key, {"model": "m", "input": "unkept-disabled-prompt", "disable_log": True}).status == 200


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("node")) as stack:
        yield stack


def rows_of(stack: Stack) -> Iterator[str]:
    """Yield every stored log, unpacked, as text."""
    store = LogStore(stack.home / "logs.db")
    organization_id = json.loads(stack.replies[-1].body)["results"][0]["organization_id"]
    page = store.page(LogQuery(organization_id=organization_id, page_size=1000))
    assert page.count == len(page.logs)
    for log in page.logs:
        yield repr(log)
    store.close()


def holders(stack: Stack, keys: Sequence[str]) -> list[str]:
    """Return which canaries and keys are found in which files."""
    pattern = re.compile("|".join((r"(?:canary|unkept)-[-a-z]*", *map(re.escape, keys))).encode())
    found = {(match, path.name) for path, content in stack.files() for match in pattern.findall(content)}
    return sorted(f"{match.decode()} in {name}" for match, name in found)


def test_no_secret_is_found_anywhere(stack: Stack) -> None:
    stack.gantry("providers", "add", "mistral", "--api-key", PROVIDER_KEY, "--base-url", stack.provider)
    stack.gantry("providers", "add", "acme", "--api-key", PROVIDER_KEY + "-acme", "--base-url", stack.provider)
    key = stack.gantry("keys", "create", "full", "--scope", "inference", "--scope", "native", "--scope", "read")
    mute = stack.gantry("keys", "create", "mute", "--content", "nothing")
    keys = (key, mute, key[12:55], mute[12:55])

    with stack.clerk_stopped():
        assert stack.post(CHAT, key, {"model": MODEL, "messages": said(CONTROL)}).status == 200
        use_customers_credentials(stack, key)
        use_secrets_elsewhere(stack, key)
        use_key_that_keeps_nothing(stack, mute)
        use_disabled_log(stack, key)
        assert any("journal" in str(path) and CONTROL.encode() in content for path, content in stack.files())
        assert holders(stack, keys) == []

    stack.await_stored()
    listed = stack.ask("GET", "/api/request-logs/list/?page_size=1000", key)
    rows = list(rows_of(stack))
    assert any(CONTROL in row for row in rows)
    assert sum("mistral-small-latest" in row for row in rows) >= 10
    assert [row for row in rows if re.search("canary|unkept", row) or any(secret in row for secret in keys)] == []
    assert CONTROL.encode() in listed.body
    assert [reply for reply in stack.replies if tells_a_secret(reply, keys)] == []
    assert holders(stack, keys) == []


def tells_a_secret(reply: Reply, keys: Sequence[str]) -> bool:
    """Say whether an answer holds a key. What must not be kept may be told: the simulator repeats the prompt."""
    text = reply.headers + reply.body.decode("utf-8", "replace")
    return "canary" in text or any(secret in text for secret in keys)
