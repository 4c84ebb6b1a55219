"""The plan: which deployments serve a call, in order, and how (DESIGN §3 step 5)."""

from msgspec import Struct

from gantry.core.vocabulary import Dialect, Operation, Tier
from gantry.providers.spec import ProviderSpec
from gantry.routing.snapshot import CredentialRecord


class Attempt(Struct, frozen=True):
    """One deployment to try: a provider with a credential and an upstream model, reached at a path in a dialect."""

    provider: ProviderSpec
    credential: CredentialRecord
    upstream_model: str | None
    path: str
    dialect: Dialect
    tier: Tier
    callers_credential: bool = False  # the caller's own, so nothing of ours is at stake and a bad key is the caller's


class Plan(Struct, frozen=True):
    attempts: tuple[Attempt, ...]


class Wish(Struct, frozen=True):
    """What a caller asks for, as far as routing cares."""

    organization_id: str
    environment: str
    dialects: tuple[Dialect, ...]
    operation: Operation
    path: str  # normalised, for opaque operations
    model: str | None
