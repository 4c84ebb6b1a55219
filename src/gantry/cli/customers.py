"""`gantry customers`: the callers' own customers: listed, shown, and what they may spend."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from gantry.clerk.erase import carry_out
from gantry.cli.opened import OpenHome, counters_of, open_home
from gantry.cli.options import home_option, json_option, organization_option
from gantry.cli.rules_writing import author
from gantry.cli.table import print_table
from gantry.cli.when import Ahead
from gantry.console.erasures import ErasureForm, erasure_item, erasure_of
from gantry.console.user_form import full_user_item, user_item
from gantry.console.users import SORTS
from gantry.core.audit_entry import AuditAction
from gantry.core.erasure import subject_digest
from gantry.core.limit_terms import customer_key
from gantry.core.limits import PPM
from gantry.core.money import nano_from_usd
from gantry.core.vocabulary import Environment
from gantry.dialects.customer_params import DURATIONS, MOST_MARKUP, MOST_REQUESTS, MOST_USD
from gantry.store.addresses import log_address
from gantry.store.customers import (
    FIELDS,
    Customer,
    CustomerQuery,
    change_customer,
    find_customer,
    page_of_customers,
    spent_in_period,
)
from gantry.store.erasures import add_erasure
from gantry.store.logs import LogStore
from gantry.store.organizations import find_organization

_NONE: Final = "none"
_HEAD: Final = ("CUSTOMER", "NAME", "REQUESTS", "TOKENS", "COST $", "DAYS", "LAST SEEN", "BUDGET $")
environment_option = click.option(
    "--env",
    "environment",
    type=click.Choice(Environment, case_sensitive=False),
    default=Environment.PROD,
    show_default=True,
)


class _Dollars(click.ParamType[Any]):
    """An amount, or `none`."""

    name = "dollars"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == _NONE:
            return _NONE
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            amount = Decimal("nan")
        if not (amount.is_finite() and 0 <= amount <= MOST_USD):
            self.fail(f"{value!r} is no amount of US dollars, and not `{_NONE}`", param, ctx)
        return nano_from_usd(amount)


@click.group()
def group() -> None:
    """List and show customers, and set what they may spend."""


@group.command(name="list")
@home_option
@organization_option
@environment_option
@click.option("--sort", default="-total_cost", show_default=True, help=f"One of {', '.join(SORTS)}; with - descending.")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True)
@json_option
def list_customers(
    home: Path, organization: str | None, environment: Environment, sort: str, limit: int, page: int, as_json: bool
) -> None:
    """List the customers, the dearest first."""
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise click.BadParameter(f"choose one of {', '.join(SORTS)}", param_hint="--sort")
    with _opened(home, organization) as (opened, logs), logs.reading() as connection:
        query = CustomerQuery(
            organization_id=opened.organization_id,
            environment=environment,
            sort_by=FIELDS[name],
            descending=sort.startswith("-"),
            page=page,
            page_size=limit,
        )
        found = page_of_customers(connection, query)
    items = [user_item(one, time.time_ns()) for one in found]
    if as_json:
        click.echo(msgspec.json.encode(items))
        return
    print_table(_HEAD, [_row(item) for item in items])


@group.command()
@click.argument("customer")
@home_option
@organization_option
@environment_option
def show(customer: str, home: Path, organization: str | None, environment: Environment) -> None:
    """Show a customer, as JSON, with what it has spent in its period."""
    with _opened(home, organization) as (opened, logs):
        with logs.reading() as connection:
            found = _known(find_customer(connection, opened.organization_id, environment, customer), customer)
        _print_full(opened, logs, found)


@group.command(name="set")
@click.argument("customer")
@home_option
@organization_option
@environment_option
@click.option("--name", help="What it is called.")
@click.option("--email")
@click.option("--budget", "period_budget", type=_Dollars(), help="US dollars for each period, or `none`.")
@click.option("--period", "budget_duration", type=click.Choice(tuple(DURATIONS)), help="The budget's period.")
@click.option("--total", "total_budget", type=_Dollars(), help="US dollars in all, or `none`.")
@click.option("--rate", "rate_limit", type=click.IntRange(0, MOST_REQUESTS), help="Requests a minute; 0 for no limit.")
@click.option("--markup", type=click.FloatRange(0, MOST_MARKUP), help="Per cent on top of what its calls cost.")
@click.option("--until", "period_end", type=Ahead(), help="When its budgets end: 30d, or 2026-12-31.")
def set_terms(
    customer: str,
    home: Path,
    organization: str | None,
    environment: Environment,
    markup: float | None,
    budget_duration: str | None,
    rate_limit: int | None,
    **given: Any,
) -> None:
    """Set what a customer may spend; what is not said stays. Traffic does not change it any more."""
    values = {name: None if value == _NONE else value for name, value in given.items() if value is not None}
    if markup is not None:
        values["markup_ppm"] = round(markup * (PPM // 100))
    if budget_duration is not None:
        values["budget_duration"] = DURATIONS[budget_duration].value
    if rate_limit is not None:
        values["rate_limit"] = rate_limit or None
    if not values:
        raise click.UsageError("say what is to be set; see --help")
    with _opened(home, organization) as (opened, logs):
        with logs.writing() as connection:
            mine = (opened.organization_id, environment, customer)
            changed = _known(change_customer(connection, *mine, values, time.time_ns()), customer)
        whose = subject_digest(opened.keyring.pepper, opened.organization_id, customer)
        detail = {"environment": environment, "fields": sorted(values)}
        opened.control.note(opened.organization_id, AuditAction.CUSTOMER_CHANGED, whose, **detail)
        with counters_of(opened) as counters:
            if counters is not None:  # a new one is filled from the store
                counters.put_customer(customer_key(*mine), changed.terms)
        _print_full(opened, logs, changed)


@group.command()
@click.argument("customer")
@home_option
@organization_option
@click.option(
    "--env", "environment", type=click.Choice(Environment, case_sensitive=False), help="Only in this environment."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(customer: str, home: Path, organization: str | None, environment: Environment | None, yes: bool) -> None:
    """Erase a customer: its logs, what was said in them, its row, its cached answers. Prints the receipt."""
    if not yes:
        click.confirm(f"Erase {customer!r} and all that was said for it?", abort=True)
    with _opened(home, organization) as (opened, logs):
        form = ErasureForm(customer, environment)
        erasure = erasure_of(form, opened.keyring.pepper, opened.organization_id, author(), time.time_ns())
        with logs.writing() as connection:
            add_erasure(connection, erasure)
        opened.control.note(opened.organization_id, AuditAction.ERASURE_MADE, erasure.id, environment=environment)
        done = carry_out(opened.home, opened.keyring, log_address(opened.settings, opened.home), erasure)
        click.echo(msgspec.json.format(msgspec.json.encode(erasure_item(done)), indent=2))
        if done.erased.finished_at is None:
            click.echo("It goes on; see it with GET /api/erasures/.", err=True)


@contextmanager
def _opened(home: Path, organization: str | None) -> Iterator[tuple[OpenHome, LogStore]]:
    with open_home(home, organization) as opened:
        logs = LogStore(log_address(opened.settings, opened.home))
        try:
            yield opened, logs
        finally:
            logs.close()


def _known(customer: Customer | None, text: str) -> Customer:
    if customer is None:
        raise click.ClickException(f"no customer is known as {text!r} there; see `gantry customers list`")
    return customer


def _print_full(opened: OpenHome, logs: LogStore, customer: Customer) -> None:
    now = time.time_ns()
    with logs.reading() as connection:
        spent = spent_in_period(connection, customer, now)
    with opened.control.reading() as connection:
        name = find_organization(connection, customer.organization_id).name
    click.echo(msgspec.json.format(msgspec.json.encode(full_user_item(customer, name, spent, now))))


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    budget = item["period_budget"]
    return (
        item["customer_identifier"],
        item["name"] or "",
        f"{item['number_of_requests']:,}",
        f"{item['total_tokens']:,}",
        f"{item['total_cost']:,.4f}",
        str(item["active_days"]),
        item["last_active_timeframe"][:19],
        "" if budget is None else f"{budget:g} {item['budget_duration'] or 'monthly'}",
    )
