"""`gantry serve`: run a node, with the supervisor in this process.

Law: light. Nothing here imports a store or the data plane, because the first call waits for these imports. The options
are made from the settings' own fields, so they cannot disagree with the documentation.

What the flags say reaches the clerk and the console as environment variables, and the workers as one message, without
the database's URL: the data plane knows no database.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from functools import reduce
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import click
import msgspec

from gantry.cli.options import home_option
from gantry.compiled import read_build
from gantry.core.secret import Secret
from gantry.home import Home, HomeError
from gantry.settings import (
    PREFIX,
    ServeSettings,
    Setting,
    SettingsError,
    WhenFull,
    WhenSilent,
    granted_cpus,
    list_settings,
    load_settings,
)
from gantry.supervisor import COMMANDS, CannotListen, Patience, Role, serve

WORKER_SETTINGS_VARIABLE = "GANTRY_WORKER_SETTINGS"
WORKER_REDIS_VARIABLE = "GANTRY_WORKER_REDIS"

_METAVARS = {int: "INTEGER", float: "NUMBER", Path: "PATH"}
_WORKER_LIMITS = (
    "max_header_bytes",
    "max_body_bytes",
    "max_bytes_held",
    "max_capture_bytes",
    "header_timeout",
    "body_timeout",
    "keepalive_timeout",
    "connect_timeout",
    "first_byte_timeout",
    "idle_timeout",
    "total_timeout",
    "ping_interval",
    "drain_timeout",
    "max_snapshot_age",
)

Command = Callable[..., None]


def base_type(annotated: Any) -> type:
    """Return the type that a setting's value has when it is given: without its annotations, and without None."""
    if isinstance(annotated, type):
        return annotated
    candidates = (argument for argument in get_args(annotated) if argument is not NoneType)
    return base_type(next(candidates))


def setting_options(function: Command) -> Command:
    """Add one option per setting. A secret gets none: what stands on a command line is public on its machine."""
    shown = [setting for setting in list_settings() if base_type(setting.type) is not Secret]
    return reduce(lambda decorated, setting: _option(setting)(decorated), reversed(shown), function)


def _option(setting: Setting) -> Callable[[Command], Command]:
    kind = base_type(setting.type)
    return click.option(
        "--" + setting.name.replace("_", "-"),
        type=click.Choice([str(member.value) for member in kind]) if issubclass(kind, Enum) else str,
        metavar=_METAVARS.get(kind),
        help=setting.help if setting.default in (None, "") else f"{setting.help}  [default: {setting.default}]",
    )


@click.command("serve")
@home_option
@setting_options
def command(home: Path, **flags: str | None) -> None:
    """Run the gateway on this machine: workers, clerk and console."""
    run_node(Home(home), flags, lambda url: click.echo(f"gantry listening on {url}"))


def run_node(home: Home, flags: Mapping[str, str | None], announce: Callable[[str], None]) -> None:
    """Run a node until a signal ends it. Raises ClickException when it cannot start."""
    build = read_build()
    if build.stale:
        raise click.ClickException(f"{build.complaint}; install it again")
    try:
        settings, _ = load_settings(home, flags, os.environ)
        logging.basicConfig(
            stream=sys.stderr,
            level=settings.log_level.upper(),
            format="%(asctime)s %(levelname)s supervisor[%(process)d] %(message)s",
        )
        if settings.tls_certificate is not None and settings.tls_key is not None:
            _check_pair(settings.tls_certificate, settings.tls_key)
        serve(
            home,
            host=settings.host,
            port=settings.port,
            workers=settings.workers or granted_cpus(),
            environment={**_as_variables(flags), **_worker_environment(settings)},
            announce=announce,
            commands={**COMMANDS, Role.WORKER: (*COMMANDS[Role.WORKER], "--log-level", settings.log_level)},
            patience=Patience(drain=settings.drain_timeout),
            scheme="http" if settings.tls_certificate is None else "https",
            with_console=settings.console_url is None,
        )
    except (SettingsError, HomeError, CannotListen) as error:
        raise click.ClickException(str(error)) from error


def _check_pair(certificate: Path, key: Path) -> None:
    """Raise ClickException for a pair that no worker could use. Without one, TLS is 4 MB of no use here."""
    module = import_module("gantry.certificate")
    try:
        module.load_pair(certificate, key)
    except module.CertificateError as error:
        raise click.ClickException(str(error)) from error


def _as_variables(flags: Mapping[str, str | None]) -> dict[str, str]:
    """Return the flags that were given as environment variables, which is how children read settings."""
    return {PREFIX + name.upper(): value for name, value in flags.items() if value is not None}


def _worker_environment(settings: ServeSettings) -> dict[str, str]:
    """Return what workers read of the settings; what is secret stands alone."""
    environment = {WORKER_SETTINGS_VARIABLE: worker_message(settings)}
    if settings.redis_url is not None:
        environment[WORKER_REDIS_VARIABLE] = settings.redis_url.reveal()
    return environment


def worker_message(settings: ServeSettings) -> str:
    """Return the settings of `gantry.gateway.worker.WorkerSettings` as JSON; what is None is left to its default."""
    limits = {name: value for name in _WORKER_LIMITS if (value := getattr(settings, name)) is not None}
    message = {
        "limits": {
            **limits,
            "refuse_when_journal_full": settings.journal_full is WhenFull.REFUSE,
            "refuse_when_counters_full": settings.counters_full is WhenFull.REFUSE,
        },
        "journal_budget": settings.journal_budget,
        "console_url": settings.console_url,
        "response_cache_bytes": settings.response_cache_bytes,
        "redis_timeout": settings.redis_timeout,
        "redis_fails_closed": settings.redis_down is WhenSilent.CLOSED,
        "ca_bundle": str(settings.ca_bundle) if settings.ca_bundle else None,
        "tls_certificate": str(settings.tls_certificate) if settings.tls_certificate else None,
        "tls_key": str(settings.tls_key) if settings.tls_key else None,
        "https_proxy": settings.upstream_proxy,
        "trusted_proxies": [one.strip() for one in settings.trusted_proxies.split(",") if one.strip()],
        "no_proxy": [host.strip() for host in settings.no_proxy.split(",") if host.strip()],
    }
    return msgspec.json.encode(message).decode()
