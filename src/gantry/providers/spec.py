"""The schema of a provider's row, and its strict loader: an unknown key is an error that names the file and the key.

A row says what differs between providers that speak a known format: where the operations are, how the key travels, and
which parameters of a request need changing on the way. Nothing else in Gantry names a provider (law 3).
"""

import json
import re
import tomllib
from collections.abc import Collection, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct, field, structs

from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.rules import NO_RULES, RequestRules
from gantry.providers.failures import FailureRule, shared_failures

_CATALOG = Path(__file__).parent / "catalog"
_CHAT = "/chat/completions"
_PLACE = re.compile(r"\{([a-z_]+)\}")
_HOST_PART = re.compile(r"[A-Za-z0-9_.-]+")
_VERSION_SEGMENT = re.compile(r"/v[0-9][a-z0-9]*(?=/|$)")
_OPENAI_OPERATIONS: Mapping[Operation, str] = {
    Operation.CHAT: _CHAT,
    Operation.EMBEDDINGS: "/embeddings",
    Operation.COMPLETIONS: "/completions",
    Operation.RERANK: "/rerank",
    Operation.IMAGES: "/images/generations",
    Operation.IMAGE_EDITS: "/images/edits",
    Operation.MODERATION: "/moderations",
    Operation.TRANSCRIPTION: "/audio/transcriptions",
    Operation.SPEECH: "/audio/speech",
    Operation.MODELS: "/models",
    Operation.MODEL: "/models",
}


class AuthScheme(StrEnum):
    BEARER = "bearer"
    HEADER = "header"  # the secret alone, in the header called `name`
    SIGV4 = "sigv4"  # Amazon's: each request is signed, or sent with a bearer key where the credential has one
    GOOGLE = "google"  # a service account's key buys short-lived bearer tokens


class Auth(Struct, frozen=True, forbid_unknown_fields=True):
    """How a credential travels. `service` and `region` (a field of the credential) are for SIGV4."""

    scheme: AuthScheme = AuthScheme.BEARER
    name: str = "authorization"
    field: str = "api_key"
    service: str = ""
    region: str = ""

    def value(self, secret: str) -> str:
        """Return the header's value that carries a secret."""
        return f"Bearer {secret}" if self.scheme is AuthScheme.BEARER else secret

    def render(self, secret: str) -> str:
        """Return the header line that carries a secret."""
        return f"{self.name}: {self.value(secret)}"

    def lines(self, secret: str) -> str:
        """Return the header line with its end; nothing for the empty secret of a provider that needs none."""
        return f"{self.render(secret)}\r\n" if secret else ""


class CredentialField(Struct, frozen=True, forbid_unknown_fields=True):
    """One input of the provider's credential: `api_key`, … One that is not required is empty where it is not given."""

    name: str
    label: str
    secret: bool = True
    required: bool = True
    default: str = ""  # of one that is no secret
    environment: tuple[str, ...] = ()  # variables that hold it, for a credential whose secret is in one as well
    json: bool = False  # the content of a JSON file
    address: bool = False  # the base URL, under the name that users of this provider know
    host: bool = False  # stands in the host of the base URL


def read_field(item: CredentialField, given: str | Mapping[str, Any]) -> str:
    """Return a field's value as it is kept: one line of printable ASCII. Raises ValueError saying what it must be."""
    if item.json:
        try:
            content = msgspec.json.decode(given, type=dict[str, Any]) if isinstance(given, str) else given
        except (msgspec.DecodeError, RecursionError):
            content = None
        if not isinstance(content, Mapping):
            raise ValueError(f"{item.name} must be a JSON object: the whole content of the file")
        # ASCII alone, as everything that is kept beside a credential.
        return json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"{item.name} is missing")
    if not given.strip().isascii() or not given.strip().isprintable():
        raise ValueError(f"{item.name} has characters that no key has")
    if item.host and not _HOST_PART.fullmatch(given.strip()):
        raise ValueError(f"{item.name} has characters that no host has")
    return given.strip()


class ModelRules(RequestRules, frozen=True, forbid_unknown_fields=True):
    """Rules for some models of a provider, over those for all."""

    models: tuple[str, ...] = ()  # patterns of upstream names


class ProviderSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One provider. `paths` maps each dialect it speaks to the path of each operation in it.

    An empty `base_url` means that each user has their own, and must give it. A path may hold `{model}`, and both may
    hold fields of the credential that are no secrets: `{api_version}`. `stream_paths` are those of streams, where they
    differ. `base_url_where` is another base URL for some values of a field.
    """

    id: str
    name: str
    base_url: str
    paths: dict[Dialect, dict[Operation, str]]
    stream_paths: dict[Dialect, dict[Operation, str]] = {}
    dialect_models: dict[Dialect, tuple[str, ...]] = {}  # patterns of models that speak only this one of its dialects
    base_url_where: dict[str, dict[str, str]] = {}
    prefixes: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()  # variables that hold a credential by reference
    auth: Auth = Auth()
    fields: tuple[CredentialField, ...] = (CredentialField("api_key", "API key"),)
    either: tuple[tuple[str, ...], ...] = ()  # sets of fields, one of which a credential must have whole
    native: Dialect | None = None  # whose native surface this provider serves with opaque operations
    native_root: str = ""  # of our paths that are this provider's own, where several serve a dialect
    native_prefixes: tuple[str, ...] = ()  # upstream paths an opaque operation may reach: ("/v1", "/v2")
    models: tuple[str, ...] = ()  # patterns of bare names that mean this provider
    probe: str = "/v1/models"  # a GET that proves a credential and costs nothing; empty where there is none
    request_id_headers: tuple[str, ...] = ()
    headers: dict[str, str] = {}  # sent unless the caller sent one of that name
    max_tokens: int = 4096  # where the format demands a bound and the caller gave none
    request: RequestRules = field(default_factory=RequestRules)  # for chat completions
    request_for: tuple[ModelRules, ...] = ()
    failures: tuple[FailureRule, ...] = ()  # what its errors say beyond their status; the first that fits

    @property
    def root(self) -> str:
        """What stands before the path of each operation, and at the end of the base URL that SDKs want: `/v1`."""
        chats = (operations.get(Operation.CHAT, "") for operations in self.paths.values())
        return next((path.removesuffix(_CHAT) for path in chats if path.endswith(_CHAT)), "")

    @property
    def needs_secret(self) -> bool:
        return any(item.required for item in self.fields if item.name == self.auth.field)

    def explain_missing(self, given: Collection[str]) -> str:
        """Return which field a credential with these lacks, in words; nothing where it is whole."""
        for item in self.fields:
            if item.required and not (item.name in given or item.default or item.address):
                return f"{self.name} needs {item.name} ({item.label})"
        if self.either and not any(all(name in given for name in fields) for fields in self.either):
            return f"{self.name} needs either {' or '.join(' and '.join(fields) for fields in self.either)}"
        return ""

    def place_values(self, secrets: Mapping[str, Secret]) -> dict[str, str]:
        """Return what may stand in a path or base URL: the fields of a credential that are no secrets."""
        plain = (item.name for item in self.fields if not item.secret)
        return {name: secrets[name].reveal() for name in plain if name in secrets}

    def fill_base_url(self, base_url: str, values: Mapping[str, str]) -> str:
        """Return a credential's base URL with its fields in their places."""
        if "{" not in base_url:
            return base_url
        for name, urls in self.base_url_where.items():
            if base_url == self.base_url and values.get(name, "") in urls:
                return urls[values[name]]
        return fill_template(base_url, values)

    def rules_for(self, model: str | None) -> RequestRules:
        """Return the rules for a chat request to a model; a rule of the model's own wins over one for all."""
        rules = self.request
        for own in self.request_for:
            if model is not None and _matches(model, own.models):
                rules = RequestRules(
                    _without(own.drop, rules.rename) | own.rename,
                    (*rules.drop, *own.drop),
                    _without(own.drop, rules.clamp) | own.clamp,
                    _without(own.drop, rules.default) | own.default,
                    (*rules.omit, *own.omit),
                )
        return rules

    def speaks(self, dialect: Dialect, model: str | None) -> bool:
        """Say whether a model is called in this dialect: those that one claims are called in no other."""
        if not self.dialect_models or model is None:
            return True
        claiming = [one for one, patterns in self.dialect_models.items() if _matches(model, patterns)]
        return dialect in claiming if claiming else dialect not in self.dialect_models

    def claims(self, model: str) -> bool:
        """Say whether a bare model name means this provider."""
        return _matches(model, self.models)

    def claim_strength(self, model: str) -> int:
        """Return how closely a bare name is claimed: the length of the longest pattern that it fits, or 0."""
        return max((len(pattern) for pattern in self.models if fnmatchcase(model, pattern)), default=0)


def _matches(model: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(model, pattern) for pattern in patterns)


# msgspec learns a type when it is first used, and a thread that comes meanwhile is given half of what it learnt, which
# ends the process. So what threads may read is learnt at import, here as elsewhere.
_learnt = msgspec.json.Decoder(ProviderSpec)


class SpecError(ValueError):
    """A provider's row cannot be used; the message names file and key."""


def parse_spec(text: str, source: str) -> ProviderSpec:
    """Return the spec in a TOML document. Raises SpecError."""
    try:
        spec = msgspec.convert(tomllib.loads(text), ProviderSpec)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SpecError(f"{source}: {error}") from error
    if normalise_base_url(spec.base_url, spec.root) != spec.base_url:
        raise SpecError(
            f"{source}: base_url is given without {spec.root or '/v1'}, which the paths of operations carry"
        )
    for table, paths in (("paths", spec.paths), ("stream_paths", spec.stream_paths)):
        for dialect, operations in paths.items():
            for operation, path in operations.items():
                _check_path(spec, path, f"{source}: {table}.{dialect}.{operation}")
    _check_template(spec, spec.base_url, f"{source}: base_url")
    for item in spec.fields:
        if has_place(spec.base_url, item.name) and not item.host:
            raise SpecError(f"{source}: fields: {item.name} stands in base_url, so it needs host = true")
    _check_template(spec, spec.probe, f"{source}: probe")
    for rule in spec.failures:
        if fault := rule.explain_fault():
            raise SpecError(f"{source}: failures: {fault}")
    named = {spec.auth.field, *spec.base_url_where, *(name for fields in spec.either for name in fields)}
    for name in sorted(named - {item.name for item in spec.fields}):
        raise SpecError(f"{source}: {name} is no field of the credential")
    return spec


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Return a path or base URL with the model and the credential's fields in their places, percent-encoded."""
    return _PLACE.sub(lambda place: quote(values.get(place[1], ""), safe="@"), template)


def has_place(template: str, name: str) -> bool:
    return f"{{{name}}}" in template


def _check_path(spec: ProviderSpec, path: str, where: str) -> None:
    if not path.startswith("/"):
        raise SpecError(f"{where} must start with a slash")
    _check_template(spec, path, where)


def _check_template(spec: ProviderSpec, template: str, where: str) -> None:
    plain = {item.name for item in spec.fields if not item.secret}
    for name in _PLACE.findall(template):
        if name not in plain and not (name == "model" and template.startswith("/")):
            raise SpecError(f"{where} has a place for {{{name}}}, which is no field of the credential, or a secret one")


def load_catalog(folder: Path = _CATALOG) -> Mapping[str, ProviderSpec]:
    """Return the built-in providers by id."""
    specs = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            spec = parse_spec(entry.read_text(encoding="utf-8"), entry.name)
            if entry.name != f"{spec.id}.toml":
                raise SpecError(f"{entry.name}: the file is named after the provider's id, {spec.id}")
            specs[spec.id] = structs.replace(spec, failures=spec.failures + shared_failures(spec.paths))
    return specs


def custom_spec(provider_id: str, name: str, base_url: str, request: RequestRules = NO_RULES) -> ProviderSpec:
    """Return the row of an OpenAI-compatible provider that a user named by its base URL.

    Operations are under `/v1`, unless the URL has a version of its own: `https://host/v1beta/openai`, `https://host/v4`.
    """
    root = "" if _VERSION_SEGMENT.search(_split(base_url)[1]) else "/v1"
    paths = {
        Dialect.OPENAI_CHAT: {operation: root + path for operation, path in _OPENAI_OPERATIONS.items()},
        Dialect.OPENAI_RESPONSES: {Operation.RESPONSES: f"{root}/responses"},
    }
    return ProviderSpec(
        id=provider_id,
        name=name,
        base_url=base_url,
        prefixes=(provider_id,),
        fields=(CredentialField("api_key", "API key", required=False),),
        paths=paths,
        probe=f"{root}/models",
        request=request,
        failures=shared_failures(paths),
    )


def normalise_base_url(url: str, root: str = "/v1") -> str:
    """Return a base URL as we keep it: without a trailing slash, or the root that the paths of operations carry.

    So what a provider documents, `https://api.groq.com/openai/v1`, its host, and anything between mean the same.
    """
    origin, path = _split(url.strip())
    path = path.rstrip("/")
    segments = root.split("/")
    ends = ["/".join(segments[:count]) for count in range(len(segments), 1, -1)]
    for end in (*ends, "/v1"):
        if path.endswith(end):
            return origin + path.removesuffix(end).rstrip("/")
    return origin + path


def _without(names: tuple[str, ...], rules: Mapping[str, Any]) -> dict[str, Any]:
    return {name: rule for name, rule in rules.items() if name not in names}


def _split(url: str) -> tuple[str, str]:
    """Return scheme and host, and the path."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return scheme + mark + host, slash + path
