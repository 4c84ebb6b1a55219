"""The schema of a provider's row, and its strict loader: an unknown key is an error that names the file and the key."""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from importlib.resources import files

import msgspec
from msgspec import Struct

from gantry.core.vocabulary import Dialect, Operation


class AuthScheme(StrEnum):
    BEARER = "bearer"
    HEADER = "header"  # the secret alone, in the header called `name`


class Auth(Struct, frozen=True, forbid_unknown_fields=True):
    scheme: AuthScheme = AuthScheme.BEARER
    name: str = "authorization"
    field: str = "api_key"

    def render(self, secret: str) -> str:
        """Return the header line that carries a secret."""
        return f"{self.name}: Bearer {secret}" if self.scheme is AuthScheme.BEARER else f"{self.name}: {secret}"


class CredentialField(Struct, frozen=True, forbid_unknown_fields=True):
    """One input of the provider's credential: `api_key`, …"""

    name: str
    label: str
    secret: bool = True


class ProviderSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One provider. `paths` maps each dialect it speaks to the path of each operation in it."""

    id: str
    name: str
    base_url: str
    paths: dict[Dialect, dict[Operation, str]]
    prefixes: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()  # variables that hold a credential by reference
    auth: Auth = Auth()
    fields: tuple[CredentialField, ...] = (CredentialField("api_key", "API key"),)
    native: Dialect | None = None  # whose native surface this provider serves with opaque operations
    native_prefixes: tuple[str, ...] = ()  # upstream paths an opaque operation may reach: ("/v1", "/v2")
    models: tuple[str, ...] = ()  # patterns of bare names that mean this provider
    probe: str = "/v1/models"  # a GET that proves a credential and costs nothing
    request_id_headers: tuple[str, ...] = ()

    def claims(self, model: str) -> bool:
        """Say whether a bare model name means this provider."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)


class SpecError(ValueError):
    """A provider's row cannot be used; the message names file and key."""


def parse_spec(text: str, source: str) -> ProviderSpec:
    """Return the spec in a TOML document. Raises SpecError."""
    try:
        spec = msgspec.convert(tomllib.loads(text), ProviderSpec)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SpecError(f"{source}: {error}") from error
    if spec.base_url.rstrip("/").endswith("/v1"):
        raise SpecError(f"{source}: base_url is given without the path of an operation, so without /v1")
    for dialect, operations in spec.paths.items():
        for operation, path in operations.items():
            if not path.startswith("/"):
                raise SpecError(f"{source}: paths.{dialect}.{operation} must start with a slash")
    return spec


def load_catalog() -> Mapping[str, ProviderSpec]:
    """Return the built-in providers by id."""
    specs = {}
    for entry in sorted(files("gantry.providers").joinpath("catalog").iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            spec = parse_spec(entry.read_text(encoding="utf-8"), entry.name)
            if entry.name != f"{spec.id}.toml":
                raise SpecError(f"{entry.name}: the file is named after the provider's id, {spec.id}")
            specs[spec.id] = spec
    return specs


def custom_spec(provider_id: str, name: str, base_url: str) -> ProviderSpec:
    """Return the row of an OpenAI-compatible provider that a user named by its base URL."""
    return ProviderSpec(
        id=provider_id,
        name=name,
        base_url=base_url,
        prefixes=(provider_id,),
        paths={
            Dialect.OPENAI_CHAT: {
                Operation.CHAT: "/v1/chat/completions",
                Operation.EMBEDDINGS: "/v1/embeddings",
                Operation.MODELS: "/v1/models",
            }
        },
    )


def normalise_base_url(url: str) -> str:
    """Return a base URL as we keep it: without a trailing slash or `/v1`, which the paths of operations carry."""
    trimmed = url.strip().rstrip("/")
    return trimmed.removesuffix("/v1").rstrip("/")
