"""When alerts are raised that have no limit of their own, kept as one setting of each organization."""

from typing import Final

import msgspec
from sqlalchemy import Connection, select

from gantry.core.alert import DEFAULT_RULES, SETTING, AlertRules
from gantry.store.control import Change, put_setting
from gantry.store.control_tables import settings

_decode: Final = msgspec.json.Decoder(AlertRules).decode


class AlertRulesUnreadable(ValueError):
    """What is kept is not what this version of Gantry writes; the message says where."""


def alert_rules(connection: Connection, organization_id: str) -> AlertRules:
    """Return an organization's rules. Raises AlertRulesUnreadable."""
    where = (settings.c.organization_id == organization_id) & (settings.c.name == SETTING)
    text = connection.scalar(select(settings.c.value).where(where))
    if text is None:
        return DEFAULT_RULES
    try:
        return _decode(text)
    except msgspec.DecodeError as error:
        raise AlertRulesUnreadable(f"the setting `{SETTING}` of {organization_id}: {error}") from error


def put_alert_rules(change: Change, organization_id: str, rules: AlertRules) -> None:
    put_setting(change, organization_id, SETTING, rules)
