"""Ways of looking at a list that somebody gave a name: their own, and those that are shared with the organization."""

from typing import Final

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from gantry.store.control_tables import saved_views

MOST_VIEWS: Final = 200  # of one author


class SavedView(Struct, frozen=True, kw_only=True):
    """`query` is a JSON object: what the page's address says."""

    id: str
    organization_id: str
    page: str
    name: str
    query: str
    shared: bool
    author: str
    created_at: int
    updated_at: int


class TooManyViews(ValueError):
    """Whoever saves has as many views as one may have."""


def views_of(connection: Connection, organization_id: str, viewer: str, page: str | None) -> list[SavedView]:
    """Return the views that somebody sees, by their names."""
    query = select(saved_views).where(_seen(organization_id, viewer))
    if page is not None:
        query = query.where(saved_views.c.page == page)
    ordered = query.order_by(saved_views.c.name, saved_views.c.id)
    return [SavedView(**row._mapping) for row in connection.execute(ordered)]


def find_view(connection: Connection, organization_id: str, viewer: str, view_id: str) -> SavedView | None:
    """Return a view that somebody sees."""
    row = connection.execute(
        select(saved_views).where(_seen(organization_id, viewer), saved_views.c.id == view_id)
    ).first()
    return None if row is None else SavedView(**row._mapping)


def add_view(connection: Connection, view: SavedView) -> None:
    """Save a view. Raises TooManyViews."""
    own = and_(saved_views.c.organization_id == view.organization_id, saved_views.c.author == view.author)
    if int(connection.scalar(select(func.count()).where(own)) or 0) >= MOST_VIEWS:
        raise TooManyViews
    connection.execute(insert(saved_views).values(structs.asdict(view)))


def put_view(connection: Connection, view: SavedView) -> None:
    connection.execute(update(saved_views).where(saved_views.c.id == view.id).values(structs.asdict(view)))


def delete_view(connection: Connection, view: SavedView) -> None:
    connection.execute(delete(saved_views).where(saved_views.c.id == view.id))


def _seen(organization_id: str, viewer: str) -> ColumnElement[bool]:
    columns = saved_views.c
    return and_(columns.organization_id == organization_id, or_(columns.shared, columns.author == viewer))
