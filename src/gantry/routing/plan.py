"""The values of routing: what is wished for, the route that could serve it, and the attempts of one call."""

from typing import NamedTuple

from msgspec import Struct

from gantry.core.vocabulary import Dialect, Operation, Tier
from gantry.dialects.rules import NO_RULES, RequestRules
from gantry.providers.spec import ProviderSpec
from gantry.routing.snapshot import CredentialRecord


class Wish(NamedTuple):
    """What a caller asks for, as far as routing cares. `path` is normalised, and empty but for native operations."""

    organization_id: str
    environment: str
    dialects: tuple[Dialect, ...]
    operation: Operation
    path: str
    model: str | None


class Route(Struct, frozen=True):
    """Where a wish leads under one snapshot, before a credential is drawn. The same wish always has the same route.

    `candidates` are the stored credentials to draw from by weight; none when nothing stored may serve, and then
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


class Attempt(Struct, frozen=True):
    """One deployment to try: a route with a credential drawn."""

    route: Route
    credential: CredentialRecord
    callers_credential: bool = False  # the caller's own: nothing of ours is at stake, and a bad key is the caller's


class Plan(Struct, frozen=True):
    attempts: tuple[Attempt, ...]
