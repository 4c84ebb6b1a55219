"""Custom models: put, found, listed, removed. What a name and a base may be is for the caller to say."""

from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, select, update

from gantry.core.audit_entry import AuditAction
from gantry.core.custom_model import CustomModel
from gantry.store.control import Change
from gantry.store.control_tables import custom_models


def put_custom_model(change: Change, model: CustomModel) -> CustomModel:
    """Add a custom model, or change the one of this name, which keeps its day of birth. Return it as stored."""
    known = find_custom_model(change.connection, model.organization_id, model.name)
    created_at = change.now if known is None else known.created_at
    stored = replace(model, created_at=created_at, updated_at=change.now)
    values: dict[str, Any] = msgspec.structs.asdict(stored)
    values["parameters"] = msgspec.json.encode(stored.parameters).decode()
    if known is None:
        change.connection.execute(insert(custom_models).values(values))
    else:
        change.connection.execute(update(custom_models).where(_is(model.organization_id, model.name)).values(values))
    change.note(model.organization_id, AuditAction.MODEL_PUT, model.name, **msgspec.structs.asdict(stored))
    return stored


def remove_custom_model(change: Change, organization_id: str, name: str) -> bool:
    """Remove a custom model, and say whether it was there."""
    there = change.connection.execute(delete(custom_models).where(_is(organization_id, name))).rowcount > 0
    if there:
        change.note(organization_id, AuditAction.MODEL_REMOVED, name)
    return there


def find_custom_model(connection: Connection, organization_id: str, name: str) -> CustomModel | None:
    row = connection.execute(select(custom_models).where(_is(organization_id, name))).one_or_none()
    return None if row is None else _model(row)


def custom_models_of(connection: Connection, organization_id: str | None = None) -> list[CustomModel]:
    """Return the custom models of an organization, or of all, by name."""
    query = select(custom_models).order_by(custom_models.c.organization_id, custom_models.c.name)
    if organization_id is not None:
        query = query.where(custom_models.c.organization_id == organization_id)
    return [_model(row) for row in connection.execute(query)]


def _is(organization_id: str, name: str) -> Any:
    return (custom_models.c.organization_id == organization_id) & (custom_models.c.name == name)


def _model(row: Any) -> CustomModel:
    values = dict(row._mapping)
    values["parameters"] = msgspec.json.decode(values["parameters"])
    return CustomModel(**values)
