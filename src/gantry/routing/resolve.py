"""Where a model is served: a wish and a snapshot in, a route out, or an error that says what is wrong and what to do.

Law: the same wish always has the same route under one snapshot, which a worker remembers; chance and what the request
brings come after it.

How a model is resolved: a known prefix names its provider; then a custom name of the organization leads to the model
behind it, which is resolved in its place; a bare name goes to the provider that claims it (by its patterns in the
catalogue, the closest one, or a credential that lists it), then on a native surface to that surface's provider, then to
the only provider there is. Among the providers left, one that speaks the caller's dialect is preferred: relay before
adapt before translate.

A response that is kept names no model. Who made it is not remembered, so it is looked for at a provider that keeps
responses, and only where the account there is the organization's alone.
"""

from collections.abc import Collection, Sequence
from urllib.parse import unquote

from gantry.core.custom_model import CustomModel, model_behind
from gantry.core.errors import InvalidRequest, NotFound, NotSpoken
from gantry.core.model_ref import ModelRef, parse_model_ref
from gantry.core.vocabulary import (
    CONVERSING_OPERATIONS,
    NATIVE_OPERATIONS,
    STATEFUL_OPERATIONS,
    Dialect,
    Operation,
    Tier,
)
from gantry.dialects.adapt import ADAPTABLE
from gantry.dialects.beyond_chat import asked_operation
from gantry.dialects.rules import NO_RULES
from gantry.dialects.translate import can_translate
from gantry.providers.spec import ProviderSpec
from gantry.routing.credentials import (
    excludes,
    explain_no_home,
    home_credential,
    lists,
    prefer_own,
    serves,
)
from gantry.routing.plan import Route, Wish, shown
from gantry.routing.snapshot import CredentialRecord, Providers, Snapshot

_NOBODY: frozenset[str] = frozenset()
_CONVERSING = (Operation.CHAT, Operation.RESPONSES)  # the first that a provider has


def find_route(snapshot: Snapshot, wish: Wish, brought: frozenset[str] = _NOBODY) -> Route:
    """Return where a wish leads; `brought` names providers for which the request has credentials of its own.

    Raises NotFound, NoCredential (when there is none at all) or InvalidRequest.
    """
    native = wish.operation in NATIVE_OPERATIONS
    stateful = wish.operation in STATEFUL_OPERATIONS
    of_account = stateful or wish.operation is Operation.OPAQUE
    stored = [
        credential
        for credential in snapshot.credentials_of(wish.organization_id)
        if (credential.environment is None or credential.environment == wish.environment)
        # What such a call reads or leaves at the provider belongs to the account: a shared one would leak it.
        and not (of_account and credential.organization_id is None)
    ]
    providers = snapshot.providers_of(wish.organization_id)
    custom = named = None
    if wish.operation is Operation.RESPONSE:
        spec, name = _keeping_provider(providers, wish, stored, snapshot.shared_providers), None
    elif native or wish.model is None:
        spec = _native_provider(providers, wish, stored)
        name = None if wish.model is None else parse_model_ref(wish.model, spec.prefixes).name
    else:
        ref = parse_model_ref(wish.model, providers.prefixes)
        custom = snapshot.custom_models_of(wish.organization_id).get(wish.model)
        if custom is not None:
            ref = model_behind(custom, providers.prefixes)
        named = (custom.provider_id if custom is not None else None) or providers.prefixes.get(ref.prefix or "")
        spec, name = _resolve(providers, wish, ref, custom, stored, brought), ref.name
    serving = [credential for credential in stored if credential.provider_id == spec.id and serves(credential, name)]
    dialect, path, tier, operation = _choose_path(spec, wish, name)
    chats = operation is Operation.CHAT and wish.operation in CONVERSING_OPERATIONS
    rules = spec.rules_for(name) if chats else NO_RULES
    if rules != NO_RULES and tier is Tier.RELAY:
        tier = Tier.ADAPT
    candidates, missing = prefer_own(serving, wish.organization_id), _explain_missing(spec, name, stored)
    if stateful:
        home = home_credential(stored, wish.organization_id, spec.id)
        candidates = (home,) if home is not None else ()
        missing = explain_no_home(stored, wish.organization_id, spec)
    names = () if wish.model is None else _names(spec, wish.model, name or wish.model, named)
    return Route(
        provider=spec,
        upstream_model=name,
        path=path,
        dialect=dialect,
        tier=tier,
        candidates=candidates,
        missing=missing,
        names=names,
        request_id_headers=tuple(header.encode() for header in spec.request_id_headers),
        rules=rules,
        stream_path=spec.stream_paths.get(dialect, {}).get(operation),
        operation=None if operation is wish.operation else operation,
        custom=custom,
        rule=snapshot.routing_rules_of(wish.organization_id).model_rule(names),
    )


def _resolve(
    providers: Providers,
    wish: Wish,
    ref: ModelRef,
    custom: CustomModel | None,
    stored: Sequence[CredentialRecord],
    brought: frozenset[str],
) -> ProviderSpec:
    """Return the provider of a model, which may be the one behind a custom name. Raises NotFound, InvalidRequest."""
    with_credential = {credential.provider_id for credential in stored}
    if wish.pinned is not None:
        return _pinned_provider(providers, wish.pinned)
    if custom is not None and custom.provider_id is not None:
        return providers.by_id[custom.provider_id]
    if ref.prefix is not None:
        return providers.by_id[providers.prefixes[ref.prefix]]
    listed = {credential.provider_id for credential in stored if lists(credential, ref.name)}
    usable = [spec for spec in providers.by_id.values() if spec.id in with_credential or spec.id in brought]
    claiming = [spec for spec in providers.by_id.values() if spec.id in listed or spec.claims(ref.name)]
    for choice in ([spec for spec in claiming if spec in usable], claiming):
        if choice:
            return min(choice, key=lambda spec: (_distance(spec, wish, ref.name), -spec.claim_strength(ref.name)))
    native = [spec for spec in usable if spec.native in wish.dialects and wish.dialects[0] is spec.native]
    if native:
        return native[0]
    if len(usable) == 1:
        return usable[0]
    raise NotFound(
        f"Requested model: {shown(ref.name)} is not available in the model list. Write it with its provider, as in "
        f"mistral/mistral-large-latest, or add a credential that lists it (gantry providers add … --models NAME).",
        param="model",
    )


def _names(spec: ProviderSpec, written: str, name: str, named: str | None) -> tuple[str, ...]:
    """Return how a key's model list may call a model: as written only where no other provider is `named` by that."""
    own = (name, f"{spec.id}/{name}")
    return own if named not in (None, spec.id) else (written, *own)


def _native_provider(providers: Providers, wish: Wish, stored: Sequence[CredentialRecord]) -> ProviderSpec:
    """Return whose surface this is, for calls that name no model."""
    native = [spec for spec in providers.by_id.values() if spec.native in wish.dialects]
    native = [spec for spec in native if wish.root and spec.native_root == wish.root] or native
    if not native:
        raise InvalidRequest("`model` is missing", param="model")
    with_credential = {credential.provider_id for credential in stored}
    return next((spec for spec in native if spec.id in with_credential), native[0])


def _keeping_provider(
    providers: Providers, wish: Wish, stored: Sequence[CredentialRecord], shared: Collection[str]
) -> ProviderSpec:
    """Return where a response may be kept: at the pinned provider, at the surface's own, or else at the first."""
    dialect = wish.dialects[0]
    usable = {credential.provider_id for credential in stored}.difference(shared)
    keeping = [
        spec
        for spec in providers.by_id.values()
        if spec.id in usable and Operation.RESPONSE in spec.paths.get(dialect, {})
    ]
    if wish.pinned is not None:
        pinned = _pinned_provider(providers, wish.pinned)
        keeping = [spec for spec in keeping if spec is pinned]
    if not keeping:
        name = unquote(_kept_path(wish).split("/")[1])
        raise NotFound(
            f"Response with id '{name}' not found. It was answered with `store: false`, under a key or by a call that "
            "keeps no content, in another organization, or too long ago, or it was deleted."
        )
    return next((spec for spec in keeping if spec.native is dialect), keeping[0])


def _kept_path(wish: Wish) -> str:
    """Return the path of a kept response behind that of them all."""
    return wish.path.partition("/responses")[2]


def _pinned_provider(providers: Providers, name: str) -> ProviderSpec:
    spec = providers.by_id.get(providers.prefixes.get(name, name))
    if spec is None:
        known = ", ".join(sorted(providers.by_id))
        raise InvalidRequest(f"X-Respan-Route-Provider names {shown(name)!r}, which is no provider; known are {known}")
    return spec


def _distance(spec: ProviderSpec, wish: Wish, name: str) -> int:
    """Return how far a provider's model is from a wish: on its own surface, in the caller's dialect, or further."""
    if wish.root and spec.native_root == wish.root:
        return -1
    for rank, dialect in enumerate(wish.dialects):
        if dialect in spec.paths and spec.speaks(dialect, name):
            return rank
    return len(wish.dialects)


def _choose_path(spec: ProviderSpec, wish: Wish, name: str | None) -> tuple[Dialect, str, Tier, Operation]:
    """Return the dialect to speak, the path, the tier, and what the provider is asked there."""
    operation = wish.operation
    if operation is Operation.RESPONSE:
        kept = spec.paths[wish.dialects[0]][operation] + _kept_path(wish).replace("{", "%7B")
        return wish.dialects[0], kept, Tier.RELAY, operation
    if operation in NATIVE_OPERATIONS:
        if not wish.path.startswith(tuple(f"{prefix}/" for prefix in spec.native_prefixes)):
            raise NotFound(f"{spec.name} has no path {wish.path}")
        return wish.dialects[0], wish.path.replace("{", "%7B"), Tier.RELAY, operation  # it is no template
    spoken_paths = {dialect: paths for dialect, paths in spec.paths.items() if spec.speaks(dialect, name)}
    for dialect in wish.dialects:
        path = spoken_paths.get(dialect, {}).get(operation)
        if path is not None:
            return dialect, path, Tier.RELAY, operation
    for dialect, paths in spoken_paths.items():
        path = paths.get(operation)
        if path is not None and operation in ADAPTABLE.get((wish.dialects[0], dialect), ()):
            return dialect, path, Tier.ADAPT, operation
    if operation in CONVERSING_OPERATIONS:
        for spoken in _CONVERSING:
            for dialect, paths in spoken_paths.items():
                path = paths.get(spoken)
                if path is not None and can_translate(wish.dialects[0], dialect):
                    return dialect, path, Tier.TRANSLATE, spoken
    for dialect, paths in spoken_paths.items():
        asked = asked_operation(wish.dialects[0], dialect, operation)
        path = None if asked is None else paths.get(asked)
        if asked is not None and path is not None:
            return dialect, path, Tier.TRANSLATE, asked
    raise NotSpoken(
        f"{spec.name} cannot be called with {operation} requests in the {wish.dialects[0]} format; "
        f"use a client that speaks {' or '.join(spec.paths)}",
        param="model",
    )


def _explain_missing(spec: ProviderSpec, name: str | None, stored: Sequence[CredentialRecord]) -> str:
    of_provider = [credential for credential in stored if credential.provider_id == spec.id]
    if of_provider and all(credential.weight == 0 for credential in of_provider):
        return f"every credential for {spec.name} has weight 0; raise one to use it again"
    if of_provider:
        is_excluded = name is not None and any(excludes(credential, name) for credential in of_provider)
        mend = "take it out of one's excluded models" if is_excluded else "add it to one's models"
        return f"no credential for {spec.name} serves the model {shown(name)}; {mend}"
    return f"no credential for {spec.name}; add one with `gantry providers add {spec.id}`"
