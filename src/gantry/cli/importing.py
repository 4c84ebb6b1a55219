"""`gantry import`: what another gateway was configured with, as Gantry's own; and the logs that it wrote.

Law: a configuration is shown and not applied unless `--apply` says so. What does not map is told member by member.
"""

import csv
import io
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from gantry.cli.import_apply import NewKey, apply_plan, summary_lines
from gantry.cli.import_files import check_new, chunks_of, json_of, write_private, yaml_of
from gantry.cli.import_logs import logs as logs_command
from gantry.cli.live import make_live
from gantry.cli.opened import open_home
from gantry.cli.options import home_option, organization_option
from gantry.cli.table import plain
from gantry.imports.finding import Finding
from gantry.imports.litellm_config import read_litellm
from gantry.imports.litellm_keys import read_keys
from gantry.imports.openrouter import read_openrouter
from gantry.imports.plan import ImportRefused, Plan, joined
from gantry.imports.portkey import read_portkey
from gantry.imports.report import lines_of, report_of, summary
from gantry.imports.rows import BadRow, read_rows
from gantry.imports.toml_text import write_toml
from gantry.providers.spec import load_catalog

_FILE = click.Path(dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def group() -> None:
    """Bring over the configuration of LiteLLM, Portkey or OpenRouter, and logs of several programs."""


group.add_command(logs_command, "logs")


def _plan_options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("--apply", "apply_it", is_flag=True, help="Make it so in this home. Else it is only shown."),
            click.option(
                "--toml",
                "toml",
                type=_NEW_FILE,
                help="Write gantry.toml's tables into this new file, secrets included.",
            ),
            click.option(
                "--report",
                "report",
                type=_NEW_FILE,
                help="Write what became of each member: as JSON for *.json, else text.",
            ),
            click.option(
                "--new-keys",
                "new_keys",
                type=_NEW_FILE,
                help="Write the new API keys into this new file (CSV), with --apply.",
            ),
            home_option,
            organization_option,
        )
    ):
        command = option(command)
    return command


@group.command()
@click.argument("config", type=_FILE, required=False)
@click.option(
    "--keys", "keys_file", type=_FILE, help="The table of virtual keys, LiteLLM_VerificationToken: CSV or JSON."
)
@_plan_options
def litellm(config: Path | None, keys_file: Path | None, **options: Any) -> None:
    """Bring over LiteLLM's CONFIG (config.yaml), its virtual keys, or both.

    Its keys are hashes, and keys of another form do not work here: each gets a new one.
    """
    if config is None and keys_file is None:
        raise click.UsageError("give CONFIG, --keys FILE or both")
    plan = Plan(source="litellm")
    if config is not None:
        document, lines = yaml_of(config)
        plan = joined(plan, _read(config, lambda: read_litellm(document, load_catalog(), lines, os.environ)))
    if keys_file is not None:
        rows = list(_rows(keys_file))
        plan = joined(plan, _read(keys_file, lambda: read_keys(rows, time.time_ns())))
    _finish(plan, **options)


@group.command()
@click.argument("config", type=_FILE)
@click.option("--name", help="What its load balance group is called. [default: the file's name]")
@_plan_options
def portkey(config: Path, name: str | None, **options: Any) -> None:
    """Bring over a config of Portkey's (JSON)."""
    _finish(_read(config, lambda: read_portkey(json_of(config), load_catalog(), name or config.stem)), **options)


@group.command()
@click.argument("config", type=_FILE)
@_plan_options
def openrouter(config: Path, **options: Any) -> None:
    """Bring over what calls tell OpenRouter: `model`, `models`, `provider` (JSON; one object, or a list)."""
    _finish(_read(config, lambda: read_openrouter(json_of(config), load_catalog())), **options)


def _read(path: Path, read: Any) -> Plan:
    try:
        plan: Plan = read()
    except ImportRefused as error:
        raise click.ClickException(f"{path}: {error}") from error
    return plan


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table of keys. Raises ClickException for one that cannot be read: each is somebody's key."""
    empty = True
    try:
        for row in read_rows(chunks_of(path)):
            if isinstance(row, BadRow):
                raise click.ClickException(f"{path}: row {row.number}: {row.reason}")
            empty = False
            yield row.members
        if empty:
            raise ImportRefused("it has no rows; LiteLLM's /key/list has them with return_full_object=true")
    except ImportRefused as error:
        raise click.ClickException(f"{path}: {error}") from error


def _finish(
    plan: Plan,
    apply_it: bool,
    toml: Path | None,
    report: Path | None,
    new_keys: Path | None,
    home: Path,
    organization: str | None,
) -> None:
    """Show a plan or apply it, and write what was asked for."""
    if new_keys is not None and not apply_it:
        raise click.UsageError("--new-keys goes with --apply: only then are keys made")
    check_new(toml, report, new_keys)
    if toml is not None:
        write_private(toml, write_toml(plan, reveal=True))
        click.echo(f"{toml} has the tables of gantry.toml, with their secrets.", err=True)
    if report is not None:
        _write_report(report, plan.source, plan.findings)
    if not apply_it:
        click.echo(write_toml(plan, reveal=False), nl=False)
        for key in plan.keys:
            known_as = f" in place of {key.known_as}" if key.known_as else ""
            click.echo(plain(f"# an API key {key.name}{known_as}, by --apply"))
    for line in lines_of(plan.findings, everything=False):
        click.echo(plain(line), err=True)
    click.echo(f"{summary(plan.findings)}.", err=True)
    if not apply_it:
        click.echo("Nothing was changed: --apply makes it so, --toml FILE writes it for gantry.toml.", err=True)
        return
    with open_home(home, organization) as opened:
        applied = apply_plan(opened, plan)
        _show_keys(applied.keys, new_keys)
        for line in summary_lines(applied):
            click.echo(plain(line), err=True)
        make_live(opened, applied.version)


def _show_keys(keys: Sequence[NewKey], path: Path | None) -> None:
    """Write the new keys where they were asked for, else show them: now or never."""
    if not keys:
        return
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("name", "in_place_of", "key"))
    writer.writerows((one.planned.name, one.planned.known_as, one.secret.reveal()) for one in keys)
    if path is None:
        click.echo(text.getvalue(), nl=False)
        return
    try:
        write_private(path, text.getvalue())
    except click.ClickException as error:  # they are made: now or never
        click.echo(text.getvalue(), nl=False)
        click.echo(f"warning: {error.message}", err=True)
    else:
        click.echo(f"{path} has the {len(keys)} new keys; they are shown nowhere else.", err=True)


def _write_report(path: Path, source: str, findings: Sequence[Finding]) -> None:
    """Write a report into a new file. Raises ClickException."""
    if path.suffix == ".json":
        text = msgspec.json.format(msgspec.json.encode(report_of(source, findings)), indent=2).decode()
    else:
        text = "\n".join((f"import from {source}: {summary(findings)}", *lines_of(findings, everything=True)))
    write_private(path, text + "\n")
