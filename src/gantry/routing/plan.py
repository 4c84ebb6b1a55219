"""The values of routing: what is wished for, the route that could serve it, and the attempts of one call."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from msgspec import Struct

from gantry.core.custom_model import CustomModel
from gantry.core.errors import InvalidRequest
from gantry.core.model_ref import is_safe_path_segment
from gantry.core.routing_rules import Affinity, Hedge, ModelRule, Strategy
from gantry.core.vocabulary import Dialect, Operation, Tier
from gantry.dialects.rules import NO_RULES, RequestRules
from gantry.providers.spec import AuthScheme, ProviderSpec, fill_template, has_place
from gantry.routing.snapshot import CredentialRecord

_LONGEST_SHOWN: Final = 200
_PROVEN_EACH_TIME: Final = frozenset((AuthScheme.SIGV4, AuthScheme.GOOGLE))


def shown(name: str | None) -> str:
    """Return a name as errors show it: a caller may write a megabyte, and an error is answered and kept in the log."""
    name = name or ""
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"


class Retries(Struct, frozen=True):
    """How often the same is asked again, and how many seconds the first pause takes."""

    count: int = 0
    pause: float = 0.2


NO_RETRIES: Final = Retries()


class Wish(NamedTuple):
    """What a caller asks for, as far as routing cares. `path` is normalised, and empty but for native operations."""

    organization_id: str
    environment: str
    dialects: tuple[Dialect, ...]
    operation: Operation
    path: str
    model: str | None
    root: str = ""  # of the surface, where its provider has one of its own
    pinned: str | None = None  # the provider that the caller insists on, by prefix or id


class Route(Struct, frozen=True):
    """Where a wish leads under one snapshot, before a credential is drawn. The same wish always has the same route.

    `path` may have places for the model and the credential's fields; `stream_path` is that of streams, where they
    differ. `candidates` are the stored credentials to draw from by weight; none when nothing stored may serve, and then
    `missing` says why.
    """

    provider: ProviderSpec
    upstream_model: str | None
    path: str
    dialect: Dialect
    tier: Tier
    candidates: tuple[CredentialRecord, ...]
    missing: str
    names: tuple[str, ...]  # how a key's model list may call the model; the first as the caller wrote it
    request_id_headers: tuple[bytes, ...]
    rules: RequestRules = NO_RULES
    stream_path: str | None = None
    operation: Operation | None = None  # what the provider is asked, where that is not what the caller asked
    custom: CustomModel | None = None  # the custom model that the caller named
    rule: ModelRule | None = None  # of the organization, for calls to this model: there may be hundreds to look through


class Attempt(Struct, frozen=True):
    """One deployment to try: a route with a credential drawn."""

    route: Route
    credential: CredentialRecord
    callers_credential: bool = False  # the caller's own: nothing of ours is at stake, and a bad key is the caller's
    asked: str | None = None  # the model as it was named: by the caller, in a list of fallbacks, or by a group
    weight: float = 1.0  # among the attempts that could be made in its place

    @property
    def deployment_id(self) -> str:
        """What the deployment is known by. What callers bring is told apart by a digest: it has one id for them all."""
        record, model = self.credential, self.route.upstream_model or ""
        if not self.callers_credential:
            return f"{record.credential_id}/{model}"
        parts = (record.provider_id, record.base_url, *(one.reveal() for one in record.secrets.values()))
        mark = blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return f"{record.credential_id}/{mark}/{model}"

    @property
    def base_url(self) -> str:
        """The base URL, with the credential's fields in their places."""
        url = self.credential.base_url
        return self.route.provider.fill_base_url(url, self._values()) if "{" in url else url

    def path(self, *, stream: bool) -> str:
        """Return the path of the call, with the model and the credential's fields in their places.

        Raises InvalidRequest for a model whose name could lead out of its place.
        """
        route = self.route
        path = route.stream_path if stream and route.stream_path is not None else route.path
        if "{" not in path:
            return path
        if has_place(path, "model") and not is_safe_path_segment(route.upstream_model or ""):
            raise InvalidRequest(
                f"{route.provider.name} has no model called {shown(route.upstream_model)!r}: the name has characters, "
                "or segments between slashes, that no model's name has",
                param="model",
            )
        return fill_template(path, self._values())

    def auth_lines(self) -> str:
        """Return the header lines that carry the credential, as far as they do not depend on the request."""
        auth = self.route.provider.auth
        if auth.scheme in _PROVEN_EACH_TIME:
            return ""
        return auth.lines(self.credential.secrets[auth.field].reveal())

    def _values(self) -> dict[str, str]:
        values = self.route.provider.place_values(self.credential.secrets)
        return {**values, "model": self.route.upstream_model or ""}


class WeightedModel(Struct, frozen=True):
    """A model to balance over, with the stored credential or the caller's own to use for it, where one is named."""

    model: str
    weight: float = 1.0
    credential: str | None = None
    callers: Mapping[str, Any] | None = None


class Terms(Struct, frozen=True):
    """What a request says of its own routing. None leaves it to the organization's rules."""

    group_id: str | None = None
    members: tuple[WeightedModel, ...] = ()  # to balance over, in place of a stored group's
    fallbacks: tuple[str, ...] | None = None
    models: tuple[str, ...] = ()  # to choose from, where no model is named
    follows: bool = True  # False: no fallback, whoever wishes for one
    retries: Retries | None = None
    excluded_models: tuple[str, ...] = ()
    excluded_providers: tuple[str, ...] = ()
    override: Mapping[str, Any] = {}
    customer: Mapping[str, Any] = {}
    keys: Mapping[str, Any] = {}


NO_TERMS: Final = Terms()


class Choice(Struct, frozen=True):
    """The deployments that could serve one model, or one group of them; one is drawn."""

    asked: str | None  # the model or group as it was named
    attempts: tuple[Attempt, ...]
    strategy: Strategy = Strategy.WEIGHTED
    affinity: Affinity = Affinity.AUTO


class Plan(Struct, frozen=True):
    """Where a call may go: the first choice, then what follows it in order. `passed_over` says what cannot be asked."""

    choices: tuple[Choice, ...]
    retries: Retries = NO_RETRIES
    hedge: Hedge | None = None
    passed_over: tuple[str, ...] = ()
