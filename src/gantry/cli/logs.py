"""`gantry logs`: request logs, read from the store directly. With `--json` each line is one object."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep as pause
from typing import Any

import click
import msgspec

from gantry.cli.log_view import line_of, view_log
from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option, json_option, organization_option
from gantry.cli.waterfall import waterfall_of
from gantry.cli.when import Ago
from gantry.console.filter_grammar import read_filters
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment
from gantry.dialects.posted import log_id_of
from gantry.store.addresses import log_address
from gantry.store.log_filter import AllOf, Filter, FilterRefused, Kind, field_named, parts_of
from gantry.store.log_query import MAX_PAGE_SIZE
from gantry.store.logs import LogQuery, LogStore

_FOLLOW_EVERY = 0.5  # seconds


@click.group()
def group() -> None:
    """Read request logs."""


@group.command(name="list")
@home_option
@organization_option
@click.option(
    "--env", "environment", type=click.Choice(Environment, case_sensitive=False), help="Only this environment."
)
@click.option("--since", type=Ago(), help="Not older than: 1h, or 2026-12-31T18:00:00Z.")
@click.option("--until", type=Ago(), help="Older than.")
@click.option("--model", help="Only this model.")
@click.option("--customer", help="Only this customer.")
@click.option("--outcome", help="Only this outcome: success, upstream_error, …")
@click.option("--where", multiple=True, metavar="FIELD=VALUE", help="Any field, or metadata__NAME; repeat it.")
@click.option("--filter", "filters", metavar="JSON", help="The `filters` of the log API, as JSON.")
@click.option("--search", help="Words that the input or output says.")
@click.option("--sort", default="-id", show_default=True, help="A field; with - the largest first.")
@click.option("-n", "--limit", type=click.IntRange(1, MAX_PAGE_SIZE), default=20, show_default=True)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True)
@json_option
def list_logs(
    home: Path,
    organization: str | None,
    environment: Environment | None,
    since: int | None,
    until: int | None,
    model: str | None,
    customer: str | None,
    outcome: str | None,
    where: tuple[str, ...],
    filters: str | None,
    search: str | None,
    sort: str,
    limit: int,
    page: int,
    as_json: bool,
) -> None:
    """List logs, the newest first."""
    named = {"model": model, "customer_identifier": customer, "outcome": outcome, **_conditions(where)}
    wanted: dict[str, Any] = {name: {"value": [value]} for name, value in named.items() if value is not None}
    if search is not None:
        wanted["search"] = {"operator": "full_text_search", "value": [search]}
    order = sort.removeprefix("-")
    try:
        query = LogQuery(
            organization_id="",
            environment=environment,
            since=since,
            until=until,
            filters=_read(wanted, filters),
            sort_by=None if order == "id" else field_named(order),
            descending=sort.startswith("-"),
            page=page,
            page_size=limit,
        )
    except FilterRefused as error:
        raise click.ClickException(str(error)) from error
    if query.sort_by is not None and query.sort_by.kind is Kind.SAID:
        raise click.ClickException(f"logs cannot be sorted by {order}")
    with open_logs(home, organization) as (opened, logs):
        found = logs.page(msgspec.structs.replace(query, organization_id=opened.organization_id))
    _print(found.logs, as_json)
    click.echo(f"{len(found.logs)} of {'' if found.exact else 'at least '}{found.count}", err=True)


@group.command()
@click.argument("log_id")
@home_option
@organization_option
def show(log_id: str, home: Path, organization: str | None) -> None:
    """Show one log with all that was said, as JSON; and, beside it on stderr, its attempts with why each was made.

    LOG_ID is what answers carry, or the `unique_id` of a log that was posted, or the id that an imported one had.
    """
    with open_logs(home, organization) as (opened, logs):
        owner = opened.organization_id
        log = logs.find(owner, log_id) or logs.find(owner, log_id_of(owner, log_id))
    if log is None:
        raise click.ClickException(f"no log has the id {log_id!r}; a call just made is stored within a second")
    click.echo(msgspec.json.format(msgspec.json.encode(view_log(log)), indent=2))
    for line in waterfall_of(log):
        click.echo(line, err=True)


@group.command()
@home_option
@organization_option
@click.option("-n", "--lines", type=click.IntRange(0, MAX_PAGE_SIZE), default=20, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is stored from now, until interrupted.")
@json_option
def tail(home: Path, organization: str | None, lines: int, follow: bool, as_json: bool) -> None:
    """Print the logs stored last, in the order in which they were stored."""
    with open_logs(home, organization) as (opened, logs):
        found, mark = logs.tail(opened.organization_id, limit=max(lines, 1))
        _print(found if lines else [], as_json)
        try:
            while follow:
                pause(_FOLLOW_EVERY)
                found, mark = logs.tail(opened.organization_id, after=mark)
                _print(found, as_json)
        except KeyboardInterrupt:
            pass


@contextmanager
def open_logs(path: Path, organization: str | None = None) -> Iterator[tuple[OpenHome, LogStore]]:
    with open_home(path, organization) as opened:
        logs = LogStore(log_address(opened.settings, opened.home))
        try:
            yield opened, logs
        except BrokenPipeError:  # `| head` has seen enough
            os._exit(0)
        finally:
            logs.close()


def _print(logs: list[RequestLog], as_json: bool) -> None:
    for log in logs:
        click.echo(msgspec.json.encode(view_log(log)) if as_json else line_of(log))


def _read(wanted: dict[str, Any], filters: str | None) -> Filter:
    """Return both as one filter. Raises FilterRefused."""
    if filters is None:
        return read_filters(wanted, str)
    try:
        given = msgspec.json.decode(filters, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise click.UsageError(f'--filter takes JSON like {{"cost": {{…}}}}: {error}') from error
    return AllOf((*parts_of(read_filters(wanted, str)), read_filters(given, str)))


def _conditions(where: tuple[str, ...]) -> dict[str, str]:
    conditions = {}
    for condition in where:
        name, equals, value = condition.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--where takes FIELD=VALUE, not {condition!r}")
        conditions[name] = value
    return conditions
