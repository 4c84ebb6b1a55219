"""Settings: flags over the environment (`GANTRY_*`) over `gantry.toml` over defaults.

Law: a setting is one field of a frozen Struct, and its help text stands beside it: the options of `gantry serve`, the
documentation and the checks are made from these fields. An unknown name is an error that says where it stands and which
name is nearest; a wrong value names its source, never a line of a traceback.

Structs of msgspec and not pydantic-settings, whose import alone takes half of the time a start may take.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, structs

from gantry.core.alert import Event
from gantry.core.limit_words import LimitWords
from gantry.core.limits import Unpriced
from gantry.core.retention import Bytes, Days, Retention
from gantry.core.role import Role
from gantry.core.routing_document import Document, RulesRefused, read_rules
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.home import Home

PREFIX = "GANTRY_"
CGROUPS = Path("/sys/fs/cgroup")
_PROVIDER_NAME = re.compile("[a-z0-9_-]{1,32}")
_ALLOWED_HOST = re.compile(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_POSTGRESQL_SCHEMES = ("postgresql://", "postgres://")
_RENAMED = {"database": "database_url"}  # an older name, which is still understood
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
OTHER_VARIABLES = frozenset(("GANTRY_HOME", "GANTRY_MASTER_KEY", "GANTRY_LISTENS_ON"))  # ours, and no settings

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
    """What becomes of new calls while the journal, or the counters' file, has no room."""

    REFUSE = "refuse"
    PASS = "pass"


class SignUp(StrEnum):
    """Who may become a person of the console."""

    OPEN = "open"  # anybody, with an organization of their own
    INVITE = "invite"
    CLOSED = "closed"  # people are added on the command line


class WhenSilent(StrEnum):
    """What becomes of new calls while the counters that several machines share do not answer."""

    OPEN = "open"
    CLOSED = "closed"


def _help(text: str) -> Meta:
    return Meta(description=text)


class ServeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `gantry serve` runs with. Sizes are in bytes, times in seconds."""

    host: Annotated[str, _help("Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, _help("Port to listen on; 0 picks a free one.")] = 8790
    workers: Annotated[Positive | None, _help("Gateway workers; by default one for each CPU really granted.")] = None
    log_level: Annotated[LogLevel, _help("Least severity that is written to stderr.")] = LogLevel.INFO
    database_url: Annotated[
        Secret | None,
        _help(
            "postgresql:// URL of the store; by default control.db and logs.db in the home. Needs the extra postgres."
        ),
    ] = None
    logs_url: Annotated[
        Secret | None,
        _help("https://USER:PASSWORD@HOST:PORT/NAME of a ClickHouse for request logs; needs the extra clickhouse."),
    ] = None
    journal_budget: Annotated[Positive, _help("Bytes the journal may take on disk.")] = 4096 * MiB
    journal_full: Annotated[WhenFull, _help("New calls with a full journal: refuse, or pass uncounted.")] = (
        WhenFull.REFUSE
    )
    counters_full: Annotated[
        WhenFull, _help("Calls whose limits the disk has no room to count: refuse, or pass uncounted.")
    ] = WhenFull.PASS
    redis_url: Annotated[
        Secret | None,
        _help("redis://, rediss:// or unix:// URL of the counters that several machines share; needs the extra redis."),
    ] = None
    redis_timeout: Annotated[Seconds, _help("For an answer of the shared counters.")] = 0.1
    redis_down: Annotated[
        WhenSilent, _help("New calls while they do not answer: open counts on this machine alone, closed refuses.")
    ] = WhenSilent.OPEN
    response_cache_bytes: Annotated[
        int, Meta(ge=0), _help("Bytes the response cache may take on disk; 0 keeps nothing.")
    ] = 512 * MiB
    retention_days: Annotated[Days | None, _help("Days logs are kept, where an organization has not said.")] = None
    retention_body_days: Annotated[Days | None, _help("Days what was said is kept, likewise.")] = None
    retention_test_days: Annotated[Days | None, _help("Days logs of the test environment are kept, likewise.")] = None
    retention_max_bytes: Annotated[Bytes | None, _help("Bytes of each organization's logs, likewise.")] = None
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
    console_url: Annotated[
        str | None,
        _help("https://HOST of a machine of the same database whose console serves this one too; none runs here then."),
    ] = None
    public_url: Annotated[
        str | None, _help("Where browsers find the console, https://HOST, when that is not HOST and PORT themselves.")
    ] = None
    allowed_hosts: Annotated[
        str,
        _help("Further names that the console answers to, with commas between; .example.com is all below it, * any."),
    ] = ""
    sign_up: Annotated[
        SignUp, _help("Who may become a person of the console: open is anybody, invite who is invited, closed nobody.")
    ] = SignUp.INVITE
    trusted_proxies: Annotated[
        str,
        _help("Addresses and networks of proxies in front, with commas between, whose X-Forwarded-For is believed."),
    ] = ""
    otlp_endpoint: Annotated[
        str | None, _help("Where logs are exported as spans (OTLP over HTTP); without a path, /v1/traces.")
    ] = None
    otlp_headers: Annotated[
        Secret | None, _help("Fields of its requests, as OTEL_EXPORTER_OTLP_HEADERS has them: name=value,name=value.")
    ] = None
    otlp_content: Annotated[bool, _help("Whether spans say what was said, where a log keeps it.")] = False
    smtp_url: Annotated[
        Secret | None, _help("Mail server for alerts and invitations: smtp://USER:PASSWORD@HOST:587, or smtps://….")
    ] = None
    smtp_from: Annotated[str, _help("E-mail address that alerts come from.")] = ""

    @property
    def retention(self) -> Retention:
        """How long logs are kept where an organization has not said."""
        return Retention(
            days=self.retention_days,
            body_days=self.retention_body_days,
            test_days=self.retention_test_days,
            max_bytes=self.retention_max_bytes,
        )


class DeclaredProvider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[providers]]` table of gantry.toml: a credential applied again at each start, read-only elsewhere."""

    provider: str
    name: str = "gantry.toml"
    api_key: Secret | None = None
    api_key_env: str | None = None
    fields: dict[str, Secret] = {}  # further inputs of the credential: a region, an account
    base_url: str | None = None
    platform: bool = False  # serves every organization, after its own, for credits
    weight: Annotated[float, Meta(ge=0, le=1_000_000_000.0)] = 1.0  # 0 drains
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


class DeclaredBooks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[books]` table of gantry.toml: what holds for all of an organization's money. Amounts are USD."""

    unpriced: Unpriced = Unpriced.ALLOW
    stop_streams: bool = False
    markup: Annotated[float, Meta(ge=0, le=100)] = 0.0  # 0.2 puts a fifth on top of what a call costs
    minimum_balance: float = 0.0
    low_balance: float | None = None


class DeclaredChannel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An `[[alert_channels]]` table of gantry.toml: where to tell of things, applied and kept as a credential is.

    A URL or a secret in the environment is named by its variable.
    """

    name: str
    kind: Literal["webhook", "slack", "email"] = "webhook"
    url: Secret | None = None
    url_env: str | None = None
    secret: Secret | None = None  # that signs for a webhook
    secret_env: str | None = None
    to: tuple[str, ...] = ()  # e-mail addresses
    events: tuple[Event, ...] = ()
    environment: Environment | None = None
    enabled: bool = True


class DeclaredPrice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[prices]]` table of gantry.toml: prices of one's own for models of a provider, from a day on (UTC).

    USD, each for what `gantry prices show` tells it for: 1M tokens or characters, an hour, 1000 pages or searches.
    """

    provider: str
    models: Annotated[tuple[str, ...], Meta(min_length=1)]
    since: date
    service_tier: str | None = None
    input: Decimal | None = None
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    output: Decimal | None = None
    input_audio: Decimal | None = None
    cached_audio: Decimal | None = None
    output_audio: Decimal | None = None
    input_image: Decimal | None = None
    output_image: Decimal | None = None
    input_video: Decimal | None = None
    audio_hour: Decimal | None = None
    characters: Decimal | None = None
    pages: Decimal | None = None
    annotated_pages: Decimal | None = None
    images: Decimal | None = None
    searches: Decimal | None = None
    web_searches: Decimal | None = None
    tool_calls: Decimal | None = None
    requests: Decimal | None = None


class DeclaredIdentityProvider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An `[oidc.NAME]` table of gantry.toml: an identity provider that people sign in to the console by.

    With `allowed_domains`, whoever has a verified address there is let in, as `default_role` of the first organization;
    without, who is invited or known.
    """

    issuer: str
    client_id: str
    client_secret: Secret | None = None
    client_secret_env: str | None = None
    name: str | None = None  # as people read it
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    default_role: Role = Role.MEMBER
    allowed_domains: tuple[str, ...] = ()


class Declared(Struct, frozen=True, kw_only=True):
    """The objects that gantry.toml declares, each kind by the name of its tables."""

    providers: tuple[DeclaredProvider, ...] = ()
    models: tuple[DeclaredModel, ...] = ()
    prices: tuple[DeclaredPrice, ...] = ()
    routing: Document | None = None  # the `[routing]` table, which means routing rules
    limits: tuple[LimitWords, ...] = ()
    books: DeclaredBooks | None = None
    alert_channels: tuple[DeclaredChannel, ...] = ()
    oidc: dict[str, DeclaredIdentityProvider] = {}


class ConfigFile(ServeSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of gantry.toml: the settings, and the members of `Declared`."""

    providers: tuple[DeclaredProvider, ...] = ()
    models: tuple[DeclaredModel, ...] = ()
    prices: tuple[DeclaredPrice, ...] = ()
    routing: Document | None = None
    limits: tuple[LimitWords, ...] = ()
    books: DeclaredBooks | None = None
    alert_channels: tuple[DeclaredChannel, ...] = ()
    oidc: dict[str, DeclaredIdentityProvider] = {}


_TABLES: Mapping[str, type[Struct]] = {
    "providers": DeclaredProvider,
    "models": DeclaredModel,
    "limits": LimitWords,
    "alert_channels": DeclaredChannel,
    "prices": DeclaredPrice,
}


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
    if merged.database_url is not None:
        _check_postgresql(merged.database_url, origin["database_url"])
    if merged.logs_url is not None:
        _check_clickhouse(merged.logs_url, origin["logs_url"])
    if merged.redis_url is not None:
        _check_redis(merged.redis_url, origin["redis_url"])
    _check_console(merged, origin)
    settings = ServeSettings(**{field: getattr(merged, field) for field in ServeSettings.__struct_fields__})
    declared = {name: getattr(merged, name) for name in Declared.__struct_fields__}
    return settings, Declared(**declared)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    for before, now in _RENAMED.items():
        if before in values and now not in values:
            values[now] = values.pop(before)
    _refuse_unknown(values, ConfigFile, str(path), "")
    for kind, struct in _TABLES.items():
        declared = values.get(kind, [])
        if not isinstance(declared, list) or not all(isinstance(table, dict) for table in declared):
            raise SettingsError(f"{path}: {kind} are declared as [[{kind}]] tables")
        for number, table in enumerate(declared):
            _refuse_unknown(table, struct, str(path), f"{kind}[{number}].")
    if "routing" in values:
        _check_routing(values["routing"], path)
    if "books" in values:
        if not isinstance(values["books"], dict):
            raise SettingsError(f"{path}: books are declared as one [books] table")
        _refuse_unknown(values["books"], DeclaredBooks, str(path), "books.")
    if "oidc" in values:
        _check_oidc(values["oidc"], path)
    return values


def _check_oidc(tables: Any, path: Path) -> None:
    """Check what can be told of the `[oidc.NAME]` tables by themselves. Raises SettingsError."""
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise SettingsError(f"{path}: identity providers are declared as [oidc.NAME] tables")
    for name, table in tables.items():
        if not _PROVIDER_NAME.fullmatch(name):
            raise SettingsError(f"{path}: oidc.{name}: the name may have small letters, digits, - and _")
        _refuse_unknown(table, DeclaredIdentityProvider, str(path), f"oidc.{name}.")
        parts = urlsplit(str(table.get("issuer", "")))
        local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not parts.netloc or not (parts.scheme == "https" or local) or parts.query or parts.fragment:
            raise SettingsError(f"{path}: oidc.{name}.issuer must be https://HOST, as the provider writes it")
        if "openid" not in table.get("scopes", ["openid"]):
            raise SettingsError(f"{path}: oidc.{name}.scopes must have openid among them")


def _check_console(merged: ConfigFile, origin: Mapping[str, str]) -> None:
    """Check what the console is found by. Raises SettingsError."""
    if merged.public_url is not None:
        parts = urlsplit(merged.public_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
            raise SettingsError(f"{origin['public_url']}: public_url must be https://HOST, without a path")
    if merged.console_url is not None:
        parts = urlsplit(merged.console_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise SettingsError(f"{origin['console_url']}: console_url must be https://HOST, without a path")
        if merged.database_url is None:
            where = origin["console_url"]
            raise SettingsError(f"{where}: console_url needs database_url: no other machine sees what is in this home")
    for one in filter(None, (one.strip() for one in merged.allowed_hosts.split(","))):
        if not _ALLOWED_HOST.fullmatch(one):
            where = origin["allowed_hosts"]
            raise SettingsError(f"{where}: allowed_hosts: {one!r} must be NAME, .NAME or *, without https:// and port")
    for one in merged.trusted_proxies.split(","):
        try:
            if one.strip():
                ip_network(one.strip(), strict=False)
        except ValueError:
            where = origin["trusted_proxies"]
            raise SettingsError(f"{where}: trusted_proxies: {one.strip()!r} is no address and no network") from None


def _check_postgresql(url: Secret, source: str) -> None:
    """Check what can be told of the store's URL without asking it. Raises SettingsError."""
    if not url.reveal().startswith(_POSTGRESQL_SCHEMES):
        raise SettingsError(f"{source}: database_url begins with {' or '.join(_POSTGRESQL_SCHEMES)}")
    if find_spec("psycopg") is None:
        raise SettingsError(f"{source}: database_url needs the extra postgres; install llm-gantry[postgres]")


def _check_clickhouse(url: Secret, source: str) -> None:
    parts = urlsplit(url.reveal())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{source}: logs_url must be http://HOST:PORT/DATABASE, or with https")
    if find_spec("clickhouse_connect") is None:
        raise SettingsError(f"{source}: logs_url needs the extra clickhouse; install llm-gantry[clickhouse]")


def _check_redis(url: Secret, source: str) -> None:
    """Check what can be told of the shared counters' URL without asking them. Raises SettingsError."""
    if not url.reveal().startswith(_REDIS_SCHEMES):
        raise SettingsError(f"{source}: redis_url begins with {', '.join(_REDIS_SCHEMES)}")
    if find_spec("redis") is None:
        raise SettingsError(f"{source}: redis_url needs the extra redis; install llm-gantry[redis]")


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
    before = {PREFIX + name.upper(): name for name in _RENAMED}
    found: dict[str, Sourced] = {}
    for variable, text in environ.items():
        if variable in before:
            found.setdefault(_RENAMED[before[variable]], (text, variable))
        elif variable in names:
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
