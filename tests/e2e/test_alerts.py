"""Alerts as their receivers see them: a real node, calls, receivers on loopback, and the clerk killed in between."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clerk.receivers import Received, WebhookReceiver, receiving, receiving_mail
from tests.e2e.node import Node, await_true, running_node
from tests.e2e.traffic import query
from tests.postgresql import are_homes_on

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

CANARY = "canary-of-a-channel"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with running_node(tmp_path) as node:
        yield node


def add_channel(node: Node, receiver: WebhookReceiver, *options: str, name: str = "ops") -> str:
    """Add a webhook with a query that nobody is to see; return its secret."""
    url = receiver.url(f"/hook?token={CANARY}")
    return node.gantry("alerts", "channels", "add", name, url, *options).stdout.strip()


def heard(receiver: WebhookReceiver, event: str) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in list(receiver.all) if one.headers["x-gantry-event"] == event]


def is_signed(received: Received, secret: str) -> bool:
    key = secret.encode()
    timed = dict(part.split("=", 1) for part in received.headers["x-gantry-signature"].split(","))
    expected = hmac.new(key, timed["t"].encode() + b"." + received.body, hashlib.sha256).hexdigest()
    fresh = abs(time.time() - int(timed["t"])) < 60
    plain = hmac.new(key, received.body, hashlib.sha256).hexdigest()
    return received.headers["x-respan-signature"] == plain and timed["v1"] == expected and fresh


def chat_at_length(node: Node, key: str) -> int:
    """Make a call that costs a seventieth of a cent and is estimated at five times that."""
    message = {"role": "user", "content": "word " * 1000}
    content = {"model": "mistral/mistral-large-latest", "messages": [message], "max_tokens": 50}
    return node.ask("/api/v1/chat/completions", body=json.dumps(content).encode(), key=key)[0]


def test_a_budget_of_a_cent_is_told_of_once_at_80_percent_and_once_when_it_refuses(
    node: Node, receiver: WebhookReceiver
) -> None:
    secret = add_channel(node, receiver)
    key = node.gantry("keys", "create", "spender").stdout.split()[-1]
    budget = ("--key", "spender", "--cost", "0.01", "--per", "day", "--alert", "80", "--name", "cent")
    node.gantry("limits", "add", *budget)
    statuses = [chat_at_length(node, key) for _ in range(80)]
    assert statuses == sorted(statuses)  # 200, and from one on 429
    assert {200, 429} == set(statuses)
    node.await_stored()
    await_true(lambda: heard(receiver, "limit_threshold") and heard(receiver, "limit_blocked"), "both alerts")

    killed = node.kill("clerk")
    node.await_another("clerk", killed)
    chat_at_length(node, key)
    node.await_stored()
    node.gantry("alerts", "channels", "test", "ops")  # what was due before it has been delivered by then

    (threshold,) = heard(receiver, "limit_threshold")
    (blocked,) = heard(receiver, "limit_blocked")
    assert threshold["data"]["percent"] == 80
    assert threshold["data"]["limit_name"] == blocked["data"]["limit_name"] == "cent"
    assert 0.008 <= threshold["data"]["current_value"] <= 0.01
    assert (threshold["data"]["limit_value"], threshold["data"]["unit"]) == (0.01, "cost")
    assert all(is_signed(one, secret) for one in receiver.all)
    listed = json.loads(node.gantry("alerts", "list", "--json").stdout)
    assert sorted(one["event"] for one in listed) == ["limit_blocked", "limit_threshold"]


def test_logs_are_posted_and_what_was_missed_is_posted_later(node: Node, receiver: WebhookReceiver) -> None:
    receiver.answer = lambda _: 503
    secret = add_channel(node, receiver, "--events", "request_log", name="logs")
    status, _ = node.chat("told to a webhook")
    assert status == 200
    first = receiver.next()
    killed = node.kill("clerk")
    receiver.answer = lambda _: 200
    node.await_another("clerk", killed)
    await_true(lambda: json.loads(node.gantry("alerts", "deliveries", "--json").stdout) == [], "a log that was taken")
    assert len({one.headers["x-gantry-delivery"] for one in receiver.all}) == 1
    assert len({one.body for one in receiver.all}) == 1
    item = json.loads(first.body)
    assert is_signed(first, secret)
    assert item["prompt_messages"] == [{"role": "user", "content": "told to a webhook"}]


def test_secrets_of_channels_are_in_no_file_log_or_listing(tmp_path: Path, receiver: WebhookReceiver) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    receiver.answer = lambda _: 500
    with receiving_mail() as mail:
        settings = f'smtp_url = "smtp://me:{CANARY}@127.0.0.1:{mail.port}"\nsmtp_from = "gantry@x.test"\n'
        (home / "gantry.toml").write_text(settings)
        with running_node(tmp_path, "--log-level", "debug") as node:
            secret = add_channel(node, receiver)
            node.gantry("alerts", "channels", "add", "mail", "a@x.test")
            told = [node.gantry("alerts", "channels", "test", name, code=1).stderr for name in ("ops", "mail")]
            questions = (
                ("alerts", "channels", "list", "--json"),
                ("alerts", "deliveries", "--json"),
                ("status", "--json"),
                ("check",),
            )
            said = "".join(told) + "".join(node.gantry(*words).stdout for words in questions)
            files = [path for path in (*home.rglob("*"), node.stderr) if path.is_file() and path.name != "gantry.toml"]
            found = [path.name for path in files if any(one.encode() in path.read_bytes() for one in (CANARY, secret))]
            stored = str(query(home / "control.db", "SELECT * FROM alert_channels"))
        assert found == []
        assert CANARY not in said
        assert secret not in said
        assert CANARY not in stored
        assert secret not in stored
        assert "answered 500" in told[0]
        assert "offers no TLS" in told[1]
        assert "a@x.test" in said  # a search that finds nothing ever proves nothing
        assert "a@x.test" in stored
        assert are_homes_on() or any(b"a@x.test" in path.read_bytes() for path in files if path.exists())
        assert mail.letters.empty()
