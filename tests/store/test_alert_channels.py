"""Channels as they are kept: what opens a target is sealed for its place, and nothing of it is shown."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update

from gantry.core.alert import USUAL_EVENTS, Event
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.home import Keyring
from gantry.store.alert_channels import (
    Channel,
    ChannelKind,
    ChannelNotFound,
    ChannelRefused,
    ChannelUnusable,
    NewChannel,
    Opening,
    add_channel,
    change_channel,
    channels_of,
    find_channel,
    open_target,
    remove_channels,
    sealed_targets,
)
from gantry.store.alert_rules import AlertRulesUnreadable, alert_rules, put_alert_rules
from gantry.store.control import ControlStore, default_organization, put_setting
from gantry.store.control_tables import alert_channels
from gantry.store.vault import Vault
from tests.postgresql import needs_sqlite

VAULT = Vault(Keyring(b"m" * 32).vault)
OPENING = Opening(url=Secret("https://x.test/canary-path"), secret=Secret("canary-secret"), private=True)


def add(control: ControlStore, name: str = "ops", **fields: Any) -> Channel:
    values: dict[str, Any] = {"kind": ChannelKind.WEBHOOK, "target": "https://x.test/…", "opening": OPENING}
    with control.changing() as change:
        organization_id = default_organization(change.connection)
        return add_channel(change, VAULT, organization_id, NewChannel(name=name, **(values | fields)))


def sealed_of(control: ControlStore, channel: Channel) -> bytes | None:
    with control.reading() as connection:
        return sealed_targets(connection).get(channel.id)


def test_a_channel_is_kept_as_it_was_added_and_sealed_for_its_place(control: ControlStore) -> None:
    one = add(control, events=(Event.ZERO_COST,), environment=Environment.TEST)
    two = add(control, "two")
    with control.reading() as connection:
        assert channels_of(connection) == [one, two]
        assert find_channel(connection, one.organization_id, "ops") == one
        assert find_channel(connection, one.organization_id, two.id) == two
        with pytest.raises(ChannelNotFound):
            find_channel(connection, "another", "ops")
        assert b"canary" not in repr(connection.execute(select(alert_channels)).all()).encode()
    sealed = sealed_of(control, one)
    opened = open_target(one, sealed, VAULT, {})
    assert (opened.url, opened.secret, opened.private) == (OPENING.url, OPENING.secret, True)
    with pytest.raises(ChannelUnusable, match="does not open"):
        open_target(two, sealed, VAULT, {})  # moved to another row
    with pytest.raises(ChannelUnusable, match="nothing is sealed"):
        open_target(one, None, VAULT, {})


def test_what_the_environment_holds_is_read_there_each_time(control: ControlStore) -> None:
    one = add(control, opening=Opening(url_variable="URL", secret_variable="SECRET"))
    sealed = sealed_of(control, one)
    opened = open_target(one, sealed, VAULT, {"URL": " https://y.test/ ", "SECRET": "s"})
    assert (opened.url.reveal(), opened.secret.reveal()) == ("https://y.test/", "s")
    with pytest.raises(ChannelUnusable, match=r"\$SECRET is not set"):
        open_target(one, sealed, VAULT, {"URL": "https://y.test/", "SECRET": " "})


def test_a_channel_is_changed_and_removed(control: ControlStore) -> None:
    one = add(control)
    with control.changing() as change:
        changed = replace(one, events=(Event.TEST,), environment=Environment.PROD, enabled=False, updated_at=change.now)
        change_channel(change, changed)
        assert channels_of(change.connection) == [changed]
    assert open_target(changed, sealed_of(control, one), VAULT, {}).secret == OPENING.secret
    with control.changing() as change:
        remove_channels(change, [one])
        assert channels_of(change.connection) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "ops"}, "already"),
        ({"name": " "}, "a name"),
        ({"name": "a\nb"}, "a name"),
        ({"kind": ChannelKind.SLACK, "events": (Event.REQUEST_LOG,)}, "webhooks only"),
        ({"kind": ChannelKind.EMAIL, "target": "nobody", "opening": None}, "no e-mail address"),
        ({"kind": ChannelKind.EMAIL, "target": " , ", "opening": None}, "no e-mail address"),
        ({"kind": ChannelKind.EMAIL, "target": "a@b.test\r\nBcc: c@d.test", "opening": None}, "no e-mail address"),
    ],
)
def test_what_makes_no_sense_is_refused(control: ControlStore, fields: dict[str, Any], words: str) -> None:
    add(control)
    with pytest.raises(ChannelRefused, match=words):
        add(control, **({"name": "new"} | fields))
    with control.reading() as connection:
        assert len(channels_of(connection)) == 1


def test_events_of_a_newer_version_are_not_all_events(control: ControlStore) -> None:
    one = add(control)
    for written, wanted in (('["from_the_future"]', ()), ('["from_the_future", "zero_cost"]', (Event.ZERO_COST,))):
        with control.changing() as change:
            change.connection.execute(update(alert_channels).values(events=written))
            (found,) = channels_of(change.connection)
        heard = [event for event in Event if found.wants(one.organization_id, event, None)]
        assert tuple(heard) == wanted
    assert all(one.wants(one.organization_id, event, None) for event in USUAL_EVENTS)
    assert not one.wants(one.organization_id, Event.REQUEST_LOG, None)


def test_rules_are_the_usual_ones_until_they_are_set(control: ControlStore) -> None:
    with control.changing() as change:
        organization_id = default_organization(change.connection)
        usual = alert_rules(change.connection, organization_id)
        put_alert_rules(change, organization_id, replace(usual, off=(Event.ZERO_COST,), anomaly_floor=7))
    with control.changing() as change:
        assert alert_rules(change.connection, organization_id) == replace(
            usual, off=(Event.ZERO_COST,), anomaly_floor=7
        )
        put_setting(change, organization_id, "alerts", {"from_the_future": 1})
        with pytest.raises(AlertRulesUnreadable):
            alert_rules(change.connection, organization_id)


@needs_sqlite
def test_the_file_of_the_store_holds_no_canary(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    with ControlStore(path) as control:
        add(control)
    found = [file.name for file in tmp_path.iterdir() if b"canary" in file.read_bytes()]
    assert found == []
    assert b"ops" in path.read_bytes() + (path.with_name("control.db-wal").read_bytes() if path.with_name("control.db-wal").exists() else b"")  # fmt: skip  # noqa: E501
