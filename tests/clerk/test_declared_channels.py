"""Declared channels: applied where they differ, gone when no longer declared, their secrets only where they belong."""

from pathlib import Path
from typing import Any

import pytest

from gantry.clerk.declared_channels import apply_declared_channels
from gantry.console.channel_service import ChannelChange, ChannelForm, change_by_form, make_channel, remove_by_hand
from gantry.core.alert import Event
from gantry.core.errors import Forbidden
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.home import Home, Keyring
from gantry.settings import DeclaredChannel, SettingsError, load_settings
from gantry.store.alert_channels import Channel, ChannelKind, channels_of, open_target, sealed_targets
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import ManagedBy
from gantry.store.vault import Vault
from tests.store.conftest import address, control, postgres_server

__all__ = ["address", "control", "postgres_server"]

VAULT = Vault(Keyring(b"m" * 32).vault)
ENVIRON = {"HOOK": "https://hooks.slack.com/services/T0/canary", "SIGN": "canary"}
WEBHOOK = DeclaredChannel(name="ops", url=Secret("https://x.test/hook?k=canary"), secret=Secret("canary"))
SLACK = DeclaredChannel(name="chat", kind="slack", url_env="HOOK", events=(Event.ZERO_COST,))
MAIL = DeclaredChannel(name="mail", kind="email", to=("a@x.test", "b@x.test"), environment=Environment.PROD)


def apply(control: ControlStore, *declared: DeclaredChannel) -> tuple[list[Channel], list[str]]:
    problems = apply_declared_channels(control, VAULT, declared, ENVIRON)
    with control.reading() as connection:
        return channels_of(connection), problems


def test_what_is_declared_is_there_and_again_it_changes_nothing(control: ControlStore) -> None:
    found, problems = apply(control, WEBHOOK, SLACK, MAIL)
    assert problems == []
    assert [(one.name, one.kind, one.target) for one in found] == [
        ("chat", ChannelKind.SLACK, "https://hooks.slack.com"),
        ("mail", ChannelKind.EMAIL, "a@x.test, b@x.test"),
        ("ops", ChannelKind.WEBHOOK, "https://x.test/hook?…"),
    ]
    assert {one.managed_by for one in found} == {ManagedBy.FILE}
    slack, mail, webhook = found
    assert (slack.events, mail.environment) == ((Event.ZERO_COST,), Environment.PROD)
    with control.reading() as connection:
        sealed = sealed_targets(connection)
    assert open_target(webhook, sealed[webhook.id], VAULT, {}).secret.reveal() == "canary"
    assert open_target(slack, sealed[slack.id], VAULT, ENVIRON).url.reveal() == ENVIRON["HOOK"]
    assert mail.id not in sealed
    version = control.version()
    assert apply(control, WEBHOOK, SLACK, MAIL)[0] == found
    assert control.version() == version


def test_what_differs_is_replaced_under_its_id_and_what_is_gone_goes(control: ControlStore) -> None:
    (_, before), _ = apply(control, WEBHOOK, SLACK)
    rotated = DeclaredChannel(name="ops", url=WEBHOOK.url, secret_env="SIGN")
    (after,), _ = apply(control, rotated)
    assert (after.id, after.created_at) == (before.id, before.created_at)
    assert apply(control)[0] == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (DeclaredChannel(name="x"), "either url or url_env"),
        (DeclaredChannel(name="x", url=Secret("https://x.test")), "either secret or secret_env"),
        (DeclaredChannel(name="x", url=Secret("https://x.test"), url_env="HOOK", secret=Secret("s")), "either url"),
        (DeclaredChannel(name="x", kind="slack", url_env="NOT_SET"), "$NOT_SET is not set"),
        (DeclaredChannel(name="x", kind="slack", url_env="HOOK", secret=Secret("s")), "is not signed"),
        (DeclaredChannel(name="x", kind="email"), "no e-mail address"),
        (DeclaredChannel(name="x", kind="email", to=("a@x.test",), url_env="HOOK"), "neither url nor secret"),
        (DeclaredChannel(name="x", kind="slack", url_env="HOOK", to=("a@x.test",)), "is for e-mail"),
        (DeclaredChannel(name="x", kind="slack", url=Secret("ftp://x.test/canary")), "must start with https://"),
        (DeclaredChannel(name="x", kind="slack", url=Secret("http://169.254.169.254/canary")), "not an address"),
        (DeclaredChannel(name="ops", url=WEBHOOK.url, secret=Secret("s")), "already"),
    ],
)
def test_what_cannot_be_used_is_said_and_refuses_nothing_else(
    control: ControlStore, entry: DeclaredChannel, words: str
) -> None:
    found, problems = apply(control, WEBHOOK, entry)
    assert [one.name for one in found] == ["ops"]
    (problem,) = problems
    assert problem.startswith("gantry.toml: alert_channels[1]: ")
    assert words in problem
    assert "canary" not in problem


def test_what_people_added_is_not_touched_and_theirs_is_not_ours_to_change(control: ControlStore) -> None:
    form = ChannelForm(name="ops", target="https://y.test/")
    with control.changing() as change:
        by_hand, _ = make_channel(change, VAULT, default_organization(change.connection), form, private=False)
    found, problems = apply(control, WEBHOOK, SLACK)
    assert len(problems) == 1
    assert found[0] == by_hand
    with control.changing() as change:
        with pytest.raises(Forbidden, match=r"declared in gantry\.toml"):
            change_by_form(change, found[1], ChannelChange(enabled=False))
        with pytest.raises(Forbidden):
            remove_by_hand(change, found[1])


def read(tmp_path: Path, text: str) -> Any:
    home = Home(tmp_path)
    home.config.write_text(text)
    return load_settings(home, {}, {})


def test_the_file_is_read_and_what_it_misspells_is_said(tmp_path: Path) -> None:
    text = """
    smtp_url = "smtp://me:canary@mail.test"
    smtp_from = "g@x.test"
    [[alert_channels]]
    name = "ops"
    url = "https://x.test/"
    secret_env = "SIGN"
    events = ["limit_threshold", "request_log"]
    environment = "prod"
    """
    settings, declared = read(tmp_path, text)
    assert declared.alert_channels == (
        DeclaredChannel(
            name="ops",
            url=Secret("https://x.test/"),
            secret_env="SIGN",
            events=(Event.LIMIT_THRESHOLD, Event.REQUEST_LOG),
            environment=Environment.PROD,
        ),
    )
    assert "canary" not in repr(settings)
    with pytest.raises(SettingsError, match=r"no setting 'alert_channels\[0\]\.evnts'; did you mean 'events'"):
        read(tmp_path, '[[alert_channels]]\nname = "x"\nevnts = []')
    with pytest.raises(SettingsError, match="alert_channels"):
        read(tmp_path, '[[alert_channels]]\nname = "x"\nevents = ["unheard_of"]')
