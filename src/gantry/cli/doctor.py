"""`gantry doctor`: looks at everything a node keeps on disk, and says what to do about what it finds.

Law: it changes nothing, and one broken thing does not keep it from looking at the next. Exit status 1 means that a
finding is worth getting up for; a warning is not.
"""

import os
import shutil
import stat
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from gantry.cli.books_audit import Stores, look_at_board, look_at_books
from gantry.cli.certificate_end import look_at_certificate
from gantry.cli.finding import Finding, Verdict, fail, ok, warn
from gantry.cli.options import home_option, json_option
from gantry.compiled import Build, read_build
from gantry.console.node_status import NodeStatus, read_status
from gantry.core.sealing import SealBroken
from gantry.home import Home, HomeError, Keyring, MasterKeys, load_keyring
from gantry.journal.frames import FrameKind, decode_payload
from gantry.journal.reader import START, JournalReader, Position, is_alive, list_incarnations
from gantry.journal.writer import JournalLevel
from gantry.routing.snapshot import SnapshotUnreadable, read_snapshot
from gantry.settings import SettingsError, load_settings
from gantry.store.addresses import control_address, log_address
from gantry.store.control_tables import CONTROL
from gantry.store.database import Address, Apart, Database, StoreUnavailable, open_database, sql_address
from gantry.store.integrity import StoredLogs, count_stored, find_damage, find_revision
from gantry.store.log_tables import LOGS
from gantry.store.metadata import Tree

_FRAMES_AT_ONCE, _BYTES_AT_ONCE = 1000, 8 << 20
_LITTLE_DISK, _NO_DISK = 2 << 30, 200 << 20
_DISTRIBUTIONS_PREFIX = "/usr"
_GIB, _MIB = 1 << 30, 1 << 20
_SECONDS_TO_START = 60.0  # of all processes, on a machine that is busy
_SECONDS_TO_COME_AGAIN = 15.0  # of one of them
_LOOK_AGAIN = 0.2


@click.command("doctor")
@home_option
@json_option
@click.pass_context
def command(context: click.Context, home: Path, as_json: bool) -> None:
    """Check files, keys, databases, journal and snapshot. Exit status 1 when something must be mended."""
    findings = list(examine(Home(home)))
    if as_json:
        click.echo(msgspec.json.encode(findings).decode())
    else:
        for finding in findings:
            click.echo(f"{finding.verdict:<5} {finding.subject:<11} {finding.message}")
            if finding.advice:
                click.echo(f"{'':<17} → {finding.advice}")
    context.exit(1 if any(finding.verdict is Verdict.FAIL for finding in findings) else 0)


def examine(home: Home) -> Iterator[Finding]:
    """Yield the findings about a home, the most fundamental first."""
    try:
        yield from _examine(home)
    except OSError as error:
        advice = "Is this the user that the gateway runs as? Else move what lies there away, and ask again."
        yield fail(
            "files", f"{error.filename or home.path}: {error.strerror or error}; nothing more was looked at", advice
        )


def _examine(home: Home) -> Iterator[Finding]:
    if not home.path.is_dir():
        yield fail("home", f"{home.path} is not a directory", "Start `gantry serve`, or name another with --home.")
        return
    status = _status_of(home)
    yield look_at_python(sysconfig.get_config_var("CONFIG_ARGS"), sys.base_prefix)
    yield look_at_build(read_build())
    yield from _look_at_permissions(home)
    yield from _look_at_processes(status)
    if home.moving.exists():
        advice = "Run `gantry migrate-store --cut-over` again, or with --abandon. The journal keeps the records."
        yield warn("store", "its move to another database was interrupted, and nothing is stored meanwhile", advice)
    keyring = _keyring(home)
    yield _describe_key(home, keyring)
    try:
        settings, _ = load_settings(home, {}, os.environ)
    except SettingsError as error:
        yield fail("settings", str(error), "Mend gantry.toml or the environment, then ask again.")
        return
    stores = Stores(
        control_address(settings, home),
        log_address(settings, home),
        settings.database_url is not None,
    )
    yield from _look_at_databases(stores)
    stored = _stored_logs(stores.logs)
    yield from _look_at_journal(home, status, stored.checkpoints if stored else {})
    yield from _look_at_counts(home, status, stores, stored)
    if stored is not None:
        yield from look_at_books(stores)
        yield from look_at_board(home, settings, stores, status)
    if isinstance(keyring, Keyring):
        yield from _look_at_snapshot(home, keyring)
    if settings.tls_certificate is not None and settings.tls_key is not None:
        yield look_at_certificate(settings.tls_certificate, settings.tls_key, datetime.now(UTC))
    yield _look_at_disk(home)


def _status_of(home: Home) -> NodeStatus:
    """Return what runs. What has just ended is waited for: the supervisor starts it again, and so does a rotation."""
    deadline = time.monotonic() + _SECONDS_TO_COME_AGAIN
    while True:
        status = read_status(home)
        if _is_starting(status) or not missing(status) or time.monotonic() > deadline:
            return status
        time.sleep(_LOOK_AGAIN)


def _is_starting(status: NodeStatus) -> bool:
    return (status.supervisor.uptime_seconds or 0.0) < _SECONDS_TO_START


def missing(status: NodeStatus) -> list[str]:
    """Return which processes a node that is up is without."""
    if not status.running:
        return []
    there = {"worker": bool(status.workers)}
    for name, process in (("clerk", status.clerk), ("console", status.console)):
        there[name] = process.pid is not None or process.state == "elsewhere"
    return [name for name, is_there in there.items() if not is_there]


def look_at_python(configured: str | None, prefix: str) -> Finding:
    """Judge the interpreter by the options it was built with, where they are known, and the place it is installed in.

    Distributions optimize what they install in /usr without saying so in the options.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if configured is None or "--enable-optimizations" in configured or prefix == _DISTRIBUTIONS_PREFIX:
        return ok("python", version)
    advice = "Make .venv again with your distribution's python3, or one built with --enable-optimizations."
    return warn("python", f"{version} was built without optimizations, so calls take a third more CPU", advice)


def look_at_build(build: Build) -> Finding:
    """Say which modules run compiled, and which of them are not what their source says."""
    if build.stale:
        return fail("build", build.complaint, "Install it again.")
    return ok("build", str(build))


def _look_at_permissions(home: Home) -> Iterator[Finding]:
    """Nobody but the owner may read a home; the master key least of all."""
    open_to_others = [
        path.name or str(path)
        for path in (home.path, home.master_key, home.control_db, home.logs_db, home.snapshot, home.journal)
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if not open_to_others:
        yield ok("home", f"{home.path} is readable by its owner only")
        return
    advice = f"chmod -R go= {home.path}"
    if home.master_key.name in open_to_others:
        yield fail("home", "others may read master.key, which opens every credential", advice)
    yield warn("home", f"others may read {', '.join(open_to_others)}", advice)


def _look_at_processes(status: NodeStatus) -> Iterator[Finding]:
    if not status.running:
        orphans = [str(worker.pid) for worker in status.workers]
        if orphans:
            yield fail(
                "processes", f"workers {', '.join(orphans)} outlived their supervisor", "End them, by these pids."
            )
        else:
            yield ok("processes", "the gateway is not running")
        return
    yield ok("processes", f"supervisor {status.supervisor.pid}, {len(status.workers)} workers")
    for name in missing(status):
        if _is_starting(status):
            yield warn("processes", f"the {name} is not up yet", "The gateway has just been started; ask again soon.")
        else:
            yield fail("processes", f"no {name} runs", "Its last words are in the supervisor's log.")
    if status.clerk.rejected:
        advice = f"Look into {Path(status.home) / 'rejected'}; each was stored as a minimal record."
        yield warn("clerk", f"{status.clerk.rejected} records could not be read and were set aside", advice)


def _keyring(home: Home) -> Keyring | HomeError:
    try:
        return load_keyring(home, os.environ.get("GANTRY_MASTER_KEY"))
    except HomeError as error:
        return error


def _describe_key(home: Home, keyring: Keyring | HomeError) -> Finding:
    if isinstance(keyring, HomeError):
        return fail("master key", str(keyring), "Without it no credential opens, and no API key is known.")
    if MasterKeys(home, os.environ.get("GANTRY_MASTER_KEY")).following is not None:
        advice = "Run `gantry secrets rotate`, or set GANTRY_MASTER_KEY to what it printed and start again."
        return warn("master key", "a rotation was begun and is not over; both keys hold", advice)
    if "GANTRY_MASTER_KEY" in os.environ:
        return ok("master key", "taken from GANTRY_MASTER_KEY")
    return ok("master key", f"{home.master_key} is well-formed; keep a copy of it elsewhere")


def _look_at_databases(stores: Stores) -> Iterator[Finding]:
    for tree, address in ((CONTROL, stores.control), (LOGS, sql_address(stores.logs))):
        name = f"the {tree.name} tables" if stores.are_shared else f"{tree.name}.db"
        yield from _look_at_database(name, address, tree)
    if isinstance(stores.logs, Apart):
        yield _look_at_clickhouse(stores.logs)


def _look_at_clickhouse(address: Apart) -> Finding:
    """Say whether ClickHouse answers, and whether logs were left behind when they began to go there."""
    try:
        with closing(open_database(address)):
            pass
        with closing(Database(address.sql)) as database:
            behind = count_stored(database)
    except StoreUnavailable as error:
        return fail("clickhouse", str(error), "See that the server of logs_url runs; the journal waits for it.")
    if behind is not None and behind.records:
        message = f"answers, but {behind.records} logs from before logs_url lie in the store, where nobody looks"
        return warn("clickhouse", message, "Without logs_url they are shown again; nothing moves them.")
    return ok("clickhouse", "answers")


def _look_at_database(name: str, address: str | Path, tree: Tree) -> Iterator[Finding]:
    if isinstance(address, Path) and not address.exists():
        yield warn(name, "does not exist yet", "The first `gantry serve` creates it.")
        return
    database = Database(address)
    try:
        damage = find_damage(database)
        if damage:
            advice = f"Stop the gateway and restore {address} from a backup; the journal keeps what is not stored yet."
            yield fail(name, "; ".join(damage[:3]), advice)
            return
        revision = find_revision(database, tree)
    except StoreUnavailable as error:
        yield fail(name, str(error), "See who holds or filled it, then ask again.")
        return
    finally:
        database.close()
    if revision == tree.head:
        how = f"is whole, {address.stat().st_size / _MIB:.1f} MiB" if isinstance(address, Path) else "answer"
        yield ok(name, f"{how}, revision {revision}")
    else:
        advice = "The next `gantry serve` migrates it."
        yield warn(name, f"has revision {revision}, this version uses {tree.head}", advice)


def _stored_logs(address: Address) -> StoredLogs | None:
    file = sql_address(address)
    if isinstance(file, Path) and not file.exists():
        return None
    try:
        database = open_database(address)
    except StoreUnavailable:
        return None
    try:
        return None if find_damage(database) else count_stored(database)
    except StoreUnavailable:
        return None
    finally:
        database.close()


class _Unread(Struct):
    """What lies in the journals beyond the clerk's checkpoints."""

    frames: int = 0
    torn_bytes: int = 0
    not_understood: int = 0


def _look_at_journal(home: Home, status: NodeStatus, checkpoints: dict[str, tuple[int, int]]) -> Iterator[Finding]:
    unread = _Unread()
    incarnations = list_incarnations(home.journal)
    for incarnation in incarnations:
        _read_ahead(home, incarnation, Position(*checkpoints.get(incarnation, START)), unread)
    alive = sum(is_alive(home.journal / incarnation) for incarnation in incarnations)
    where = f"{len(incarnations)} journals ({alive} being written)"
    yield ok("journal", f"{unread.frames} unread frames in {where}, {status.journal.bytes / _MIB:.1f} MiB")
    if unread.torn_bytes:
        advice = "A worker was killed within a write, or a disk failed; the frames around it are read."
        yield warn("journal", f"{unread.torn_bytes} bytes belong to no whole frame", advice)
    if unread.not_understood:
        advice = "A newer version wrote them; run that version's clerk."
        yield fail("journal", f"{unread.not_understood} frames cannot be read by this version", advice)
    if status.journal.level != JournalLevel.NORMAL.name.lower():
        advice = "The clerk is behind or the disk is full: see its messages, and `gantry status`."
        yield fail("journal", f"its budget is nearly used up (level {status.journal.level})", advice)


def _read_ahead(home: Home, incarnation: str, position: Position, unread: _Unread) -> None:
    """Count what a clerk would read from here on. It never advances a reader, which would delete what was read."""
    while True:
        reading = JournalReader(home.journal, incarnation, position).read(_FRAMES_AT_ONCE, _BYTES_AT_ONCE)
        unread.frames += len(reading.frames)
        unread.torn_bytes += reading.skipped
        unread.not_understood += sum(not _is_understood(frame.kind, frame.payload) for frame in reading.frames)
        if reading.position == position or reading.finished:
            return
        position = reading.position


def _is_understood(kind: int, payload: bytes) -> bool:
    try:
        decode_payload(FrameKind(kind), payload)
    except (ValueError, msgspec.DecodeError):
        return False
    return True


def _look_at_counts(home: Home, status: NodeStatus, stores: Stores, stored: StoredLogs | None) -> Iterator[Finding]:
    if stored is None:
        return
    yield ok("records", f"{stored.records} request logs stored, {stored.open_calls} calls open")
    abandoned = sorted(set(stored.checkpoints) - set(list_incarnations(home.journal)))
    if abandoned and not stores.are_shared:  # else they may be another machine's
        advice = "Their journals were removed by hand; records in them that were not stored are lost."
        yield warn("records", f"{len(abandoned)} journals of which the store knows are gone", advice)
    if stored.open_calls and not status.running:
        yield ok("records", "the open calls are closed as crashed when the gateway starts again")


def _look_at_snapshot(home: Home, keyring: Keyring) -> Iterator[Finding]:
    try:
        snapshot = read_snapshot(home.snapshot.read_bytes(), keyring.snapshot)
    except FileNotFoundError:
        yield warn("snapshot", "none has been published yet", "The first `gantry serve` publishes it.")
        return
    except (SnapshotUnreadable, SealBroken) as error:
        advice = "Stop the gateway, delete the file and start again: the clerk writes it anew from control.db."
        yield fail("snapshot", f"{home.snapshot}: {error}", advice)
        return
    yield ok("snapshot", f"version {snapshot.version} opens, {len(snapshot.keys)} API keys in its table")
    providers = sorted({credential.provider_id for credential in snapshot.body.credentials})
    if providers:
        yield ok("credentials", f"{len(snapshot.body.credentials)} for {', '.join(providers)}")
    else:
        advice = "`gantry providers add mistral --api-key …`, or set MISTRAL_API_KEY and start again."
        yield warn("credentials", "there are none, so every call is refused", advice)


def _look_at_disk(home: Home) -> Finding:
    free = shutil.disk_usage(home.path).free
    message = f"{free / _GIB:.1f} GiB free"
    if free < _NO_DISK:
        return fail("disk", message, "Make room: the journal cannot grow, and calls are refused or pass unrecorded.")
    if free < _LITTLE_DISK:
        return warn("disk", message, "Make room before the journal and logs.db need it.")
    return ok("disk", message)
