"""Settings: flags over the environment (`GANTRY_*`) over `gantry.toml` over defaults.

Law: a setting is one field of a frozen Struct, and its help text stands beside it: the options of `gantry serve`, the
documentation and the checks are made from these fields. An unknown name is an error that says where it stands and which
name is nearest; a wrong value names its source, never a line of a traceback.

Structs of msgspec and not pydantic-settings, whose import alone takes half of the time a start may take.
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, structs

from gantry.core.routing_document import Document, RulesRefused, read_rules
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.home import Home

PREFIX = "GANTRY_"
CGROUPS = Path("/sys/fs/cgroup")
OTHER_VARIABLES = frozenset(("GANTRY_HOME", "GANTRY_MASTER_KEY"))  # ours, and no settings

_SHARED_VARIABLES = {
    "SSL_CERT_FILE": "ca_bundle",
    "no_proxy": "no_proxy",
    "NO_PROXY": "no_proxy",
    "https_proxy": "upstream_proxy",
    "HTTPS_PROXY": "upstream_proxy",
}

Sourced = tuple[Any, str]  # a value and where it stands

MiB = 1024 * 1024
Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(gt=0)]
Seconds = Annotated[float, Meta(gt=0)]


class SettingsError(ValueError):
    """A setting cannot be used; the message says which, where it stands, and what to do."""


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class WhenFull(StrEnum):
    """What becomes of new calls while the journal has no room."""

    REFUSE = "refuse"
    PASS = "pass"


def _help(text: str) -> Meta:
    return Meta(description=text)


class ServeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `gantry serve` runs with. Sizes are in bytes, times in seconds."""

    host: Annotated[str, _help("Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, _help("Port to listen on; 0 picks a free one.")] = 8790
    workers: Annotated[Positive | None, _help("Gateway workers; by default one for each CPU really granted.")] = None
    log_level: Annotated[LogLevel, _help("Least severity that is written to stderr.")] = LogLevel.INFO
    database: Annotated[
        Secret | None, _help("postgresql:// URL of the store; by default control.db and logs.db in the home.")
    ] = None
    journal_budget: Annotated[Positive, _help("Bytes the journal may take on disk.")] = 4096 * MiB
    journal_full: Annotated[WhenFull, _help("New calls with a full journal: refuse, or pass uncounted.")] = (
        WhenFull.REFUSE
    )
    response_cache_bytes: Annotated[
        int, Meta(ge=0), _help("Bytes the response cache may take on disk; 0 keeps nothing.")
    ] = 512 * MiB
    tls_certificate: Annotated[
        Path | None, _help("Certificate chain in PEM, to serve https; read anew when renewed.")
    ] = None
    tls_key: Annotated[Path | None, _help("Private key in PEM of tls_certificate.")] = None
    max_header_bytes: Annotated[Positive, _help("Largest head of a request; beyond it 431.")] = 64 * 1024
    max_body_bytes: Annotated[Positive, _help("Largest body held in memory; beyond it 413.")] = 32 * MiB
    max_bytes_held: Annotated[Positive, _help("Bytes of requests and answers held by a worker; beyond it 503.")] = (
        512 * MiB
    )
    max_capture_bytes: Annotated[Positive, _help("Bytes of a call's request, and of its answer, that are kept.")] = (
        8 * MiB
    )
    header_timeout: Annotated[Seconds, _help("For the whole head of a request to arrive.")] = 15.0
    body_timeout: Annotated[Seconds, _help("Without a byte of a request's body.")] = 60.0
    keepalive_timeout: Annotated[Seconds, _help("A client's connection may be idle.")] = 75.0
    connect_timeout: Annotated[Seconds, _help("To connect to a provider.")] = 10.0
    first_byte_timeout: Annotated[Seconds, _help("From the request sent to the answer's first byte.")] = 300.0
    idle_timeout: Annotated[Seconds, _help("Between two bytes of a provider's answer.")] = 300.0
    total_timeout: Annotated[Seconds | None, _help("For a whole call; none by default.")] = None
    ping_interval: Annotated[Seconds, _help("Silence of a stream before a keep-alive comment.")] = 15.0
    drain_timeout: Annotated[Seconds, _help("For running calls to end after SIGTERM.")] = 30.0
    max_snapshot_age: Annotated[
        Seconds | None, _help("Refuse calls when the snapshot was not confirmed for so long.")
    ] = None
    upstream_proxy: Annotated[str | None, _help("Proxy for calls to providers (HTTPS_PROXY).")] = None
    no_proxy: Annotated[str, _help("Hosts called without the proxy, with commas between (NO_PROXY).")] = ""
    ca_bundle: Annotated[Path | None, _help("File of certificates to trust (SSL_CERT_FILE).")] = None


class DeclaredProvider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[providers]]` table of gantry.toml: a credential applied again at each start, read-only elsewhere."""

    provider: str
    name: str = "gantry.toml"
    api_key: Secret | None = None
    api_key_env: str | None = None
    fields: dict[str, Secret] = {}  # further inputs of the credential: a region, an account
    base_url: str | None = None
    weight: Annotated[float, Meta(ge=0, le=1_000_000_000)] = 1.0  # 0 drains
    models: tuple[str, ...] = ()
    exclude_models: tuple[str, ...] = ()
    environment: Environment | None = None


class DeclaredModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[models]]` table of gantry.toml: a name of one's own for a model, applied and kept as a credential is.

    Costs are USD for a million tokens.
    """

    name: str
    base: str | None = None  # the model behind it
    provider: str | None = None  # who is asked, where that is not the base's own provider
    by_name: bool | None = None  # whether the provider is asked for `name` itself
    display_name: str | None = None
    input_cost: float | None = None
    output_cost: float | None = None
    cached_input_cost: float | None = None
    cache_write_cost: float | None = None
    context_window: int | None = None
    streaming: bool | None = None
    tools: bool | None = None
    vision: bool | None = None
    parameters: dict[str, Any] = {}


class Declared(Struct, frozen=True, kw_only=True):
    """The objects that gantry.toml declares, each kind by the name of its tables."""

    providers: tuple[DeclaredProvider, ...] = ()
    models: tuple[DeclaredModel, ...] = ()
    routing: Document | None = None  # the `[routing]` table, which means routing rules


class ConfigFile(ServeSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of gantry.toml: the settings, and the members of `Declared`."""

    providers: tuple[DeclaredProvider, ...] = ()
    models: tuple[DeclaredModel, ...] = ()
    routing: Document | None = None


_TABLES: Mapping[str, type[Struct]] = {"providers": DeclaredProvider, "models": DeclaredModel}


class Setting(Struct, frozen=True):
    """A setting as documentation and options show it."""

    name: str
    type: Any
    default: Any
    help: str

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


def list_settings() -> list[Setting]:
    """Return every setting, in the order of their fields."""
    return [
        Setting(field.name, field.type, field.default, _description(field.type))
        for field in structs.fields(ServeSettings)
    ]


def read_config(home: Home) -> ConfigFile:
    """Return the home's gantry.toml, or the defaults when there is none. Raises SettingsError."""
    values = _read_toml(home.config)
    return _convert(values, dict.fromkeys(values, str(home.config)))


def load_settings(home: Home, flags: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[ServeSettings, Declared]:
    """Return the settings and what is declared. A flag that is None was not given. Raises SettingsError."""
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for layer in (
        _from_shared_variables(environ),
        {name: (value, str(home.config)) for name, value in _read_toml(home.config).items()},
        _from_own_variables(environ),
        {name: (value, "--" + name.replace("_", "-")) for name, value in flags.items() if value is not None},
    ):
        for name, (value, source) in layer.items():
            values[name], origin[name] = value, source
    merged = _convert(values, origin)
    for name, other in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
        if getattr(merged, name) is not None and getattr(merged, other) is None:
            raise SettingsError(f"{origin[name]}: {name} needs {other} beside it; to serve https, give both")
    settings = ServeSettings(**{field: getattr(merged, field) for field in ServeSettings.__struct_fields__})
    return settings, Declared(providers=merged.providers, models=merged.models, routing=merged.routing)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    _refuse_unknown(values, ConfigFile, str(path), "")
    for kind, struct in _TABLES.items():
        declared = values.get(kind, [])
        if not isinstance(declared, list) or not all(isinstance(table, dict) for table in declared):
            raise SettingsError(f"{path}: {kind} are declared as [[{kind}]] tables")
        for number, table in enumerate(declared):
            _refuse_unknown(table, struct, str(path), f"{kind}[{number}].")
    if "routing" in values:
        _check_routing(values["routing"], path)
    return values


def _check_routing(table: Any, path: Path) -> None:
    """Check what can be told of a `[routing]` table by itself. Raises SettingsError."""
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: routing is declared as one [routing] table")
    try:
        read_rules(table)
    except RulesRefused as error:
        raise SettingsError(f"{path}: {'routing.' if error.place else 'routing: '}{error}") from None


def _from_shared_variables(environ: Mapping[str, str]) -> dict[str, Sourced]:
    """Return the settings that all programs share; they count less than what is said to us alone."""
    return {
        name: (environ[variable], variable) for variable, name in _SHARED_VARIABLES.items() if environ.get(variable)
    }


def _from_own_variables(environ: Mapping[str, str]) -> dict[str, Sourced]:
    """Return the settings in `GANTRY_*`."""
    names = {PREFIX + name.upper(): name for name in ServeSettings.__struct_fields__}
    found: dict[str, Sourced] = {}
    for variable, text in environ.items():
        if variable in names:
            found[names[variable]] = (text, variable)
        elif variable.startswith(PREFIX) and variable not in OTHER_VARIABLES:
            near = get_close_matches(variable, names, 1, cutoff=0.85)
            if near:  # another program's variable may start like ours; a misspelt one is near
                raise SettingsError(f"the environment has {variable}, which is no setting; did you mean {near[0]}?")
    return found


def _refuse_unknown(values: Mapping[str, Any], struct: type[Struct], source: str, inside: str) -> None:
    names = struct.__struct_fields__
    for key in values:
        if key not in names:
            near = get_close_matches(key, names, 1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(names)}"
            raise SettingsError(f"{source}: no setting {inside + key!r}{hint}")


def _convert(values: Mapping[str, Any], origin: Mapping[str, str]) -> ConfigFile:
    """Convert field by field, so that the error of each names where the value stands."""
    types = {field.name: field.type for field in structs.fields(ConfigFile)}
    converted = {}
    for name, value in values.items():
        try:
            converted[name] = msgspec.convert(value, types[name], strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{origin[name]}: {name}: {error}") from None
    return ConfigFile(**converted)


def _decode(expected: type, value: Any) -> Any:
    if expected is Secret and isinstance(value, str):
        return Secret(value)
    if issubclass(expected, Path) and isinstance(value, str | os.PathLike):
        return Path(value)
    raise msgspec.ValidationError(f"expected {expected.__name__}, got {type(value).__name__}")


def _description(annotated: Any) -> str:
    """Return the help text of a field's type."""
    return next(str(meta.description) for meta in annotated.__metadata__ if meta.description)


def granted_cpus() -> int:
    """Return how many CPUs this process may really use: its affinity, within the quota of its cgroup."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, _cgroup_quota() or affinity))


def _cgroup_quota() -> int | None:
    """Return the quota of this process's cgroup in whole CPUs, rounded up; None without one."""
    try:
        group = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip()
    except OSError:
        return None
    quotas = [_quota_of(folder) for folder in (CGROUPS / group.lstrip("/"), CGROUPS)]
    found = [quota for quota in quotas if quota is not None]
    return min(found, default=None)


def _quota_of(folder: Path) -> int | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:  # version 1
            quota = (folder / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    return -(-int(quota) // int(period)) if quota.isdecimal() else None
