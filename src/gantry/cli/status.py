"""`gantry status`: who runs, how far the clerk is behind, how full the journal is, which snapshot is live."""

from pathlib import Path

import click
import msgspec

from gantry.cli.options import home_option, json_option
from gantry.compiled import read_build
from gantry.console.node_status import NodeStatus, ProcessStatus, read_status
from gantry.home import Home


@click.command("status")
@home_option
@json_option
def command(home: Path, as_json: bool) -> None:
    """Show the processes, the clerk's lag, the journal and the snapshot."""
    status = read_status(Home(home))
    click.echo(msgspec.json.encode(status).decode() if as_json else render(status))


def render(status: NodeStatus) -> str:
    """Return a status as lines for a person."""
    lines = [f"home        {status.home}", f"build       {read_build()}"]
    if not status.running:
        lines.append("supervisor  not running; start it with `gantry serve`")
    else:
        lines.append(f"supervisor  {_life(status.supervisor)}, {status.supervisor.restarts} restarts of children")
    for number, worker in enumerate(status.workers):
        lines.append(
            f"worker {number:<4} {_life(worker)}, {worker.requests} requests, {worker.in_flight} in flight, "
            f"snapshot {worker.snapshot_version}"
        )
    clerk = status.clerk
    lag = "unknown" if clerk.lag is None else str(clerk.lag)
    lines.append(f"clerk       {_life(clerk)}, {lag} records behind, {clerk.records} stored, {clerk.rejected} rejected")
    lines.append(f"console     {_life(status.console)}")
    snapshot = status.snapshot
    published = f"version {snapshot.version}, published {snapshot.age_seconds} s ago"
    lines.append(f"snapshot    {snapshot.problem or published}")
    journal = status.journal
    size = f"{journal.bytes / (1 << 20):.1f} MiB"
    lines.append(f"journal     {size} in {journal.incarnations} incarnations, level {journal.level}")
    cooling = status.deployments_cooling
    if cooling:
        verb = "is" if cooling == 1 else "are"
        lines.append(f"deployments {cooling} {verb} cooling; see `gantry health list`")
    return "\n".join(lines)


def _life(process: ProcessStatus) -> str:
    return (
        process.state if process.pid is None else f"{process.state}, pid {process.pid}, up {process.uptime_seconds} s"
    )
