"""The callers' customers, in Respan's words (`users`): listed, shown, added, changed, forgotten.

Law: customers are made by traffic. What people set of what one may spend is theirs from then on, whatever traffic says,
and holds from the answer on: it is put on the board that workers count by. Reading takes the scope `read`, changing
`manage`.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import msgspec
from fastapi import Request, Response
from msgspec import UNSET, Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.filter_grammar import read_filters, url_filters
from gantry.console.filter_shapes import Filters
from gantry.console.pages import page_of, page_parameters, paged
from gantry.console.parameters import ENVIRONMENTS, Parameter, documented
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.console.user_form import (
    FullUser,
    UserForm,
    UserItem,
    full_user_item,
    read_identifier,
    read_user_form,
    user_item,
    values_in,
)
from gantry.core.audit_entry import AuditAction
from gantry.core.erasure import subject_digest
from gantry.core.errors import InvalidRequest, NotFound
from gantry.core.limit_terms import customer_key
from gantry.core.vocabulary import Environment, Scope
from gantry.store import Connection
from gantry.store.control import ControlStore
from gantry.store.customers import (
    COUNT_BOUND,
    FIELDS,
    Customer,
    CustomerQuery,
    add_customer,
    change_customer,
    count_customers,
    delete_customer,
    field_named,
    find_customer,
    page_of_customers,
    spent_in_period,
)
from gantry.store.log_filter import AllOf, FilterRefused, parts_of
from gantry.store.logs import LogStore
from gantry.store.organizations import find_organization

_PAGE_SIZE: Final = 50
_READERS: Final = requires(Scope.READ)
_MANAGERS: Final = requires(Scope.MANAGE)
_RESERVED: Final = frozenset(("page", "page_size", "sort_by", "environment", "is_test", "all_envs"))
SORTS: Final = tuple(
    "customer_identifier name email first_seen last_active_timeframe active_days number_of_requests total_requests "
    "total_tokens tokens total_cost cost average_latency average_ttft".split()
)
_DOCUMENTED: Final = page_parameters(
    _PAGE_SIZE,
    Parameter(
        "sort_by",
        tuple(way + name for way in ("", "-") for name in SORTS),
        "With `-` in front for descending. Default: `-first_seen`.",
    ),
    *ENVIRONMENTS,
)

_OF_ENVIRONMENT: Final = documented(*ENVIRONMENTS[:2])  # a customer is of one

router = guarded_router("users")

T = TypeVar("T")


class UserFilters(Struct, frozen=True, forbid_unknown_fields=True):
    filters: Filters | None = None
    operator: str | None = None


class UserList(Struct, frozen=True):
    """A page of customers. There are at least `count` where it is not exact."""

    count: int
    count_is_exact: bool
    next: str | None
    previous: str | None
    results: list[UserItem]
    current_filters: dict[str, Any]


@router.get("/api/users/list", dependencies=[_READERS], include_in_schema=False)
@router.get("/api/users", dependencies=[_READERS], openapi_extra=_DOCUMENTED)
@shaped(answers=UserList)
async def list_users(request: Request, state: State, caller: Caller) -> Response:
    """List the customers, those seen first most lately first; with filters as `?field=value`."""
    return await _answer_list(request, state, caller, b"")


@router.post("/api/users/list", dependencies=[_READERS], openapi_extra=_DOCUMENTED)
@shaped(takes=UserFilters, answers=UserList)
async def list_users_by_body(request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body: `{"filters": {"total_cost": {"operator": "gte", "value": [1]}}}`."""
    return await _answer_list(request, state, caller, await read_bounded(request))


@router.post("/api/users", dependencies=[_MANAGERS], status_code=201)
@shaped(takes=UserForm, answers=FullUser)
async def add_user(request: Request, state: State, caller: Caller) -> Response:
    """Add a customer before its first call, with what it may spend."""
    form = read_user_form(await read_bounded(request))
    identifier, values = read_identifier(form), values_in(form)
    environment = caller.policy.environment if form.environment is UNSET else _environment_named(form.environment)
    now = state.clock()

    def add(store: LogStore) -> Customer:
        with store.writing() as connection:
            if not add_customer(connection, caller.organization_id, environment, identifier, now):
                raise InvalidRequest(f"There is a user {identifier} already; PATCH it.", param="customer_identifier")
            return _changed(connection, caller, environment, identifier, values, now)

    customer = await state.ask_logs(add)
    _put_on_board(state, customer)
    await _note_change(state, customer, values)
    answer = await _show(state, customer)
    answer.status_code = 201
    return answer


@router.get("/api/users/{customer_identifier:path}", dependencies=[_READERS], openapi_extra=_OF_ENVIRONMENT)
@shaped(answers=FullUser)
async def show_user(customer_identifier: str, request: Request, state: State, caller: Caller) -> Response:
    """Show a customer with what it has spent in its period."""
    environment, identifier = _environment(request, caller), _identifier(request, customer_identifier)

    def find(store: LogStore) -> Customer | None:
        with store.reading() as connection:
            return find_customer(connection, caller.organization_id, environment, identifier)

    return await _show(state, _known(await state.ask_logs(find)))


@router.patch("/api/users/{customer_identifier:path}", dependencies=[_MANAGERS], openapi_extra=_OF_ENVIRONMENT)
@shaped(takes=UserForm, answers=FullUser)
async def edit_user(customer_identifier: str, request: Request, state: State, caller: Caller) -> Response:
    """Change a customer: what is left out stays, and null removes. Budgets hold from the answer on."""
    environment, identifier = _environment(request, caller), _identifier(request, customer_identifier)
    form = read_user_form(await read_bounded(request))
    for name, same in (("customer_identifier", identifier), ("environment", environment.value)):
        if getattr(form, name) not in (UNSET, same):
            raise InvalidRequest(f"A user keeps its `{name}`.", param=name)
    values = values_in(form)
    now = state.clock()

    def edit(store: LogStore) -> Customer:
        with store.writing() as connection:
            return _changed(connection, caller, environment, identifier, values, now)

    customer = await state.ask_logs(edit)
    _put_on_board(state, customer)
    await _note_change(state, customer, values)
    return await _show(state, customer)


@router.delete(
    "/api/users/{customer_identifier:path}", dependencies=[_MANAGERS], status_code=204, openapi_extra=_OF_ENVIRONMENT
)
@shaped()
async def delete_user(customer_identifier: str, request: Request, state: State, caller: Caller) -> Response:
    """Forget a customer with its sums and budgets. Its calls stay, and its next one makes it anew."""
    environment, identifier = _environment(request, caller), _identifier(request, customer_identifier)

    def forget(store: LogStore) -> bool:
        with store.writing() as connection:
            return delete_customer(connection, caller.organization_id, environment, identifier)

    if not await state.ask_logs(forget):
        raise NotFound("User not found.")
    if state.counters is not None:
        state.counters.forget_customer(customer_key(caller.organization_id, environment, identifier))
    whose = subject_digest(state.pepper, caller.organization_id, identifier)
    await state.note(caller.organization_id, AuditAction.CUSTOMER_REMOVED, whose, environment=environment)
    return Response(status_code=204)


async def _note_change(state: ConsoleState, customer: Customer, values: Mapping[str, Any]) -> None:
    """Put down which of a customer's fields were changed: neither what they say nor whose they are, for an entry stays
    when the customer is erased.
    """
    detail = {"environment": customer.environment, "fields": sorted(values)}
    whose = subject_digest(state.pepper, customer.organization_id, customer.customer_identifier)
    await state.note(customer.organization_id, AuditAction.CUSTOMER_CHANGED, whose, **detail)


async def _answer_list(request: Request, state: ConsoleState, caller: Caller, body: bytes) -> Response:
    page = page_of(request, _PAGE_SIZE)
    query, sent = _query(request, caller, body, page.number, page.size)

    def read(store: LogStore) -> tuple[list[Customer], int]:
        with store.reading() as connection:
            return page_of_customers(connection, query), count_customers(connection, query, bound=COUNT_BOUND + 1)

    found, count = await state.ask_logs(read)
    now = state.clock()
    exact = count <= COUNT_BOUND
    answer = paged(request, page, [user_item(one, now) for one in found], min(count, COUNT_BOUND), exact=exact)
    return json_answer({**answer, "count_is_exact": exact, "current_filters": sent})


def _query(
    request: Request, caller: Caller, body: bytes, page: int, page_size: int
) -> tuple[CustomerQuery, Mapping[str, Any]]:
    """Return the question in a request's parameters and body. Raises InvalidRequest."""
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] not in _RESERVED]
    order = request.query_params.get("sort_by", "-first_seen")
    name = order.removeprefix("-")
    if name not in SORTS:
        raise InvalidRequest(f"Sort by one of: {', '.join(SORTS)}.", param="sort_by")
    try:
        by_url, sent = url_filters(pairs, FIELDS), _sent(body)
        parts = (*parts_of(read_filters(by_url, str, field_named)), *parts_of(read_filters(sent, str, field_named)))
    except FilterRefused as refused:
        raise InvalidRequest(str(refused), param=refused.field) from None
    query = CustomerQuery(
        organization_id=caller.organization_id,
        environment=None if request.query_params.get("all_envs") == "true" else _environment(request, caller),
        filters=AllOf(parts),
        sort_by=FIELDS[name],
        descending=order.startswith("-"),
        page=page,
        page_size=page_size,
    )
    return query, {**by_url, **sent}


def _sent(body: bytes) -> dict[str, Any]:
    try:
        sent = msgspec.json.decode(body if body.strip() else b"{}", type=UserFilters)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(
            f'The body must be like {{"filters": {{"total_cost": {{"operator": "gte", "value": [1]}}}}}}: {error}.'
        ) from None
    filters = sent.filters or {}
    if sent.operator is not None and "filter_params" not in filters:
        return {"connector": sent.operator, "filter_params": filters}
    return filters


def _changed(
    connection: Connection,
    caller: Caller,
    environment: Environment,
    identifier: str,
    values: Mapping[str, Any],
    now: int,
) -> Customer:
    return _known(change_customer(connection, caller.organization_id, environment, identifier, values, now))


def _known(customer: Customer | None) -> Customer:
    if customer is None:
        raise NotFound("User not found.")
    return customer


async def _show(state: ConsoleState, customer: Customer) -> Response:
    def spent(store: LogStore) -> int:
        with store.reading() as connection:
            return spent_in_period(connection, customer, state.clock())

    def name(control: ControlStore) -> str:
        with control.reading() as connection:
            return find_organization(connection, customer.organization_id).name

    organization_name = await state.ask_control(name)
    return json_answer(full_user_item(customer, organization_name, await state.ask_logs(spent), state.clock()))


def _put_on_board(state: ConsoleState, customer: Customer) -> None:
    """Let the workers of this machine count by what a customer may spend now."""
    if state.counters is not None:
        environment = Environment(customer.environment)
        key = customer_key(customer.organization_id, environment, customer.customer_identifier)
        state.counters.put_customer(key, customer.terms)


def _identifier(request: Request, in_path: str) -> str:
    """Return the identifier as it was sent: the path that routes go by has lost doubled slashes and the last one."""
    raw: bytes | None = request.scope.get("raw_path")
    before, found, after = (raw or b"").partition(b"?")[0].partition(b"/users/")
    if not found or before.strip(b"/") not in (b"", b"api"):
        return in_path
    return unquote(after.removesuffix(b"/").decode("latin-1"), errors="replace") or in_path


def _environment(request: Request, caller: Caller) -> Environment:
    given = request.query_params.get("environment")
    if given is not None:
        return _environment_named(given)
    is_test = request.query_params.get("is_test")
    if is_test is None:
        return caller.policy.environment
    return Environment.TEST if is_test.lower() in ("true", "1") else Environment.PROD


def _environment_named(given: str) -> Environment:
    try:
        return Environment(given)
    except ValueError:
        raise InvalidRequest("`environment` must be prod or test.", param="environment") from None
