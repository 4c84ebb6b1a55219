"""Which credential serves: the caller's override for a model, the caller's own for a provider, then the stored ones.

Precedence: `credential_override[model]` (by the name as written, with its provider, bare, or by the provider alone),
then its deprecated form `customer_api_keys[model]`, then `customer_credentials[provider]`, then the organization's
stored credentials by weight, then the platform's. A caller's credential goes only to the provider's own host, and is
never stored.

What lives with an account at the provider (files, batches, agents, …) is neither drawn nor shared: it is asked of the
organization's home credential, whatever its weight and models, and of no other.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from gantry.core.errors import InvalidRequest
from gantry.core.secret import Secret
from gantry.providers.spec import ProviderSpec, normalise_base_url, read_field
from gantry.routing.snapshot import CredentialRecord

CALLERS_CREDENTIAL = "caller"
_NO_KEYS: Mapping[str, Any] = {}
_HEAVIEST = 1_000_000_000  # sums of such weights are still exact, and the next one is not infinity


def callers_credential(
    spec: ProviderSpec,
    written: str | None,
    model: str | None,
    override: Mapping[str, Any],
    customer: Mapping[str, Any],
    draw: Callable[[], float],
    keys: Mapping[str, Any] = _NO_KEYS,
) -> CredentialRecord | None:
    """Return the credential that the request itself brings for provider and model, if any. Raises InvalidRequest."""
    if not (override or customer or keys):
        return None
    models = _names_of(spec, written, model)
    names = [*models, *spec.prefixes, spec.id]
    for name in names:
        if name in override:
            return read_credential(spec, override[name], f"credential_override.{name}")
    for name in names:
        if name in keys:
            return read_credential(spec, {spec.auth.field: keys[name]}, f"customer_api_keys.{name}")
    for name in (spec.id, *spec.prefixes):
        if name in customer:
            fields = customer[name]
            if isinstance(fields, list):
                fields = _pick_weighted(fields, models, f"customer_credentials.{name}", draw)
            return read_credential(spec, fields, f"customer_credentials.{name}")
    return None


def lists(credential: CredentialRecord, model: str) -> bool:
    """Say whether a credential names a model among those it serves."""
    return _is_named(credential, model, credential.models)


def excludes(credential: CredentialRecord, model: str) -> bool:
    return _is_named(credential, model, credential.excluded_models)


def serves(credential: CredentialRecord, model: str | None) -> bool:
    """Say whether a credential serves a model of its provider: one that it lists, or any; none that it excludes."""
    if model is None:
        return True
    return (not credential.models or lists(credential, model)) and not excludes(credential, model)


def _names_of(spec: ProviderSpec, written: str | None, model: str | None) -> list[str]:
    """Return the names that a model may have: as written, with its provider, and bare."""
    full = () if model is None else (f"{name}/{model}" for name in (*spec.prefixes, spec.id))
    return [name for name in dict.fromkeys((written, *full, model)) if name is not None]


def prefer_own(serving: Sequence[CredentialRecord], organization_id: str) -> tuple[CredentialRecord, ...]:
    """Return the organization's own credentials, or the platform's where it has none; weight 0 drains."""
    own = [credential for credential in serving if credential.organization_id == organization_id]
    return tuple(credential for credential in own or serving if credential.weight > 0)


def drawn_weight(candidate: CredentialRecord) -> float:
    """Return the weight that one of a route's candidates is drawn by: a home credential serves though it is drained."""
    return candidate.weight or 1.0


def home_credential(
    stored: Iterable[CredentialRecord], organization_id: str, provider_id: str
) -> CredentialRecord | None:
    """Return the organization's home credential for a provider; none when it was removed, or is not among these."""
    for credential in stored:
        if credential.home and credential.organization_id == organization_id and credential.provider_id == provider_id:
            return credential
    return None


def explain_no_home(stored: Iterable[CredentialRecord], organization_id: str, spec: ProviderSpec) -> str:
    """Return why a call to what lives with an account is refused, and what to do."""
    law = f"files, batches, agents and the like live with one account at {spec.name}"
    own = [c.name for c in stored if c.organization_id == organization_id and c.provider_id == spec.id]
    if not own:
        return (
            f"{law}, and there is no credential for one that is yours alone and that this key may use; "
            f"add one with `gantry providers add {spec.id}`"
        )
    names = " or ".join(f"`gantry providers home {spec.id}/{name}`" for name in own)
    return f"{law}, and none of yours that this key may use is chosen for it; choose one with {names}"


def _is_named(credential: CredentialRecord, model: str, patterns: Sequence[str]) -> bool:
    if not patterns:
        return False
    names = (model, f"{credential.provider_id}/{model}")
    return any(pattern in names or any(fnmatchcase(name, pattern) for name in names) for pattern in patterns)


def read_credential(spec: ProviderSpec, fields: Any, param: str) -> CredentialRecord:
    if not isinstance(fields, dict):
        raise InvalidRequest(f"{param} must be an object of credential fields", param=param)
    secrets = {}
    for item in spec.fields:
        given = fields.get(item.name)
        if given in (None, "") and not (item.required and not item.default):
            secrets[item.name] = Secret(item.default)
            continue
        try:
            secrets[item.name] = Secret(read_field(item, given or ""))
        except ValueError as error:
            raise InvalidRequest(f"{param}.{error}", param=param) from None
    missing = spec.explain_missing({name for name, secret in secrets.items() if secret.reveal()})
    if missing:
        raise InvalidRequest(f"{param}: {missing}", param=param)
    return CredentialRecord(
        credential_id=CALLERS_CREDENTIAL,
        organization_id=None,
        provider_id=spec.id,
        name=CALLERS_CREDENTIAL,
        base_url=_address(spec, secrets, param),
        secrets=secrets,
    )


def _address(spec: ProviderSpec, secrets: Mapping[str, Secret], param: str) -> str:
    """Return where a caller's credential goes: to the provider, or where the caller's own account with it is."""
    given = next((secrets[item.name].reveal() for item in spec.fields if item.address), "")
    if not given and not spec.base_url:
        raise InvalidRequest(f"{param}.api_base is missing: each {spec.name} account has its own address", param=param)
    if not given:
        return spec.base_url
    if not given.startswith("https://"):
        raise InvalidRequest(f"{param}.api_base must begin with https://", param=param)
    return normalise_base_url(given, spec.root)


def _pick_weighted(entries: list[Any], models: Collection[str], param: str, draw: Callable[[], float]) -> Any:
    """Return the fields of one of `[{weight, credentials}, …]` that serve a model, by the names it may have."""
    weighted = []
    for entry in entries:
        if not isinstance(entry, dict) or "credentials" not in entry:
            raise InvalidRequest(f"{param} must list objects with weight and credentials", param=param)
        weight = entry.get("weight", 1)
        if not isinstance(weight, int | float) or isinstance(weight, bool) or weight <= 0:
            raise InvalidRequest("Weight has to be greater than 0", param=f"{param}.weight")
        if weight > _HEAVIEST:
            raise InvalidRequest(f"Weight has to be at most {_HEAVIEST}", param=f"{param}.weight")
        available = _names(entry.get("available_models"), models) is not False
        if available and not _names(entry.get("exclude_models"), models):
            weighted.append((float(weight), entry["credentials"]))
    if not weighted:
        raise InvalidRequest(f"{param} lists no credentials for this model", param=param)
    point = draw() * sum(weight for weight, _ in weighted)
    for weight, fields in weighted:
        point -= weight
        if point < 0:
            return fields
    return weighted[-1][1]


def _names(listed: Any, models: Collection[str]) -> bool | None:
    """Say whether a list names a model; None for one that is not there, or empty."""
    if not isinstance(listed, list) or not listed:
        return None
    return any(name in models for name in listed if isinstance(name, str))
