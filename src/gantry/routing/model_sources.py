"""Where the models come from that an organization can use: which deployments list them, and by which names they go.

Law: pure, and the planner's twin in words: a name is listed exactly when a call with it would find its way to the
provider that listed it. A platform's credential lists what it serves, but never the models that were made with it.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from gantry.core.custom_model import CustomModel, model_behind
from gantry.core.errors import NoCredential
from gantry.core.model_ref import parse_model_ref
from gantry.core.vocabulary import Dialect, Operation, Tier
from gantry.providers.spec import ProviderSpec
from gantry.routing.credentials import lists, prefer_own, serves
from gantry.routing.plan import Attempt, Route, Wish
from gantry.routing.snapshot import CredentialRecord, Providers, Snapshot


class ModelSource(Struct, frozen=True):
    """One provider: the deployments to ask, one for each address, and the models that its credentials name."""

    providers: Providers  # all that the organization can name
    provider: ProviderSpec
    asked: tuple[Attempt, ...]
    declared: tuple[str, ...]
    is_default: bool  # bare names that nobody claims lead here
    named: Mapping[str, CustomModel] = {}  # all custom models of the organization, by name
    credentials: tuple[CredentialRecord, ...] = ()  # for this provider
    organization_id: str = ""

    @property
    def customs(self) -> Iterator[tuple[CustomModel, str]]:
        """The custom models that lead to this provider, each with the provider's name for what is behind it."""
        for custom in self.named.values():
            model = model_behind(custom, self.providers.prefixes).name
            if self.serves(custom) and self.can_serve(model):
                yield custom, model

    def serves(self, custom: CustomModel) -> bool:
        """Say whether a call with a custom name leads to this provider."""
        if custom.provider_id is not None:
            return custom.provider_id == self.provider.id
        ref = model_behind(custom, self.providers.prefixes)
        return ref.prefix in self.provider.prefixes if ref.prefix is not None else self._takes(ref.name)

    def owns(self, name: str) -> bool:
        """Say whether a call with a bare name leads to this provider."""
        if name in self.named or parse_model_ref(name, self.providers.prefixes).prefix is not None:
            return False
        return self._takes(name)

    def can_serve(self, model: str) -> bool:
        """Say whether a credential is there to ask for a model: one that is not drained, and does not leave it out."""
        return bool(prefer_own([one for one in self.credentials if serves(one, model)], self.organization_id))

    def _takes(self, name: str) -> bool:
        if any(lists(one, name) for one in self.credentials) or self.provider.claims(name):
            return True
        return self.is_default and not any(spec.claims(name) for spec in self.providers.by_id.values())

    def names(self, model: str) -> Iterator[str]:
        """Yield the names by which users ask for a model."""
        if not self.can_serve(model):
            return
        if self.owns(model):
            yield model
        if self.provider.prefixes:
            yield f"{self.provider.prefixes[0]}/{model}"


def find_sources(snapshot: Snapshot, wish: Wish) -> tuple[ModelSource, ...]:
    """Return who lists models, the surface's native provider first; if the wish names a model, who could list that.

    Raises NoCredential when no provider has a credential.
    """
    stored = [
        credential
        for credential in snapshot.credentials_of(wish.organization_id)
        if credential.environment is None or credential.environment == wish.environment
    ]
    if not stored:
        raise NoCredential("no provider has a credential yet; add one with `gantry providers add`")
    with_credential = {credential.provider_id for credential in stored}
    providers = snapshot.providers_of(wish.organization_id)
    usable = [spec for spec in providers.by_id.values() if spec.id in with_credential]
    usable.sort(key=lambda spec: (spec.native not in wish.dialects, spec.id))
    sources = (_source(snapshot, wish, spec, stored, is_only=len(usable) == 1) for spec in usable)
    return tuple(source for source in sources if wish.model is None or _could_list(source, wish.model))


def _could_list(source: ModelSource, name: str) -> bool:
    custom = source.named.get(name)
    if custom is not None:
        return source.serves(custom)
    ref = parse_model_ref(name, source.providers.prefixes)
    if not source.can_serve(ref.name):
        return False
    return ref.prefix in source.provider.prefixes if ref.prefix is not None else source.owns(ref.name)


def _source(
    snapshot: Snapshot, wish: Wish, spec: ProviderSpec, stored: Sequence[CredentialRecord], *, is_only: bool
) -> ModelSource:
    own = [credential for credential in stored if credential.provider_id == spec.id]
    patterned = [one for one in own if not one.models or any("*" in model for model in one.models)]
    by_address: dict[str, CredentialRecord] = {}
    for credential in prefer_own(patterned, wish.organization_id):
        by_address.setdefault(credential.base_url, credential)
    declared = dict.fromkeys(model for credential in own for model in credential.models if "*" not in model)
    path = _models_path(spec.paths, wish.dialects)
    asked = () if path is None else tuple(_attempt(spec, *path, credential) for credential in by_address.values())
    is_default = is_only or spec.native is wish.dialects[0]
    providers, customs = snapshot.providers_of(wish.organization_id), snapshot.custom_models_of(wish.organization_id)
    source = ModelSource(providers, spec, asked, (), is_default, customs, tuple(own), wish.organization_id)
    return replace(source, declared=tuple(filter(source.can_serve, declared)))


def _models_path(
    paths: Mapping[Dialect, Mapping[Operation, str]], dialects: Sequence[Dialect]
) -> tuple[Dialect, str] | None:
    for dialect in (*dialects, *paths):
        path = paths.get(dialect, {}).get(Operation.MODELS)
        if path is not None:
            return dialect, path
    return None


def _attempt(spec: ProviderSpec, dialect: Dialect, path: str, credential: CredentialRecord) -> Attempt:
    route = Route(
        provider=spec,
        upstream_model=None,
        path=path,
        dialect=dialect,
        tier=Tier.RELAY,
        candidates=(credential,),
        missing="",
        names=(),
        request_id_headers=(),
    )
    return Attempt(route, credential)
