"""`gantry backup` and `gantry restore`: a home in one file, and out of it again."""

import os
import shlex
from pathlib import Path

import click

from gantry.cli.opened import shown_faults
from gantry.cli.options import home_option
from gantry.home import Home, load_keyring
from gantry.keeping.backup import back_up
from gantry.keeping.manifest import Manifest
from gantry.keeping.restore import restore as restore_home
from gantry.settings import load_settings
from gantry.store.control_tables import CONTROL
from gantry.store.database import database_url
from gantry.store.log_tables import LOGS
from gantry.store.migrate import known_revisions


@click.command()
@home_option
@click.argument("target", metavar="FILE|DIR", type=click.Path(path_type=Path))
@click.option(
    "--with-master-key",
    is_flag=True,
    help="Put the master key into it, too: then whoever has the backup has every credential.",
)
def backup(home: Path, target: Path, with_master_key: bool) -> None:
    """Back a home up into FILE, or into a file named by the time in DIR, while the gateway runs.

    FILE is a tar, compressed where its name ends in .gz or .tgz. What is made again is not in it: caches, the snapshot,
    what limits have counted.
    """
    with shown_faults():
        kept = Home(home)
        settings, _ = load_settings(kept, {}, os.environ)
        database = None if settings.database_url is None else settings.database_url.reveal()
        keyring = load_keyring(kept, os.environ.get("GANTRY_MASTER_KEY"))
        file, manifest = back_up(
            kept, target, database=database, master_key_id=keyring.id, with_master_key=with_master_key
        )
    size = sum(found.size for found in manifest.files) / (1 << 20)
    click.echo(f"{file}: {len(manifest.files)} files, {size:.1f} MiB", err=True)
    if not manifest.has_master_key:
        click.echo(f"The master key {manifest.master_key_id} is not in it: keep a copy of it elsewhere.", err=True)
    if database is not None:
        click.echo(
            "The database is not in it: keys, credentials and logs are on the server. Back it up now, after this:\n"
            f"  {dump_command(database, file)}",
            err=True,
        )
    if settings.logs_url is not None:
        click.echo("Request logs are not in it: they are in ClickHouse. Back that up now, after this.", err=True)
    click.echo(file)


@click.command()
@home_option
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
def restore(home: Path, file: Path) -> None:
    """Restore a backup into a home that is empty, on this machine or another."""
    with shown_faults():
        target = Home(home)
        environment_key = os.environ.get("GANTRY_MASTER_KEY")
        key_id = None if environment_key is None else load_keyring(target, environment_key).id
        known = {tree.name: known_revisions(tree) for tree in (CONTROL, LOGS)}
        manifest = restore_home(file, target, known=known, key_id=key_id)
    click.echo(f"{target.path}: {len(manifest.files)} files, each as it was.", err=True)
    for line in what_is_left(target, manifest, key_id is not None):
        click.echo(line, err=True)


def what_is_left(home: Home, manifest: Manifest, has_key: bool) -> list[str]:
    """Return what whoever restores has still to do."""
    left = []
    if not manifest.has_master_key and not has_key:
        left.append(
            f"It needs the master key {manifest.master_key_id}, which the backup does not hold: write it to "
            f"{home.master_key} (chmod 600), or set GANTRY_MASTER_KEY. Without it nothing starts here."
        )
    if manifest.engine != "sqlite":
        left.append("Its database is not in the backup: restore that on the server, and say where it is.")
    left.append(f"Then: gantry doctor --home {shlex.quote(str(home.path))}, and gantry serve.")
    return left


def dump_command(database: str, file: Path) -> str:
    """Return what backs a server's database up. A password stays out of it: the command line is public."""
    url = database_url(database).set(drivername="postgresql", password=None).render_as_string()
    return f"pg_dump --format=custom --file={shlex.quote(file.name + '.pgdump')} {shlex.quote(url)}"
