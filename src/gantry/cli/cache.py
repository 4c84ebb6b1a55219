"""`gantry cache`: what the response cache keeps, and what it has saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time_ns

import click
import msgspec

from gantry.board.answers import AnswerCache
from gantry.cli.logs import open_logs
from gantry.cli.opened import OpenHome
from gantry.cli.options import home_option, json_option
from gantry.cli.table import print_table
from gantry.console.caches import full_item_of, item_of
from gantry.core.audit_entry import AuditAction
from gantry.core.money import usd_from_nano
from gantry.store.cached_answers import CacheQuery
from gantry.store.log_query import MAX_PAGE_SIZE
from gantry.store.logs import LogStore

_NS = 1_000_000_000
_SHOWN = 48  # characters of a question


@click.group()
def group() -> None:
    """List, measure and clear the response cache."""


@group.command(name="list")
@home_option
@click.option("-n", "--limit", type=click.IntRange(1, MAX_PAGE_SIZE), default=20, show_default=True)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True)
@json_option
def list_entries(home: Path, limit: int, page: int, as_json: bool) -> None:
    """List what is kept and has not expired, what changed last first."""
    with _opened(home) as (opened, logs, _):
        query = CacheQuery(organization_id=opened.organization_id, now=time_ns(), page=page, page_size=limit)
        entries, sums = logs.cache_entries(query)
    if as_json:
        for entry in entries:
            click.echo(msgspec.json.encode(full_item_of(entry)))
    else:
        rows = [
            (
                str(item["id"]),
                str(item["hit_count"]),
                f"${item['saved_cost']:.6f}",
                str(item["model"]),
                str(item["expiry_date"])[:19] + "Z",
                " ".join(str(item["prompt_content"] or "").split())[:_SHOWN],
            )
            for item in map(item_of, entries)
        ]
        print_table(("ID", "HITS", "SAVED", "MODEL", "EXPIRES", "QUESTION"), rows)
    click.echo(f"{len(entries)} of {sums.entries}", err=True)


@group.command()
@home_option
@click.option(
    "--id", "ids", type=int, multiple=True, help="Only this entry, as `gantry cache list` shows it; repeat it."
)
def clear(home: Path, ids: tuple[int, ...]) -> None:
    """Delete what is kept: all of it, or the entries named. No worker gives it again."""
    with _opened(home) as (opened, logs, answers):
        organization_id = opened.organization_id
        if ids:
            keys = logs.cache_keys(organization_id, ids)
            files, rows = answers.forget(organization_id, keys), logs.delete_cache_entries(organization_id, keys)
        else:
            files, rows = answers.forget_all(organization_id), logs.delete_cache_entries(organization_id, None)
        what, gone = "some" if ids else "all", max(files, len(rows))
        opened.control.note(organization_id, AuditAction.CACHE_CLEARED, what, entries=gone)
    click.echo(f"Deleted {gone}.", err=True)
    if ids and len(rows) < len(set(ids)):
        raise click.ClickException("some of these entries are not there, or not any more")


@group.command()
@home_option
@json_option
def stats(home: Path, as_json: bool) -> None:
    """Show how much is kept on this machine, and what hits have saved."""
    with _opened(home) as (opened, logs, answers):
        sums = logs.cache_sums(CacheQuery(organization_id=opened.organization_id, now=time_ns()))
        files, size = answers.measure(opened.organization_id)
        limit = opened.settings.response_cache_bytes
    view = {
        "files": files,
        "bytes": size,
        "limit": limit,
        "entries": sums.entries,
        "hits": sums.hits,
        "saved_cost": usd_from_nano(sums.saved_cost),
        "saved_tokens": sums.saved_tokens,
        "saved_seconds": sums.saved_time / _NS,
    }
    if as_json:
        click.echo(msgspec.json.encode(view))
        return
    click.echo(f"{files} answers in {size / 1e6:.1f} MB, of {limit / 1e6:.0f} MB for all organizations")
    click.echo(
        f"{sums.hits} hits saved ${view['saved_cost']:.6f}, {sums.saved_tokens} tokens and "
        f"{view['saved_seconds']:.1f} s"
    )


@contextmanager
def _opened(home: Path) -> Iterator[tuple[OpenHome, LogStore, AnswerCache]]:
    with open_logs(home) as (opened, logs):
        keyring, limit = opened.keyring, opened.settings.response_cache_bytes
        yield opened, logs, AnswerCache(opened.home.responses, keyring.responses, keyring.response_names, limit)
