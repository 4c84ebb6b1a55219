"""Alert rules as requests and commands say them, in dollars, and as they are shown."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from gantry.core.alert import AlertRules, Event
from gantry.core.errors import InvalidRequest
from gantry.core.money import nano_from_usd, usd_from_nano
from gantry.store import Connection
from gantry.store.alert_rules import AlertRulesUnreadable, alert_rules, put_alert_rules
from gantry.store.control import Change


class AlertRulesForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays. `anomaly_floor` is dollars an hour."""

    off: tuple[Event, ...] | UnsetType = UNSET
    error_percent: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    error_requests: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    error_minutes: Annotated[int, Meta(ge=1, le=60)] | UnsetType = UNSET
    anomaly_floor: Annotated[float, Meta(ge=0, le=1e9)] | UnsetType = UNSET
    anomaly_deviations: Annotated[float, Meta(gt=0, le=1e6)] | UnsetType = UNSET
    anomaly_ratio: Annotated[float, Meta(gt=1, le=1e6)] | UnsetType = UNSET


class AlertRulesItem(Struct, frozen=True, kw_only=True):
    """Rules as the API shows them. `anomaly_floor` is dollars an hour."""

    off: tuple[Event, ...]
    error_percent: int
    error_requests: int
    error_minutes: int
    anomaly_floor: float
    anomaly_deviations: float
    anomaly_ratio: float


def read_form(body: bytes) -> AlertRulesForm:
    try:
        return msgspec.json.decode(body, type=AlertRulesForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not say when to raise alerts: {error}.") from None


def change_rules(change: Change, organization_id: str, form: AlertRulesForm) -> AlertRules:
    """Store what a form says over the rules that hold, and return them."""
    said: dict[str, Any] = {name: value for name, value in asdict(form).items() if value is not UNSET}
    if "anomaly_floor" in said:
        said["anomaly_floor"] = nano_from_usd(said["anomaly_floor"])
    changed = replace(known_rules(change.connection, organization_id), **said)
    put_alert_rules(change, organization_id, changed)
    return changed


def known_rules(connection: Connection, organization_id: str) -> AlertRules:
    """Return an organization's rules. Raises InvalidRequest where they were written by a newer version."""
    try:
        return alert_rules(connection, organization_id)
    except AlertRulesUnreadable as error:
        raise InvalidRequest(f"The alert rules cannot be read: {error}.") from None


def rules_item(rules: AlertRules) -> AlertRulesItem:
    """Return rules as the API shows them."""
    return AlertRulesItem(**(asdict(rules) | {"anomaly_floor": usd_from_nano(rules.anomaly_floor)}))
