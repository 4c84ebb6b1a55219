"""`gantry alerts`: channels, what was told by them, and when alerts are raised."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import UNSET
from msgspec.structs import asdict

from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import FROM_STDIN, home_option, json_option, split_text
from gantry.cli.table import print_table
from gantry.cli.when import iso
from gantry.console.alert_rules_form import AlertRulesForm, change_rules, known_rules, rules_item
from gantry.console.alerts import delivery_item
from gantry.console.channel_service import (
    ChannelChange,
    ChannelForm,
    change_by_form,
    channel_item,
    make_channel,
    new_channel_item,
    remove_by_hand,
    try_channel,
)
from gantry.core.alert import AlertRules, Event
from gantry.core.errors import CallerError
from gantry.core.vocabulary import Environment
from gantry.home import HomeError
from gantry.store.addresses import log_address
from gantry.store.alert_channels import ChannelKind, ChannelNotFound, channels_of, find_channel
from gantry.store.alerts import (
    DeliveryState,
    alerts_of,
    deliveries_of,
    find_delivery,
    redeliver,
)
from gantry.store.logs import LogStore
from gantry.store.vault import Vault

_TEST_SECONDS = 15.0
_PAUSE = 0.05
_LIMIT = click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
_EVENTS = click.option("--events", help="What it is told of, with commas between; `all` for what is usual.")
_ENVIRONMENT = click.option("--env", "environment", help="prod or test: of that environment only; `both` for either.")


@click.group()
def group() -> None:
    """Say who wants to hear of what, and see what was told."""


@group.group()
def channels() -> None:
    """Webhooks, Slack and e-mail addresses that alerts are delivered to."""


@channels.command()
@click.argument("name")
@click.argument("target")
@home_option
@click.option("--kind", type=click.Choice(ChannelKind, case_sensitive=False), help="[default: by TARGET]")
@click.option("--secret", help="What signs for a webhook; `-` reads it from stdin. Without it, one is made.")
@_EVENTS
@_ENVIRONMENT
@json_option
def add(
    name: str,
    target: str,
    home: Path,
    kind: ChannelKind | None,
    secret: str | None,
    events: str | None,
    environment: str | None,
    as_json: bool,
) -> None:
    """Add a channel. TARGET is a webhook's URL, one of Slack's, or e-mail addresses; `-` reads it from stdin.

    A webhook's secret is the last line of stdout, and is not shown again.
    """
    if target == FROM_STDIN and secret == FROM_STDIN:
        raise click.UsageError("only one of TARGET and --secret can be read from stdin")
    target = sys.stdin.read().strip() if target == FROM_STDIN else target
    form = ChannelForm(
        name=name,
        kind=kind or _likely_kind(target),
        target=target,
        secret=sys.stdin.read().strip() if secret == FROM_STDIN else secret,
        events=_read_events(events) or (),
        environment=_read_environment(environment),
    )
    with _opened(home) as opened:
        with opened.control.changing() as change:
            vault = Vault(opened.keyring.vault)
            made, given = make_channel(change, vault, opened.organization_id, form, private=True)
    if as_json:
        click.echo(msgspec.json.encode(new_channel_item(made, given)))
        return
    click.echo(f"Alerts are told to {made.target} as {made.name} ({made.kind}).", err=True)
    if given is not None:
        click.echo("The secret that signs for it, shown this once:", err=True)
        click.echo(given.reveal())


@channels.command(name="list")
@home_option
@json_option
def list_channels(home: Path, as_json: bool) -> None:
    """List the channels, without their secrets."""
    with _opened(home) as opened, opened.control.reading() as connection:
        found = channels_of(connection, opened.organization_id)
    if as_json:
        click.echo(msgspec.json.encode([channel_item(one) for one in found]))
        return
    print_table(
        ("NAME", "KIND", "TARGET", "EVENTS", "ENV", "ENABLED", "MANAGED BY"),
        [
            (
                one.name,
                one.kind,
                one.target,
                ",".join(one.events) or "all",
                one.environment or "both",
                "yes" if one.enabled else "no",
                one.managed_by or "",
            )
            for one in found
        ],
    )


@channels.command(name="set")
@click.argument("name")
@home_option
@_EVENTS
@_ENVIRONMENT
@click.option("--enable/--disable", "enabled", default=None, help="Whether it is told anything.")
def change(name: str, home: Path, events: str | None, environment: str | None, enabled: bool | None) -> None:
    """Change what a channel is told of; what is not given stays."""
    form = ChannelChange(
        events=UNSET if events is None else _read_events(events),
        environment=UNSET if environment is None else _read_environment(environment),
        enabled=UNSET if enabled is None else enabled,
    )
    with _opened(home) as opened, opened.control.changing() as made:
        change_by_form(made, find_channel(made.connection, opened.organization_id, name), form)


@channels.command()
@click.argument("name")
@home_option
def remove(name: str, home: Path) -> None:
    """Remove a channel. What is on its way to it is given up."""
    with _opened(home) as opened, opened.control.changing() as made:
        remove_by_hand(made, find_channel(made.connection, opened.organization_id, name))


@channels.command()
@click.argument("name")
@home_option
def test(name: str, home: Path) -> None:
    """Deliver a test to a channel, and say what became of it. Exit status 1 when it did not arrive."""
    with _opened(home) as opened, _logs_of(opened) as logs:
        with opened.control.reading() as connection:
            channel = find_channel(connection, opened.organization_id, name)
        if not channel.enabled:
            raise click.ClickException(f"{name} is disabled; `gantry alerts channels set {name} --enable`")
        with logs.writing() as connection:
            delivery_id = try_channel(connection, channel, time.time_ns())
        if not _has_clerk(opened):
            click.echo("No gateway is running here: it is delivered when `gantry serve` starts.", err=True)
            return
        click.echo(_outcome(logs, opened.organization_id, delivery_id), err=True)


@group.command(name="list")
@home_option
@_LIMIT
@json_option
def list_alerts(home: Path, limit: int, as_json: bool) -> None:
    """List the alerts that were raised, the newest first."""
    with _opened(home) as opened, _logs_of(opened) as logs, logs.reading() as connection:
        found = alerts_of(connection, opened.organization_id, limit)
    if as_json:
        click.echo(msgspec.json.encode([msgspec.Raw(one.payload.encode()) for one in found]))
        return
    rows = [(iso(one.raised_at) or "", one.event, one.environment or "", one.message) for one in found]
    print_table(("RAISED AT", "EVENT", "ENV", "MESSAGE"), rows)


@group.command(name="deliveries")
@home_option
@click.option("--dead", is_flag=True, help="Only those that were given up.")
@_LIMIT
@json_option
def list_deliveries(home: Path, dead: bool, limit: int, as_json: bool) -> None:
    """List deliveries, the newest first. A log's goes when it is delivered."""
    with _opened(home) as opened, _logs_of(opened) as logs:
        with logs.reading() as connection:
            wanted = DeliveryState.DEAD if dead else None
            found = deliveries_of(connection, opened.organization_id, limit, wanted)
        with opened.control.reading() as connection:
            names = {one.id: one.name for one in channels_of(connection, opened.organization_id)}
    if as_json:
        click.echo(msgspec.json.encode([delivery_item(one) for one in found]))
        return
    print_table(
        ("ID", "CHANNEL", "EVENT", "STATE", "ATTEMPTS", "CREATED AT", "LAST ERROR"),
        [
            (
                one.id,
                names.get(one.channel_id, one.channel_id),
                one.event,
                one.state,
                str(one.attempts),
                iso(one.created_at) or "",
                one.last_error or "",
            )
            for one in found
        ],
    )


@group.command(name="redeliver")
@click.argument("delivery_ids", metavar="ID...", nargs=-1, required=True)
@home_option
def redeliver_some(delivery_ids: tuple[str, ...], home: Path) -> None:
    """Have deliveries tried again at once, as often as new ones."""
    with _opened(home) as opened, _logs_of(opened) as logs:
        with logs.writing() as connection:
            count = redeliver(connection, opened.organization_id, delivery_ids, time.time_ns())
    if count < len(set(delivery_ids)):
        raise click.ClickException(f"{count} of {len(set(delivery_ids))} are there; see `gantry alerts deliveries`")
    click.echo(f"{count} will be delivered again.", err=True)


@group.command()
@home_option
@click.option("--off", metavar="EVENTS", help="What is not raised at all, with commas between; `none` for nothing.")
@click.option("--error-percent", type=click.IntRange(1, 100), help="Of a deployment's last calls that failed.")
@click.option("--error-requests", type=click.IntRange(1, 1_000_000), help="Calls, fewer of which tell nothing.")
@click.option("--error-minutes", type=click.IntRange(1, 60), help="That the last calls are of.")
@click.option("--anomaly-floor", type=click.FloatRange(0, 1e9), help="USD an hour that nobody needs to hear of.")
@click.option("--anomaly-deviations", type=click.FloatRange(0, 1e6, min_open=True), help="From what is usual.")
@click.option("--anomaly-ratio", type=click.FloatRange(1, 1e6, min_open=True), help="To the highest of four weeks.")
@json_option
def rules(home: Path, as_json: bool, off: str | None, **numbers: Any) -> None:
    """Show when alerts are raised that have no limit of their own, and change what is given."""
    given = {name: value for name, value in numbers.items() if value is not None}
    if off is not None:
        given["off"] = () if off == "none" else _named_events(off)
    with _opened(home) as opened:
        held = _change_rules(opened, given)
    item = rules_item(held)
    if as_json:
        click.echo(msgspec.json.encode(item))
        return
    for name, value in asdict(item).items():
        click.echo(f"{name}: {', '.join(value) if isinstance(value, tuple) else value}")


def _change_rules(opened: OpenHome, given: dict[str, Any]) -> AlertRules:
    if not given:
        with opened.control.reading() as connection:
            return known_rules(connection, opened.organization_id)
    with opened.control.changing() as made:
        return change_rules(made, opened.organization_id, AlertRulesForm(**given))


@contextmanager
def _opened(home: Path) -> Iterator[OpenHome]:
    """Open a home; what is refused inside becomes one line on stderr."""
    with open_home(home) as opened:
        try:
            yield opened
        except (CallerError, ChannelNotFound) as error:
            raise click.ClickException(str(error)) from error


@contextmanager
def _logs_of(opened: OpenHome) -> Iterator[LogStore]:
    logs = LogStore(log_address(opened.settings, opened.home))
    try:
        yield logs
    finally:
        logs.close()


def _has_clerk(opened: OpenHome) -> bool:
    try:
        opened.home.lock("clerk").release()
    except HomeError:
        return True
    return False


def _outcome(logs: LogStore, organization_id: str, delivery_id: str) -> str:
    """Wait for the first attempt, and return what there is to say of it."""
    deadline = time.monotonic() + _TEST_SECONDS
    while time.monotonic() < deadline:
        with logs.reading() as connection:
            delivery = find_delivery(connection, organization_id, delivery_id)
        if delivery is not None and delivery.state is DeliveryState.DELIVERED:
            return "It arrived."
        if delivery is not None and delivery.last_error is not None:
            raise click.ClickException(f"it did not arrive: {delivery.last_error}. It is tried again for a while.")
        time.sleep(_PAUSE)
    raise click.ClickException(f"nothing came of it within {_TEST_SECONDS:g} s; see `gantry alerts deliveries`")


def _likely_kind(target: str) -> ChannelKind:
    if "://" not in target:
        return ChannelKind.EMAIL
    return ChannelKind.SLACK if target.startswith("https://hooks.slack.com/") else ChannelKind.WEBHOOK


def _read_events(text: str | None) -> tuple[Event, ...] | None:
    return None if text is None or text == "all" else _named_events(text)


def _named_events(text: str) -> tuple[Event, ...]:
    try:
        return tuple(Event(one) for one in split_text(text))
    except ValueError as error:
        raise click.UsageError(f"{error}; events are {', '.join(Event)}") from None


def _read_environment(text: str | None) -> Environment | None:
    try:
        return None if text is None or text == "both" else Environment(text)
    except ValueError:
        raise click.UsageError(f"--env is prod, test or both, not {text}") from None
