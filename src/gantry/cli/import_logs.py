"""`gantry import logs`: the logs that another program exported."""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import click
import msgspec

from gantry.board.board import Board
from gantry.clerk.take_in import Intake, Owner, Progress, Store, StoringStuck, storing
from gantry.cli.import_files import check_new, chunks_of, write_private
from gantry.cli.opened import OpenHome, open_home
from gantry.cli.options import home_option, organization_option
from gantry.cli.table import plain
from gantry.core.vocabulary import Environment, Scope
from gantry.imports.log_source import LogSource
from gantry.imports.plan import ImportRefused
from gantry.imports.report import lines_of, report_of, summary
from gantry.imports.rows import BadRow, Form, Row, read_rows
from gantry.imports.sources import LOG_SOURCES
from gantry.journal.writer import JournalFull, JournalWriter
from gantry.providers.spec import load_catalog
from gantry.store.addresses import log_address
from gantry.store.keys import ApiKey, KeyPolicy, add_key, find_key, keys_of, revoke_key
from gantry.store.logs import LogStore

_MOST_SHOWN: Final = 20  # rows that could not be read
_MOST_REPORTED: Final = 1000
_SAY_EVERY: Final = 50_000  # rows, where no terminal shows a line that changes
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


class _Bad:
    """The rows that could not be read: the first are kept, all of them written where that was asked for."""

    def __init__(self, path: Path | None) -> None:
        self.first: list[BadRow] = []
        self.file = ""
        self._path = path
        if path is not None:
            write_private(path, "")

    def add(self, row: BadRow) -> None:
        if len(self.first) < _MOST_REPORTED:
            self.first.append(row)
        if self._path is not None:
            line = {"file": self.file, "row": row.number, "reason": row.reason}
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")


@click.command()
@click.argument("source", type=click.Choice(list(LOG_SOURCES)))
@click.argument("files", type=click.Path(dir_okay=False, path_type=Path), nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format", "form", type=click.Choice(Form, case_sensitive=False), help="[default: by how the file begins]"
)
@click.option("--key", metavar="KEY", help="Whose calls they were, where a log names no key of yours.")
@click.option(
    "--env",
    "environment",
    type=click.Choice(Environment, case_sensitive=False),
    default=Environment.PROD,
    show_default="prod",
    help="Their environment, where a log says none.",
)
@click.option("--dry-run", is_flag=True, help="Read everything and store nothing.")
@click.option("--report", type=_NEW_FILE, help="Write what became of each column: as JSON for *.json, else text.")
@click.option("--rejected", type=_NEW_FILE, help="Write each row that could not be read, and why (JSON lines).")
@home_option
@organization_option
def logs(
    source: str,
    files: tuple[Path, ...],
    form: Form | None,
    key: str | None,
    environment: Environment,
    dry_run: bool,
    report: Path | None,
    rejected: Path | None,
    home: Path,
    organization: str | None,
) -> None:
    """Take in the logs of SOURCE from its export: JSON lines, JSON or CSV, also packed by gzip.

    They keep their ids, times and costs. What is stored already is left out: run it again after whatever stopped it.
    The exit code is 1 where a row could not be read; the others are taken in all the same.
    """
    check_new(report)
    chosen, bad = LOG_SOURCES[source], _Bad(rejected)
    with open_home(home, organization) as opened, ExitStack() as stack:
        store = stack.enter_context(closing(LogStore(log_address(opened.settings, opened.home))))
        make_room: Store = _no_room_needed
        journal: JournalWriter | None = None
        if not dry_run:
            make_room = stack.enter_context(
                storing(opened.home, opened.keyring, opened.settings, Board(opened.home.board))
            )
            journal = JournalWriter(opened.home.journal, budget=opened.settings.journal_budget)
            stack.callback(journal.close)
        owners, other = _owners(opened, chosen, key, make=not dry_run)
        intake = Intake(
            chosen,
            journal,
            store,
            organization_id=opened.organization_id,
            owners=owners,
            other=other,
            environment=environment,
            providers=_providers(),
            make_room=make_room,
            on_bad=bad.add,
        )
        _take_all(intake, files, form, bad)
    _tell(intake.progress, bad, dry_run=dry_run)
    findings = chosen.findings(intake.progress.columns)
    for line in lines_of(findings, everything=False):
        click.echo(plain(line), err=True)
    if report is not None:
        _write_report(report, chosen, intake.progress, bad)
    if intake.progress.bad:
        raise SystemExit(1)


def _no_room_needed(_journal: JournalWriter) -> None:
    """Of a trial, which writes nothing."""


def _take_all(intake: Intake, files: tuple[Path, ...], form: Form | None, bad: _Bad) -> None:
    said, began = _SAY_EVERY, time.monotonic()
    for path in files:
        bad.file = str(path)
        try:
            for progress in intake.take(_rows(path, form)):
                if sys.stderr.isatty():
                    click.echo(f"\r{_counts(progress, time.monotonic() - began)}", nl=False, err=True)
                elif progress.read >= said:
                    said += _SAY_EVERY
                    click.echo(_counts(progress, time.monotonic() - began), err=True)
        except ImportRefused as error:
            raise click.ClickException(f"{path}: {error}") from error
        except (JournalFull, StoringStuck) as error:
            raise click.ClickException(str(error)) from error
    if sys.stderr.isatty():
        click.echo(err=True)


def _rows(path: Path, form: Form | None) -> Iterator[Row | BadRow]:
    """Yield the rows of an export. Raises ImportRefused for one that has none, ClickException."""
    row = None
    for row in read_rows(chunks_of(path), form):
        yield row
    if row is None:
        raise ImportRefused("it has no rows")


def _counts(progress: Progress, seconds: float) -> str:
    speed = f", {progress.read / seconds:.0f} rows/s" if seconds > 1 else ""
    return f"{progress.read} rows read, {progress.new} new, {progress.known} known, {progress.bad} bad{speed}"


def _owners(
    opened: OpenHome, source: LogSource, wanted: str | None, *, make: bool
) -> tuple[Mapping[str, Owner], Owner]:
    """Return the keys by their names, and the one for logs that name none: by default one that nobody can use."""
    with opened.control.reading() as connection:
        present = keys_of(connection, opened.organization_id)
        if wanted is not None:
            return _named(present), _owner(find_key(connection, opened.organization_id, wanted))
    name = f"imported from {source.title}"
    known = next((_owner(key) for key in present if key.name == name), None)
    if known is None and make:
        with opened.control.changing() as change:
            policy = KeyPolicy(scopes=Scope.OWN_LOGS)
            key, _ = add_key(change, opened.organization_id, name, policy, opened.keyring.pepper)
            revoke_key(change, key)
            known = _owner(key)
    return _named(present), known or Owner("")


def _named(keys: list[ApiKey]) -> dict[str, Owner]:
    """Return the keys by their names, without those that several have."""
    names = Counter(key.name for key in keys)
    return {key.name: _owner(key) for key in keys if names[key.name] == 1}


def _owner(key: ApiKey) -> Owner:
    return Owner(key.id, key.policy.content_policy)


def _providers() -> dict[str, str]:
    catalog = load_catalog().values()
    return {name: spec.id for spec in catalog for name in (*spec.prefixes, spec.id)}


def _tell(progress: Progress, bad: _Bad, *, dry_run: bool) -> None:
    for row in bad.first[:_MOST_SHOWN]:
        click.echo(plain(f"row {row.number} is not read: {row.reason}"), err=True)
    if progress.bad > _MOST_SHOWN:
        click.echo(f"and {progress.bad - _MOST_SHOWN} more: --rejected FILE lists them all", err=True)
    would = "would be taken in" if dry_run else "are taken in"
    known = f"{progress.known} were stored already, {progress.bad} could not be read"
    click.echo(f"{progress.read} rows: {progress.new} {would}, {known}.", err=True)


def _write_report(path: Path, source: LogSource, progress: Progress, bad: _Bad) -> None:
    findings = source.findings(progress.columns)
    counts = {"rows": progress.read, "new": progress.new, "known": progress.known, "bad": progress.bad}
    listed = [{"row": row.number, "reason": row.reason} for row in bad.first]
    if path.suffix == ".json":
        report = report_of(source.name, findings, counts=counts, bad_rows=listed)
        write_private(path, msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
        return
    lines = [
        f"logs of {source.title}: " + ", ".join(f"{value} {name}" for name, value in counts.items()),
        f"columns: {summary(findings)}",
        *lines_of(findings, everything=True),
        *(f"row {row.number}: {row.reason}" for row in bad.first),
    ]
    write_private(path, "\n".join(lines) + "\n")
