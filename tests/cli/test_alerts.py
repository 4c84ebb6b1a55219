"""`gantry alerts`, on a home without a gateway."""

import json
from pathlib import Path

import pytest

from gantry.core.alert import Alert, Event
from gantry.core.secret import Secret
from gantry.home import Home, load_keyring
from gantry.store.alert_channels import channels_of, open_target, sealed_targets
from gantry.store.alerts import Delivered, claim_due, raise_alert, settle
from gantry.store.control import ControlStore, default_organization
from gantry.store.logs import LogStore
from gantry.store.vault import Vault
from tests.cli.conftest import Run


def test_a_webhook_is_added_with_a_secret_shown_once_and_may_be_private(run: Run, home_path: Path) -> None:
    added = run("alerts", "channels", "add", "ops", "http://10.0.0.7/h?k=canary", "--events", "zero_cost,request_log")
    secret = added.stdout.strip()
    assert secret.startswith("whsec_")
    assert "canary" not in added.output
    listed = run("alerts", "channels", "list").stdout
    assert "http://10.0.0.7/h?…" in listed
    assert "zero_cost,request_log" in listed
    assert secret not in listed
    home = Home(home_path)
    with ControlStore(home.control_db) as control, control.reading() as connection:
        (channel,) = channels_of(connection)
        opened = open_target(channel, sealed_targets(connection)[channel.id], Vault(load_keyring(home).vault), {})
    assert opened.secret == Secret(secret)
    assert opened.private


def test_the_kind_is_seen_by_the_target_and_secrets_come_by_stdin(run: Run) -> None:
    run("alerts", "channels", "add", "chat", "-", stdin="https://hooks.slack.com/services/T0/canary\n")
    run("alerts", "channels", "add", "mail", "a@x.test", "--env", "prod")
    brought = run("alerts", "channels", "add", "own", "https://x.test/", "--secret", "-", "--json", stdin="mine\n")
    assert json.loads(brought.stdout)["secret"] == "mine"
    items = json.loads(run("alerts", "channels", "list", "--json").stdout)
    assert [(one["name"], one["kind"], one["target"], one["environment"]) for one in items] == [
        ("chat", "slack", "https://hooks.slack.com", None),
        ("mail", "email", "a@x.test", "prod"),
        ("own", "webhook", "https://x.test/", None),
    ]


def test_a_channel_is_changed_and_removed(run: Run) -> None:
    run("alerts", "channels", "add", "ops", "https://x.test/", "--events", "zero_cost")
    run("alerts", "channels", "set", "ops", "--disable", "--env", "test", "--events", "all")
    (item,) = json.loads(run("alerts", "channels", "list", "--json").stdout)
    assert (item["enabled"], item["environment"], item["events"]) == (False, "test", [])
    run("alerts", "channels", "set", "ops", "--enable")
    assert "no channel has the id or name 'nobody'" in run("alerts", "channels", "remove", "nobody", code=1).output
    run("alerts", "channels", "remove", "ops")
    assert json.loads(run("alerts", "channels", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("ops", "https://x.test/", "--events", "unheard_of"), 2, "events are limit_threshold"),
        (("ops", "https://x.test/", "--env", "staging"), 2, "prod, test or both"),
        (("ops", "-", "--secret", "-"), 2, "only one of"),
        (("ops", "nobody"), 1, "no e-mail address"),
        (("ops", "http://169.254.169.254/"), 1, "not an address"),
        (("ops", "https://hooks.slack.com/x", "--secret", "s"), 1, "only webhooks are signed"),
    ],
)
def test_what_makes_no_channel_is_said(run: Run, arguments: tuple[str, ...], code: int, words: str) -> None:
    assert words in run("alerts", "channels", "add", *arguments, code=code).output


def test_what_was_told_is_listed_and_told_again(run: Run, home_path: Path) -> None:
    run("alerts", "channels", "add", "ops", "https://x.test/")
    home = Home(home_path)
    with ControlStore(home.control_db) as control, control.reading() as connection:
        channels, organization_id = channels_of(connection), default_organization(connection)
    logs = LogStore(home.logs_db)
    alert = Alert(organization_id=organization_id, event=Event.ZERO_COST, subject="1", message="hear", data={"a": 1})
    with logs.writing() as connection:
        raise_alert(connection, alert, channels, 5)
        claimed = claim_due(connection, channels[0].id, 10, 20, 1)
        settle(connection, [Delivered(one, 10, "it answered 500") for one in claimed])
    logs.close()
    assert "hear" in run("alerts", "list").stdout
    assert json.loads(run("alerts", "list", "--json").stdout)[0]["data"] == {"a": 1}
    dead = json.loads(run("alerts", "deliveries", "--dead", "--json").stdout)
    assert [(one["state"], one["last_error"]) for one in dead] == [("dead", "it answered 500")]
    assert "ops" in run("alerts", "deliveries", "--dead").stdout
    assert "1 will be delivered again" in run("alerts", "redeliver", dead[0]["id"]).output
    assert json.loads(run("alerts", "deliveries", "--dead", "--json").stdout) == []
    assert "0 of 1 are there" in run("alerts", "redeliver", "nobody", code=1).output


def test_a_test_waits_for_a_gateway(run: Run) -> None:
    run("alerts", "channels", "add", "ops", "https://x.test/")
    assert "No gateway is running here" in run("alerts", "channels", "test", "ops").output
    (delivery,) = json.loads(run("alerts", "deliveries", "--json").stdout)
    assert (delivery["event"], delivery["state"]) == ("test", "pending")
    run("alerts", "channels", "set", "ops", "--disable")
    assert "is disabled" in run("alerts", "channels", "test", "ops", code=1).output


def test_rules_are_shown_and_changed(run: Run) -> None:
    assert "error_percent: 50" in run("alerts", "rules").stdout
    changed = run("alerts", "rules", "--off", "zero_cost", "--anomaly-floor", "0.25", "--json").stdout
    assert (json.loads(changed)["off"], json.loads(changed)["anomaly_floor"]) == (["zero_cost"], 0.25)
    assert json.loads(run("alerts", "rules", "--off", "none", "--json").stdout)["off"] == []
    assert "events are" in run("alerts", "rules", "--off", "unheard_of", code=2).output
