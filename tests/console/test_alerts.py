"""Alerts by API: channels made, changed, tried out and removed; what was told; and only by whoever may manage."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.core.alert import Alert, Event
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.alert_channels import channels_of, open_target, sealed_targets
from gantry.store.alerts import Delivered, DeliveryState, claim_due, raise_alert, settle
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore
from gantry.store.vault import Vault
from tests.console.conftest import NOW, Keys, bearer

CHANNELS = "/api/alert-channels"
DELIVERIES = "/api/alerts/deliveries"
RULES = "/api/alerts/rules"
WEBHOOK = {"name": "ops", "target": "https://x.test/hook?k=canary"}
Headers = dict[str, str]


@pytest.fixture
def manager(keys: Keys) -> Headers:
    return bearer(keys.add(DEFAULT_SCOPES | Scope.MANAGE)[1])


def add(client: TestClient, manager: Headers, **fields: Any) -> dict[str, Any]:
    answer = client.post(CHANNELS, headers=manager, json=WEBHOOK | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_channel_is_made_with_a_secret_that_is_shown_once(
    client: TestClient, manager: Headers, home: Home, keyring: Keyring
) -> None:
    made = add(client, manager, events=["zero_cost"], environment="prod")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made == {
        "id": made["id"],
        "name": "ops",
        "kind": "webhook",
        "target": "https://x.test/hook?…",
        "events": ["zero_cost"],
        "environment": "prod",
        "enabled": True,
        "managed_by": None,
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
    }
    for answer in (client.get(CHANNELS, headers=manager), client.get(f"{CHANNELS}/ops", headers=manager)):
        assert "secret" not in answer.text
        assert "canary" not in answer.text
    assert client.get(f"{CHANNELS}/{made['id']}", headers=manager).json() == made
    with ControlStore(home.control_db) as control, control.reading() as connection:
        (channel,) = channels_of(connection)
        opened = open_target(channel, sealed_targets(connection)[channel.id], Vault(keyring.vault), {})
    assert (opened.url.reveal(), opened.secret.reveal()) == (WEBHOOK["target"], secret)
    assert not opened.private  # it came by API


def test_who_may_not_read_logs_has_none_delivered(client: TestClient, manager: Headers, keys: Keys) -> None:
    """A webhook that is told of logs is a way to read them all."""
    only_logs = {**WEBHOOK, "events": ["request_log"]}
    refused = client.post(CHANNELS, headers=manager, json=only_logs)
    assert (refused.status_code, "`read`" in refused.json()["detail"]) == (403, True)
    add(client, manager)
    assert client.patch(f"{CHANNELS}/ops", headers=manager, json={"events": ["request_log"]}).status_code == 403
    assert client.get(f"{CHANNELS}/ops", headers=manager).json()["events"] == []

    reader = bearer(keys.add(Scope.READ | Scope.MANAGE)[1])
    assert client.patch(f"{CHANNELS}/ops", headers=reader, json={"events": ["request_log"]}).status_code == 200
    assert client.patch(f"{CHANNELS}/ops", headers=manager, json={"enabled": False}).status_code == 403
    assert client.patch(f"{CHANNELS}/ops", headers=manager, json={"events": []}).status_code == 200


def test_a_secret_may_be_brought_and_slack_and_e_mail_have_none(client: TestClient, manager: Headers) -> None:
    assert add(client, manager, secret="mine")["secret"] == "mine"
    slack = add(client, manager, name="chat", kind="slack", target="https://hooks.slack.com/services/T0/canary")
    assert (slack["secret"], slack["target"]) == (None, "https://hooks.slack.com")
    mail = add(client, manager, name="mail", kind="email", target="a@x.test, b@x.test")
    assert (mail["secret"], mail["target"]) == (None, "a@x.test, b@x.test")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"target": "https://x.test/"}, "missing required field `name`"),
        (WEBHOOK | {"evnts": []}, "evnts"),
        (WEBHOOK | {"events": ["unheard_of"]}, "unheard_of"),
        (WEBHOOK | {"kind": "pigeon"}, "pigeon"),
        (WEBHOOK | {"target": "http://127.0.0.1:9/"}, "private address"),
        (WEBHOOK | {"target": "http://[::1]/"}, "private address"),
        (WEBHOOK | {"target": "http://169.254.169.254/latest"}, "not an address"),
        (WEBHOOK | {"target": "file:///etc/passwd"}, "https://"),
        (WEBHOOK | {"target": "https://me:canary@x.test/"}, "scheme, a host"),
        (WEBHOOK | {"target": "https://x.test/ä"}, "escaping"),
        (WEBHOOK | {"target": "https://x.test/\r\nhost: y"}, "spaces"),
        (WEBHOOK | {"kind": "slack", "events": ["request_log"]}, "webhooks only"),
        (WEBHOOK | {"kind": "email", "target": "a@x.test\nBcc: b@x.test"}, "no e-mail address"),
        (WEBHOOK | {"kind": "slack", "secret": "s"}, "only webhooks are signed"),
    ],
)
def test_what_makes_no_channel_is_refused_in_words(
    client: TestClient, manager: Headers, body: dict[str, Any], words: str
) -> None:
    answer = client.post(CHANNELS, headers=manager, json=body)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert "canary" not in answer.text or "canary" in str(body.get("target"))
    assert client.get(CHANNELS, headers=manager).json() == []


def test_a_channel_is_changed_and_removed(client: TestClient, manager: Headers) -> None:
    add(client, manager, events=["zero_cost"], environment="prod")
    path = f"{CHANNELS}/ops"
    changed = client.patch(path, headers=manager, json={"enabled": False, "environment": None}).json()
    assert (changed["enabled"], changed["environment"], changed["events"]) == (False, None, ["zero_cost"])
    assert client.patch(path, headers=manager, json={"events": None}).json()["events"] == []
    assert client.get(path, headers=manager).json() == client.patch(path, headers=manager, json={}).json()
    assert client.patch(path, headers=manager, json={"target": "https://y.test"}).status_code == 400
    assert client.delete(path, headers=manager).status_code == 204
    for answer in (client.get(path, headers=manager), client.delete(path, headers=manager)):
        assert answer.status_code == 404


@pytest.mark.parametrize("scopes", [DEFAULT_SCOPES, DEFAULT_SCOPES | Scope.READ, Scope.NATIVE | Scope.INGEST])
def test_all_of_it_takes_the_scope_manage(client: TestClient, keys: Keys, scopes: Scope) -> None:
    headers = bearer(keys.add(scopes)[1])
    for method, path in (
        ("GET", CHANNELS),
        ("POST", CHANNELS),
        ("GET", f"{CHANNELS}/x"),
        ("PATCH", f"{CHANNELS}/x"),
        ("DELETE", f"{CHANNELS}/x"),
        ("POST", f"{CHANNELS}/x/test"),
        ("GET", "/api/alerts"),
        ("GET", DELIVERIES),
        ("GET", f"{DELIVERIES}/x"),
        ("POST", f"{DELIVERIES}/x/redeliver"),
        ("GET", RULES),
        ("PATCH", RULES),
    ):
        assert client.request(method, path, headers=headers).status_code == 403
        assert client.request(method, path).status_code == 401


def test_what_was_told_is_listed_and_told_again(
    client: TestClient, manager: Headers, keys: Keys, home: Home, logs: LogStore
) -> None:
    add(client, manager)
    with ControlStore(home.control_db) as control, control.reading() as connection:
        channels = channels_of(connection)
    with logs.writing() as connection:
        for number in range(3):
            alert = Alert(
                organization_id=keys.organization_id,
                event=Event.ZERO_COST,
                subject=str(number),
                message=f"alert {number}",
                data={"model": "m"},
            )
            assert raise_alert(connection, alert, channels, NOW + number * 1_000_000_000)
        other = Alert(organization_id="another", event=Event.ZERO_COST, subject="x", message="theirs", data={})
        raise_alert(connection, other, [], NOW)
        (first, *_) = claim_due(connection, channels[0].id, NOW, NOW + 1, 1)
        settle(connection, [Delivered(first, NOW, "it answered 500")])
    listed = client.get("/api/alerts", headers=manager).json()
    assert [one["message"] for one in listed] == ["alert 2", "alert 1", "alert 0"]
    page = client.get("/api/alerts", headers=manager, params={"limit": 2}).json()
    rest = client.get("/api/alerts", headers=manager, params={"before": page[-1]["id"]}).json()
    assert page + rest == listed
    (dead,) = client.get(DELIVERIES, headers=manager, params={"state": "dead"}).json()
    assert (dead["last_error"], dead["attempts"], dead["payload"]["message"]) == ("it answered 500", 1, "alert 0")
    assert len(client.get(DELIVERIES, headers=manager).json()) == 3
    assert client.get(DELIVERIES, headers=manager, params={"state": "odd"}).status_code == 422
    path = f"{DELIVERIES}/{dead['id']}"
    assert client.post(f"{path}/redeliver", headers=manager).status_code == 202
    again = client.get(path, headers=manager).json()
    assert (again["state"], again["attempts"], again["id"]) == (DeliveryState.PENDING, 0, dead["id"])
    assert client.post(f"{DELIVERIES}/nobody/redeliver", headers=manager).status_code == 404
    assert client.get(f"{DELIVERIES}/nobody", headers=manager).status_code == 404


def test_a_channel_is_tried_out(client: TestClient, manager: Headers) -> None:
    add(client, manager)
    answer = client.post(f"{CHANNELS}/ops/test", headers=manager)
    assert answer.status_code == 202
    delivery = client.get(f"{DELIVERIES}/{answer.json()['delivery_id']}", headers=manager).json()
    assert (delivery["event"], delivery["state"]) == ("test", "pending")
    assert delivery["payload"]["data"] == {"channel": "ops"}
    assert client.get("/api/alerts", headers=manager).json() == []


def test_rules_are_shown_and_changed_in_dollars(client: TestClient, manager: Headers) -> None:
    usual = client.get(RULES, headers=manager).json()
    assert usual == {
        "off": [],
        "error_percent": 50,
        "error_requests": 20,
        "error_minutes": 5,
        "anomaly_floor": 1.0,
        "anomaly_deviations": 6.0,
        "anomaly_ratio": 3.0,
    }
    changes = {"off": ["zero_cost"], "anomaly_floor": 0.5, "error_percent": 10}
    assert client.patch(RULES, headers=manager, json=changes).json() == usual | changes
    assert client.get(RULES, headers=manager).json() == usual | changes
    refused: list[Any] = [{"error_percent": 0}, {"anomaly_ratio": 1}, {"offf": []}, {"off": ["unheard_of"]}, [], None]
    for wrong in refused:
        answer = client.patch(RULES, headers=manager, content=json.dumps(wrong).encode())
        assert answer.status_code == 400


def test_alerts_before_one_that_is_not_there_are_none(client: TestClient, manager: Headers) -> None:
    answer = client.get("/api/alerts?before=nobody", headers=manager)
    assert (answer.status_code, answer.json()) == (200, [])
