"""`gantry route explain`: where a call would go now, and why. Nobody is called.

Law: the plan is the gateway's own, by what its workers route by or, while none runs, by what the store holds. How
deployments stand is read from the machine's board. What only a worker knows, its calls under way and their latency, is
not seen from here.
"""

import os
import time
from pathlib import Path
from random import Random
from typing import Any

import click
import msgspec
from msgspec import Struct

from gantry.board.health import HealthBook, opened_health
from gantry.clerk.granted import GrantedCredits
from gantry.clerk.publish import Publisher, published_snapshot
from gantry.cli.live import is_running
from gantry.cli.opened import OpenHome, open_home, store_address
from gantry.cli.options import home_option, json_option
from gantry.cli.table import print_table
from gantry.cli.waterfall import why
from gantry.core.errors import GatewayError
from gantry.core.vocabulary import NATIVE_OPERATIONS, Environment, Scope
from gantry.gateway.health import list_price
from gantry.gateway.intake import wish_for
from gantry.gateway.journey import ties_of
from gantry.gateway.kept_rates import KeptRates
from gantry.gateway.prepare import understand
from gantry.gateway.surfaces import Door, Family, Surface, match_surface
from gantry.gateway.terms import read_terms
from gantry.prices.folder import PriceFolder
from gantry.prices.rates import Rates
from gantry.routing.balance import Load, View
from gantry.routing.cooldown import Condition, condition
from gantry.routing.explain import Explanation, explain
from gantry.routing.plan import Attempt
from gantry.routing.planner import plan
from gantry.routing.snapshot import KeyRecord, Snapshot
from gantry.wire.head import RequestHead

_HELLO: list[Any] = [{"role": "user", "content": "Hello!"}]


class _TakenIn(Struct, frozen=True):
    surface: Surface
    native: bool
    has_parameters: bool = False


class _Known:
    """What can be known of deployments from here."""

    def __init__(self, book: HealthBook | None, rates: Rates | None) -> None:
        self._book = book
        self._rates = rates

    def condition(self, attempt: Attempt) -> Condition:
        if self._book is None or attempt.callers_credential:
            return Condition.WELL
        return condition(self._book.standing(attempt.deployment_id), int(time.monotonic() * 1000))

    def claim(self, attempt: Attempt) -> bool:
        return True

    def load(self, attempt: Attempt) -> Load:
        return Load()

    def price(self, attempt: Attempt) -> int | None:
        return None if self._rates is None else list_price(self._rates, attempt)


@click.group()
def group() -> None:
    """Explain where a call would go, and why."""


@group.command(name="explain")
@click.argument("model", required=False)
@home_option
@click.option("--request", "request_file", type=click.File("rb"), help="A file with the request's body; - is stdin.")
@click.option("--path", default="/api/chat/completions", show_default=True, help="Where it would be posted to.")
@click.option("--fallback", "fallbacks", multiple=True, metavar="MODEL", help="A model to take instead; repeatable.")
@click.option("--group", "group_id", metavar="ID", help="A load balance group.")
@click.option("--env", type=click.Choice(Environment, case_sensitive=False), default=Environment.PROD)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the chance that weights are drawn by.")
@json_option
def explain_call(
    model: str | None,
    home: Path,
    request_file: Any,
    path: str,
    fallbacks: tuple[str, ...],
    group_id: str | None,
    env: Environment,
    seed: int,
    as_json: bool,
) -> None:
    """Say where a call to MODEL would go now: who could serve it, how they stand, and what follows if each fails."""
    body = request_file.read() if request_file is not None else _request(model, fallbacks, group_id)
    with open_home(home) as opened:
        snapshot = _snapshot_of(opened)
        key = KeyRecord("cli", opened.organization_id, env, int(Scope.INFERENCE | Scope.NATIVE))
        rates = KeptRates(opened.home.cache, PriceFolder(opened.home.prices)).read_now()
        with opened_health(opened.home.health) as book:
            known = _Known(book if is_running(opened.home) else None, rates)
            try:
                told = _explain(snapshot, key, known, path, body, seed)
            except GatewayError as error:
                raise click.ClickException(f"the call would be refused with {error.status}: {error.message}") from None
    if as_json:
        click.echo(msgspec.json.encode(told))
    else:
        _show(told)


def _snapshot_of(opened: OpenHome) -> Snapshot:
    """Return what workers route by, whose environment may hold secrets that ours does not; else what they would."""
    published = published_snapshot(opened.home, opened.keyring) if is_running(opened.home) else None
    if published is not None:
        return published
    granted = GrantedCredits(store_address(opened.settings, opened.home.logs_db))
    publisher = Publisher(opened.home, opened.keyring, opened.control, os.environ, granted=granted)
    snapshot, problems = publisher.preview()
    granted.close()
    for problem in problems:
        click.echo(f"warning: {problem}", err=True)
    return snapshot


def _request(model: str | None, fallbacks: tuple[str, ...], group_id: str | None) -> bytes:
    if model is None and group_id is None:
        raise click.UsageError("give a MODEL, --group or --request")
    request: dict[str, Any] = {"messages": _HELLO}
    if model is not None:
        request["model"] = model
    if group_id is not None:
        request["load_balance_group"] = {"group_id": group_id}
    if fallbacks:
        request["fallback_models"] = list(fallbacks)
    return msgspec.json.encode(request)


def _explain(snapshot: Snapshot, key: KeyRecord, view: View, path: str, body: bytes, seed: int) -> Explanation:
    surface = match_surface("POST", path.encode(), Family.UNKNOWN)
    if surface.door is not Door.CALL:
        raise click.ClickException(f"{path} is no path that a model is called by")
    head = RequestHead([])
    head.method = "POST"
    question = understand(_TakenIn(surface, surface.operation in NATIVE_OPERATIONS), head, body)
    chance = Random(seed).random
    terms = read_terms(question.parameters, question.model)
    made = plan(snapshot, wish_for(surface, key, question.model), chance, terms)
    ties = ties_of(made, question, key, surface.operation)
    return explain(snapshot, key.organization_id, key.environment, made, view, chance, ties)


def _show(told: Explanation) -> None:
    for place, choice in enumerate(told.choices):
        role = "first" if place == 0 else "fallback"
        click.echo(f"{role}: {choice.asked} (strategy {choice.strategy}, affinity {choice.affinity})")
        print_table(
            ("  PROVIDER", "CREDENTIAL", "MODEL", "TIER", "WEIGHT", "SHARE", "CONDITION"),
            [
                (
                    f"  {one.provider_id}",
                    one.credential,
                    one.model or "",
                    one.tier,
                    f"{one.weight:g}",
                    f"{one.share:.0%}",
                    one.condition,
                )
                for one in choice.deployments
            ],
        )
        for left in choice.left_out:
            click.echo(f"  left out: {left.provider_id}/{left.credential}: {left.reason}")
    for words in told.passed_over:
        click.echo(f"passed over: {words}")
    retries = (
        f"{told.num_retries} retries, the first after {told.retry_after:g} s" if told.num_retries else "no retries"
    )
    hedge = (
        "" if told.hedge is None else f"; a hedge after {told.hedge.after:g} s for {told.hedge.share:.0%} of the calls"
    )
    click.echo(f"{retries}{hedge}{'; the conversation decides who takes it' if told.is_sticky else ''}")
    click.echo("if each attempt failed for a passing reason:")
    for number, step in enumerate(told.attempts, 1):
        pause = f", after {step.pause:.2f} s" if step.pause else ""
        because = why(step.step, step.reason, step.share, step.condition)
        click.echo(f"  {number}. {step.provider_id}/{step.credential} {step.model} ({because}{pause})")
