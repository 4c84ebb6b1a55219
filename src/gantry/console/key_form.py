"""What a request says of an API key, in Respan's words; and a key as the API shows it. Pure.

Law: a field that is unknown, or that nobody can set, is refused by its name and never passed over (field.md, pain 12).
What an answer of ours holds may be sent back as it was.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from gantry.console.filter_values import ValueRefused, read_time
from gantry.core.errors import InvalidRequest
from gantry.core.limit_check import MOST_AMOUNT
from gantry.core.log_item import iso_of
from gantry.core.money import nano_from_usd, usd_from_nano
from gantry.core.vocabulary import DEFAULT_SCOPES, SCOPE_NAMES, ContentPolicy, Environment, Scope
from gantry.store.key_caps import KeyCaps
from gantry.store.key_rights import SURFACES, KeyPolicy
from gantry.store.key_sums import KeySums
from gantry.store.keys import PLAYGROUND, ApiKey

_LONGEST_NAME: Final = 256
_MOST_NAMED: Final = 200  # models, or surfaces
_LIVELY: Final = frozenset(("key_usage", "last_used", "spending_in_period"))  # an answer's are out of date at once
_UNLIMITED: Final = -1


class KeyForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body; what is left out stays, and null clears."""

    name: str | UnsetType = UNSET
    expiry_date: str | UnsetType | None = UNSET
    max_usage: int | UnsetType | None = UNSET
    rate_limit: int | UnsetType | None = UNSET
    spending_limit: float | UnsetType | None = UNSET
    is_test: bool | UnsetType = UNSET
    scopes: list[str] | UnsetType = UNSET
    models: list[str] | UnsetType | None = UNSET
    surfaces: list[str] | UnsetType | None = UNSET
    content_policy: ContentPolicy | UnsetType = UNSET
    strict: bool | UnsetType = UNSET
    # Of our answers.
    id: Any = UNSET
    prefix: Any = UNSET
    environment: Any = UNSET
    created: Any = UNSET
    created_at: Any = UNSET
    created_by: Any = UNSET
    replaced_by: Any = UNSET
    revoked: Any = UNSET
    is_temporary: Any = UNSET
    key_usage: Any = UNSET
    last_used: Any = UNSET
    spending_in_period: Any = UNSET


_SET_BY_US: Final = KeyForm.__struct_fields__[KeyForm.__struct_fields__.index("id") :]


class KeyItem(Struct, frozen=True, kw_only=True):
    """A key as the API shows it; amounts in USD, -1 for a `max_usage` without an end."""

    id: str
    name: str
    prefix: str
    created: str
    created_at: str
    expiry_date: str | None
    revoked: bool
    is_test: bool
    environment: Environment
    is_temporary: bool
    max_usage: int
    rate_limit: int | None
    spending_limit: float | None
    key_usage: int
    spending_in_period: float
    last_used: str | None
    scopes: list[str]
    models: tuple[str, ...]
    surfaces: tuple[str, ...]
    content_policy: ContentPolicy
    strict: bool
    created_by: str | None
    replaced_by: str | None


class NewKeyItem(KeyItem, frozen=True, kw_only=True):
    """A key with its secret, which no other answer shows."""

    api_key: str


class KeyPage(Struct, frozen=True):
    count: int
    next: str | None
    previous: str | None
    results: list[KeyItem]


class GraceForm(Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds a key that is rotated still works."""

    grace: float = 0


def read_key_form(body: bytes) -> KeyForm:
    """Return what a body says. Raises InvalidRequest."""
    form: KeyForm = _read(body, KeyForm, "an API key")
    return form


def read_grace(body: bytes) -> int:
    """Return the grace of a rotation in ns. Raises InvalidRequest."""
    form: GraceForm = _read(body if body.strip() else b"{}", GraceForm, "a rotation")
    grace = form.grace
    if not 0 <= grace <= 10 * 365 * 86_400:
        raise InvalidRequest("`grace` must be a number of seconds from 0 to ten years.", param="grace")
    return round(grace * 1_000_000_000)


def refuse_set(form: KeyForm, item: KeyItem | None = None) -> None:
    """Refuse what only we can set, unless it is what the key's item says. Raises InvalidRequest."""
    for name in _SET_BY_US:
        given = getattr(form, name)
        same = item is not None and (name in _LIVELY or getattr(item, name) == given)
        if given is not UNSET and not same:
            raise InvalidRequest(f"`{name}` cannot be set.", param=name)


def new_policy(form: KeyForm, creator: KeyPolicy, now: int) -> KeyPolicy:
    """Return the policy of a new key: what is left out is as its creator's, where that is less than the usual."""
    policy = structs.replace(creator, scopes=creator.scopes & DEFAULT_SCOPES or DEFAULT_SCOPES)
    return changed_policy(form, policy, now)


def changed_policy(form: KeyForm, policy: KeyPolicy, now: int) -> KeyPolicy:
    """Return a policy with what a form says. Raises InvalidRequest."""
    changes: dict[str, Any] = {}
    if form.expiry_date is not UNSET:
        changes["expires_at"] = None if form.expiry_date is None else _read_expiry(form.expiry_date, policy, now)
    if form.is_test is not UNSET:
        changes["environment"] = Environment.TEST if form.is_test else Environment.PROD
    if form.scopes is not UNSET:
        changes["scopes"] = _read_scopes(form.scopes)
    if form.models is not UNSET:
        changes["models"] = _read_names(form.models or [], "models")
    if form.surfaces is not UNSET:
        changes["surfaces"] = _read_surfaces(form.surfaces or [])
    if form.content_policy is not UNSET:
        changes["content_policy"] = form.content_policy
    if form.strict is not UNSET:
        changes["strict"] = form.strict
    return structs.replace(policy, **changes)


def changed_caps(form: KeyForm, caps: KeyCaps) -> KeyCaps:
    """Return caps with what a form says. Raises InvalidRequest."""
    changes: dict[str, int | None] = {}
    if form.max_usage is not UNSET:
        unlimited = form.max_usage in (None, _UNLIMITED)
        changes["usage"] = None if unlimited else _read_count(form.max_usage, "max_usage", "-1 or null for no limit")
    if form.rate_limit is not UNSET:
        changes["rate"] = (
            None if form.rate_limit is None else _read_count(form.rate_limit, "rate_limit", "null for no limit")
        )
    if form.spending_limit is not UNSET:
        changes["spending"] = None if form.spending_limit is None else _read_dollars(form.spending_limit)
    return structs.replace(caps, **changes)


def read_name(form: KeyForm, default: str = "") -> str:
    """Return what a key is to be called. Raises InvalidRequest."""
    name = (default if form.name is UNSET else form.name).strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(f"`name` must be one line of 1 to {_LONGEST_NAME} characters.", param="name")
    if name.startswith(PLAYGROUND) and name != default:
        raise InvalidRequest(f"Names that begin with `{PLAYGROUND}` are the playground's.", param="name")
    return name


def key_item(key: ApiKey, caps: KeyCaps, sums: KeySums) -> KeyItem:
    """Return a key as the API shows it."""
    policy = key.policy
    created = iso_of(key.created_at)
    return KeyItem(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        created=created,
        created_at=created,
        expiry_date=None if policy.expires_at is None else iso_of(policy.expires_at),
        revoked=key.revoked_at is not None,
        is_test=policy.environment is Environment.TEST,
        environment=policy.environment,
        is_temporary=key.temporary,
        max_usage=_UNLIMITED if caps.usage is None else caps.usage,
        rate_limit=caps.rate,
        spending_limit=None if caps.spending is None else usd_from_nano(caps.spending),
        key_usage=sums.requests,
        spending_in_period=usd_from_nano(sums.cost),
        last_used=None if sums.last_used is None else iso_of(sums.last_used),
        scopes=[name for name, scope in SCOPE_NAMES.items() if scope in policy.scopes],
        models=policy.models,
        surfaces=policy.surfaces,
        content_policy=policy.content_policy,
        strict=policy.strict,
        created_by=key.created_by,
        replaced_by=key.replaced_by,
    )


def _read(body: bytes, shape: type[Any], what: str) -> Any:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe {what}: {error}.") from None


def _read_expiry(text: str, policy: KeyPolicy, now: int) -> int:
    try:
        moment = read_time(text)
    except ValueRefused as error:
        raise InvalidRequest(f"`expiry_date` {error}.", param="expiry_date") from None
    if moment <= now and moment != policy.expires_at:
        raise InvalidRequest("`expiry_date` is past. To end a key, DELETE it.", param="expiry_date")
    return moment


def _read_scopes(names: list[str]) -> Scope:
    scopes = Scope(0)
    for name in names:
        if name not in SCOPE_NAMES:
            known = ", ".join(SCOPE_NAMES)
            raise InvalidRequest(f"There is no scope `{name}`. Known are: {known}.", param="scopes")
        scopes |= SCOPE_NAMES[name]
    if not scopes:
        raise InvalidRequest(
            "A key without a scope is good for nothing: name one, or leave `scopes` out.", param="scopes"
        )
    return scopes


def _read_names(names: list[str], param: str) -> tuple[str, ...]:
    if len(names) > _MOST_NAMED or any(not one or len(one) > _LONGEST_NAME or not one.isprintable() for one in names):
        raise InvalidRequest(
            f"`{param}` must be up to {_MOST_NAMED} names, each one line of at most {_LONGEST_NAME} characters.",
            param=param,
        )
    return tuple(dict.fromkeys(names))


def _read_surfaces(names: list[str]) -> tuple[str, ...]:
    stray = next((one for one in names if one not in SURFACES), None)
    if stray is not None:
        raise InvalidRequest(f"There is no surface `{stray}`. Known are: {', '.join(SURFACES)}.", param="surfaces")
    return tuple(dict.fromkeys(names))


def _read_count(number: Any, param: str, otherwise: str) -> int:
    if not 1 <= number <= MOST_AMOUNT:
        raise InvalidRequest(f"`{param}` must be a number from 1 on, or {otherwise}.", param=param)
    return int(number)


def _read_dollars(number: float) -> int:
    try:
        nano: int = nano_from_usd(number)
    except (ValueError, ArithmeticError):
        nano = -1
    if not 0 <= nano <= MOST_AMOUNT:
        raise InvalidRequest(
            "`spending_limit` must be an amount of US dollars, or null for no limit.", param="spending_limit"
        )
    return nano
