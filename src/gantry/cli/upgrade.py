"""`gantry upgrade --check`: what the next start would do to the databases, tried on a copy."""

import os
from pathlib import Path

import click
import msgspec

from gantry.cli.opened import shown_faults, store_address
from gantry.cli.options import home_option, json_option
from gantry.home import Home
from gantry.settings import load_settings
from gantry.store.control_tables import CONTROL
from gantry.store.log_tables import LOGS
from gantry.store.rehearsal import Rehearsed, rehearse

_MIB = 1 << 20


@click.command()
@home_option
@json_option
@click.option("--check", is_flag=True, help="Try the migrations on a copy, and change nothing.")
def command(home: Path, as_json: bool, check: bool) -> None:
    """Rehearse the upgrade of the databases to this version.

    The upgrade itself is done by the next start. Nothing is started, changed or held up here.
    """
    if not check:
        raise click.UsageError("the next `gantry serve` upgrades the databases; ask what that does with --check")
    kept = Home(home)
    with shown_faults():
        settings, _ = load_settings(kept, {}, os.environ)
        found = [
            rehearse(store_address(settings, file), tree)
            for file, tree in ((kept.control_db, CONTROL), (kept.logs_db, LOGS))
        ]
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for tree in found:
        click.echo("\n".join(render(tree)))


def render(found: Rehearsed) -> list[str]:
    """Return a rehearsal as lines for a person."""
    if found.revision is None:
        return [f"{found.tree}: not there yet; the first start makes revision {found.head}"]
    if not found.steps:
        return [f"{found.tree}: revision {found.head}, nothing to do"]
    lines = [f"{found.tree}: revision {found.revision} → {found.head}, {found.seconds:.1f} s"]
    lines += [f"  {step}" for step in found.steps]
    if found.bytes_before is None or found.bytes_after is None or found.bytes_needed is None:
        lines.append("  The server takes them. It was tried without rows: with them it takes longer.")
    else:
        before, after, needed = (size / _MIB for size in (found.bytes_before, found.bytes_after, found.bytes_needed))
        lines.append(f"  {before:.1f} MiB → {after:.1f} MiB; {needed:.1f} MiB must be free while it runs")
    return lines
