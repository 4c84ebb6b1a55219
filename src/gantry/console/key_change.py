"""API keys listed, made, changed, revoked and rotated by API, as one change: the temporary ones, and the others.

Law: rights never grow. Who makes, changes or rotates a key does so within what they may do themselves. The limits of a
key are those of the keys it makes too, so that ten keys spend no more than one; it can neither change itself nor those
that made it; and where it is limited it touches only keys that it made: another's are not bound by its limits. A person
is bound by no limit of a key's, and changes keys of their own without the right to `manage`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

from fastapi import Request, Response
from msgspec import Struct

from gantry.board.all_counters import SharedSilent
from gantry.console.access import Caller
from gantry.console.filter_values import ValueRefused, read_flag
from gantry.console.key_form import (
    KeyForm,
    KeyItem,
    NewKeyItem,
    changed_caps,
    changed_policy,
    key_item,
    new_policy,
    read_name,
    refuse_set,
)
from gantry.console.live import tell_when_live
from gantry.console.pages import Page
from gantry.console.request_logs import json_answer
from gantry.console.state import ConsoleState
from gantry.core.errors import Forbidden, InvalidRequest, NotFound, Overloaded
from gantry.core.limit_check import LimitRefused
from gantry.core.limit_terms import terms_of
from gantry.core.limits import Limit
from gantry.core.money import usd_from_nano
from gantry.core.secret import Secret
from gantry.core.vocabulary import Scope
from gantry.store import Connection
from gantry.store.control import Change, ControlStore
from gantry.store.key_caps import NO_CAPS, CapExceeded, Counted, KeyCaps, caps_of, check_left, is_limited, put_caps
from gantry.store.key_rights import KeyPolicy, RightsExceeded, check_within
from gantry.store.key_sums import KeySums, sum_keys
from gantry.store.keys import (
    ApiKey,
    add_key,
    change_key,
    heir_of,
    key_of_id,
    listed_key,
    page_of_keys,
    revoke_key,
    rotate_key,
)
from gantry.store.limits import StoredLimit, limits_of
from gantry.store.logs import LogStore

_RETRY_AFTER: Final = 2.0
_CAPS_IN_API: Final = {"usage": "max_usage", "rate": "rate_limit", "spending": "spending_limit"}
_RIGHTS_IN_API: Final = {"environment": "is_test", "expires_at": "expiry_date"}

T = TypeVar("T")


class Seen(Struct, frozen=True):
    """A key with its caps, as one view of the store shows it."""

    key: ApiKey
    caps: KeyCaps


async def read_page(
    request: Request, state: ConsoleState, caller: Caller, page: Page, *, temporary: bool
) -> tuple[list[KeyItem], int]:
    """Return a page of keys, the newest first, and how many there are; with `?revoked=true` also those revoked."""
    revoked = _flag(request, "revoked")

    def listed(control: ControlStore) -> tuple[list[Seen], int]:
        with control.reading() as connection:
            keys, count = page_of_keys(
                connection,
                caller.organization_id,
                temporary=temporary,
                revoked=revoked,
                page=page.number,
                page_size=page.size,
            )
            limits = limits_of(connection, caller.organization_id)
            return [Seen(key, caps_of(key, limits)) for key in keys], count

    seen, count = await state.ask_control(listed)
    return await _items(state, caller.organization_id, seen), count


async def show_one(state: ConsoleState, caller: Caller, key_id: str, *, temporary: bool) -> KeyItem:
    """Return a key. Raises NotFound."""

    def find(control: ControlStore) -> Seen:
        with control.reading() as connection:
            key = _known(connection, caller, key_id, temporary)
            return Seen(key, caps_of(key, limits_of(connection, caller.organization_id)))

    (item,) = await _items(state, caller.organization_id, [await state.ask_control(find)])
    return item


async def make_one(state: ConsoleState, caller: Caller, form: KeyForm, *, temporary: bool) -> Response:
    """Make a key, and answer with it and its secret. What is left out is as with whoever makes it."""
    refuse_set(form)
    name, caps = read_name(form), changed_caps(form, NO_CAPS)
    policy = new_policy(form, caller.policy, state.clock())
    return await make_named(state, caller, name, policy, caps, temporary=temporary)


async def make_named(
    state: ConsoleState,
    caller: Caller,
    name: str,
    policy: KeyPolicy,
    caps: KeyCaps = NO_CAPS,
    *,
    temporary: bool,
    anybody: bool = False,
) -> Response:
    """Make a key of this name and policy, and answer with it and its secret. Raises Forbidden.

    `anybody`: keys that may not manage keys make such a one, too.
    """
    counted = _counted_on(state, caller.organization_id)

    def make(change: Change) -> tuple[ApiKey, Secret]:
        if not anybody:
            _check_hand(caller)
        _check_rights(policy, caller.policy)
        limits = limits_of(change.connection, caller.organization_id)
        _check_caps(caps, caller.bounds, limits, counted)
        key, secret = add_key(
            change,
            caller.organization_id,
            name,
            policy,
            state.pepper,
            created_by=caller.id,
            bound_by=caller.bounds,
            temporary=temporary,
        )
        _put_caps(change, key, caps, limits)
        return key, secret

    (key, secret), version = await _change(state, make)
    return await _show_new(state, key, caps, secret, version)


async def change_one(state: ConsoleState, caller: Caller, key_id: str, form: KeyForm, *, temporary: bool) -> Response:
    """Change a key: what is left out stays, and null clears. The keys that it made follow where it may do less."""
    refuse_set(form, await show_one(state, caller, key_id, temporary=temporary))
    counted = _counted_on(state, caller.organization_id)

    def edit(change: Change) -> Seen:
        key = _known(change.connection, caller, key_id, temporary)
        limits = limits_of(change.connection, caller.organization_id)
        _check_reach(caller, key, limits)
        policy = changed_policy(form, key.policy, change.now)
        if policy != key.policy:
            _check_rights(policy, caller.policy)
            for creator in heir_of(change.connection, key):
                _check_rights(policy, creator.policy)
        caps = caps_of(key, limits)
        wanted = changed_caps(form, caps)
        if wanted != caps:
            bounds = {*caller.bounds, *key.bound_by} - {*key.line}
            _check_caps(_raised(caps, wanted), bounds, limits, counted)
            _put_caps(change, key, wanted, limits)
        changed, _ = change_key(change, key, read_name(form, key.name), policy)
        return Seen(changed, caps_of(changed, limits_of(change.connection, caller.organization_id)))

    changed, version = await _change(state, edit)
    (item,) = await _items(state, caller.organization_id, [changed])
    return await tell_when_live(json_answer(item), state.board, version)


async def revoke_one(state: ConsoleState, caller: Caller, key_id: str, *, temporary: bool) -> Response:
    """Revoke a key, and those it made. Their limits go, but where a key that was replaced still works under them."""

    def revoke(change: Change) -> None:
        key = _known(change.connection, caller, key_id, temporary)
        limits = limits_of(change.connection, caller.organization_id)
        _check_reach(caller, key, limits)
        for gone in (key, *revoke_key(change, key)):
            replaced = (key_of_id(change.connection, key.organization_id, one) for one in gone.line[1:])
            if not any(one is not None and one.is_live(change.now) for one in replaced):
                put_caps(change, gone, NO_CAPS, limits)

    _, version = await _change(state, revoke)
    return await tell_when_live(Response(status_code=204), state.board, version)


async def rotate_one(state: ConsoleState, caller: Caller, key_id: str, grace: int, *, temporary: bool) -> Response:
    """Put a new key in the place of one, which still works for `grace` ns; answer with it. Limits count on."""

    def rotate(change: Change) -> tuple[ApiKey, Secret, KeyCaps]:
        key = _known(change.connection, caller, key_id, temporary)
        limits = limits_of(change.connection, caller.organization_id)
        _check_reach(caller, key, limits)
        if key.replaced_by is not None or not key.is_live(change.now):
            raise InvalidRequest("Only a live key is rotated, and once. Make a new key.", param="id")
        new, secret = rotate_key(change, key, state.pepper, grace)
        return new, secret, caps_of(new, limits)

    (new, secret, caps), version = await _change(state, rotate)
    return await _show_new(state, new, caps, secret, version)


async def _show_new(state: ConsoleState, key: ApiKey, caps: KeyCaps, secret: Secret, version: int) -> Response:
    sums = await _sums(state, key.organization_id, [key])
    item = key_item(key, caps, sums[key.id])
    shown = {name: getattr(item, name) for name in item.__struct_fields__}
    answer = json_answer(NewKeyItem(**shown, api_key=secret.reveal()))
    answer.status_code = 201
    answer.headers["cache-control"] = "no-store"
    return await tell_when_live(answer, state.board, version)


def _known(connection: Connection, caller: Caller, key_id: str, temporary: bool) -> ApiKey:
    key = listed_key(connection, caller.organization_id, key_id, temporary=temporary)
    if key is None:
        raise NotFound(f"API key not found{' among those that were made by API' if temporary else ''}.")
    return key


def _check_hand(caller: Caller, key: ApiKey | None = None) -> None:
    """Raise Forbidden for who may not `manage`, unless it is a person and the key, or a new one, their own."""
    if caller.may(Scope.MANAGE):
        return
    if caller.session is None:
        raise Forbidden("This API key lacks the scope `manage`. Create one with `gantry keys create NAME --scope …`.")
    if key is not None and key.created_by != caller.id:
        raise Forbidden("You may change the keys that you made. Those of others take the right `manage`.")


def _check_reach(caller: Caller, key: ApiKey, limits: Collection[StoredLimit]) -> None:
    """Raise Forbidden unless a caller may lay hands on a key."""
    _check_hand(caller, key)
    if {*key.line} & {*caller.bounds}:
        raise Forbidden("An API key changes neither itself nor those that made it.")
    _check_rights(key.policy, caller.policy, "This key may do more than yours: ")
    if caller.bounds and not {*caller.line} & {*key.bound_by} and is_limited(caller.bounds, limits):
        raise Forbidden("Your API key is limited, and this one, which it did not make, is not bound by its limits.")


def _check_rights(policy: KeyPolicy, outer: KeyPolicy, before: str = "") -> None:
    try:
        check_within(policy, outer)
    except RightsExceeded as error:
        param = _RIGHTS_IN_API.get(error.right, error.right)
        raise Forbidden(f"{before}{param}: {error}.", param=param) from None


def _check_caps(caps: KeyCaps, bounds: Collection[str], limits: Collection[StoredLimit], counted: Counted) -> None:
    if not bounds:
        return
    try:
        check_left(caps, bounds, limits, counted)
    except CapExceeded as error:
        name = _CAPS_IN_API[error.cap]
        left = f"${usd_from_nano(error.left):g}" if name == "spending_limit" else error.left
        raise Forbidden(f"{name}: no more than {left} is left to the API key that makes it.", param=name) from None


def _raised(caps: KeyCaps, wanted: KeyCaps) -> KeyCaps:
    """Return the caps that are wanted and higher than before; one that is lowered is nobody's loss."""

    def raised(before: int | None, after: int | None) -> int | None:
        return after if before is None or after is None or after > before else None

    return KeyCaps(
        raised(caps.usage, wanted.usage), raised(caps.rate, wanted.rate), raised(caps.spending, wanted.spending)
    )


def _put_caps(change: Change, key: ApiKey, caps: KeyCaps, limits: Collection[StoredLimit]) -> None:
    try:
        put_caps(change, key, caps, limits)
    except LimitRefused as error:
        raise InvalidRequest(f"{error}.", param=error.param) from None


def _counted_on(state: ConsoleState, organization_id: str) -> Counted:
    """Return the question how much is counted on a limit for a key; nothing, where no gateway counts."""

    counters = state.counters

    def counted(limit: Limit, subject: str) -> int:
        if counters is None:
            return 0
        try:
            return counters.read(terms_of(organization_id, limit, subject), state.clock())
        except SharedSilent as error:
            raise Overloaded(f"What is left of a limit is not known now: {error}.", retry_after=_RETRY_AFTER) from error

    return counted


async def _items(state: ConsoleState, organization_id: str, seen: Sequence[Seen]) -> list[KeyItem]:
    sums = await _sums(state, organization_id, [one.key for one in seen])
    return [key_item(one.key, one.caps, sums[one.key.id]) for one in seen]


async def _sums(state: ConsoleState, organization_id: str, keys: Sequence[ApiKey]) -> Mapping[str, KeySums]:
    """Return what each key was used for, with the keys it replaced."""
    wanted = {one for key in keys for one in key.line}

    def read(store: LogStore) -> Mapping[str, KeySums]:
        with store.reading() as connection:
            return sum_keys(connection, organization_id, wanted)

    found = await state.ask_logs(read)
    return {key.id: _total([found[one] for one in key.line if one in found]) for key in keys}


def _total(sums: Sequence[KeySums]) -> KeySums:
    last = [one.last_used for one in sums if one.last_used is not None]
    return KeySums(sum(one.requests for one in sums), sum(one.cost for one in sums), max(last, default=None))


def _flag(request: Request, name: str) -> bool:
    try:
        return read_flag(request.query_params.get(name, "false"))
    except ValueRefused:
        raise InvalidRequest(f"`{name}` must be true or false.", param=name) from None


async def _change(state: ConsoleState, act: Callable[[Change], T]) -> tuple[T, int]:
    """Read and write as one change, so that no two of them cross; return what comes of it, and its version."""

    def question(control: ControlStore) -> tuple[T, int]:
        with control.changing() as change:
            return act(change), change.version

    return await state.ask_control(question)
