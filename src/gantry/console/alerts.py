"""Alerts that were raised, their deliveries, and the rules that raise them. All of it takes the scope `manage`."""

from typing import Annotated, Any, Final, cast

from fastapi import Query, Request, Response
from msgspec import Raw, Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.alert_rules_form import (
    AlertRulesForm,
    AlertRulesItem,
    change_rules,
    known_rules,
    read_form,
    rules_item,
)
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.core.alert import AlertRules, Event
from gantry.core.errors import NotFound
from gantry.core.log_item import iso_of
from gantry.core.vocabulary import Environment, Scope
from gantry.store.alerts import (
    Delivery,
    DeliveryState,
    RaisedAlert,
    alerts_of,
    deliveries_of,
    find_delivery,
    redeliver,
)
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore

_MANAGERS: Final = requires(Scope.MANAGE)
_MOST: Final = 1000

Limit = Annotated[int, Query(ge=1, le=_MOST)]

router = guarded_router("alerts")


class AlertItem(Struct, frozen=True, kw_only=True):
    """An alert as it is stored, delivered and shown. What `data` has of each event is in docs/alerts.md."""

    id: str
    event: Event
    organization_id: str
    environment: Environment | None
    subject: str
    message: str
    raised_at: str
    data: dict[str, Any]


class DeliveryItem(Struct, frozen=True, kw_only=True):
    """A delivery, of an alert or of a log."""

    id: str
    channel_id: str
    event: str
    state: DeliveryState
    attempts: int
    next_at: str | None
    created_at: str
    delivered_at: str | None
    last_error: str | None
    log_id: str | None
    payload: AlertItem | None


@router.get("/api/alerts", dependencies=[_MANAGERS])
@shaped(answers=list[AlertItem])
async def list_alerts(state: State, caller: Caller, limit: Limit = 100, before: str | None = None) -> Response:
    """List alerts, the newest first. `before` is the id of one, to go on after it."""

    def listed(logs: LogStore) -> list[RaisedAlert]:
        with logs.reading() as connection:
            return alerts_of(connection, caller.organization_id, limit, before)

    return json_answer([Raw(alert.payload.encode()) for alert in await state.ask_logs(listed)])


@router.get("/api/alerts/deliveries", dependencies=[_MANAGERS])
@shaped(answers=list[DeliveryItem])
async def list_deliveries(
    state: State,
    caller: Caller,
    limit: Limit = 100,
    wanted: Annotated[DeliveryState | None, Query(alias="state")] = None,
) -> Response:
    """List deliveries, the newest first; `state=dead` those that were given up."""

    def listed(logs: LogStore) -> list[Delivery]:
        with logs.reading() as connection:
            return deliveries_of(connection, caller.organization_id, limit, wanted)

    return json_answer([delivery_item(delivery) for delivery in await state.ask_logs(listed)])


@router.get("/api/alerts/deliveries/{delivery_id}", dependencies=[_MANAGERS])
@shaped(answers=DeliveryItem)
async def show_delivery(delivery_id: str, state: State, caller: Caller) -> Response:
    """Show a delivery."""

    def find(logs: LogStore) -> Delivery | None:
        with logs.reading() as connection:
            return find_delivery(connection, caller.organization_id, delivery_id)

    found = await state.ask_logs(find)
    if found is None:
        raise _unknown(delivery_id)
    return json_answer(delivery_item(found))


@router.post("/api/alerts/deliveries/{delivery_id}/redeliver", dependencies=[_MANAGERS], status_code=202)
@shaped()
async def redeliver_one(delivery_id: str, state: State, caller: Caller) -> Response:
    """Have a delivery tried again at once, as often as a new one."""

    def again(logs: LogStore) -> int:
        with logs.writing() as connection:
            return redeliver(connection, caller.organization_id, [delivery_id], state.clock())

    if not await state.ask_logs(again):
        raise _unknown(delivery_id)
    return Response(status_code=202)


@router.get("/api/alerts/rules", dependencies=[_MANAGERS])
@shaped(answers=AlertRulesItem)
async def show_alert_rules(state: State, caller: Caller) -> Response:
    """Show when alerts are raised that have no limit of their own."""

    def read(control: ControlStore) -> AlertRules:
        with control.reading() as connection:
            return known_rules(connection, caller.organization_id)

    return json_answer(rules_item(await state.ask_control(read)))


@router.patch("/api/alerts/rules", dependencies=[_MANAGERS])
@shaped(takes=AlertRulesForm, answers=AlertRulesItem)
async def set_alert_rules(request: Request, state: State, caller: Caller) -> Response:
    """Change when alerts are raised; what is left out stays."""
    form = read_form(await read_bounded(request))

    def put(control: ControlStore) -> AlertRules:
        with control.changing() as change:
            return change_rules(change, caller.organization_id, form)

    return json_answer(rules_item(await state.ask_control(put)))


def delivery_item(delivery: Delivery) -> DeliveryItem:
    """Return a delivery as the API shows it: its payload as the JSON it is, or the id of a log."""
    is_log = delivery.event == Event.REQUEST_LOG
    pending = delivery.state is DeliveryState.PENDING
    return DeliveryItem(
        id=delivery.id,
        channel_id=delivery.channel_id,
        event=delivery.event,
        state=delivery.state,
        attempts=delivery.attempts,
        next_at=iso_of(delivery.next_at) if pending else None,
        created_at=iso_of(delivery.created_at),
        delivered_at=None if delivery.delivered_at is None else iso_of(delivery.delivered_at),
        last_error=delivery.last_error,
        log_id=delivery.payload if is_log else None,
        payload=None if is_log else cast(AlertItem, Raw(delivery.payload.encode())),
    )


def _unknown(delivery_id: str) -> NotFound:
    return NotFound(f"Delivery not found: there is none with the id {delivery_id}.")
