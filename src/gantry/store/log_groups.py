"""Logs told apart by what they have in common: a page of groups, each with its sums.

Law: groups are counted from rows, so they know every filter and every field, and only what is still kept.
"""

from sqlalchemy import Connection, func, select

from gantry.store.filter_sql import column_of
from gantry.store.log_filter import Field
from gantry.store.log_query import LogQuery, matching
from gantry.store.log_tables import request_logs
from gantry.store.usage_sums import MEASURES, Measure, Sums, measures_of_rows, sum_of

Groups = list[tuple[str, Sums]]


def read_groups(connection: Connection, query: LogQuery, by: Field, order: Measure) -> Groups:
    """Return a page of the groups and their sums, those with most of a measure first, and one more if there is."""
    field, measures = column_of(by, request_logs), measures_of_rows()
    part, whole = order
    size = sum_of(measures[part])
    if whole is not None:
        size = size / func.nullif(sum_of(measures[whole]), 0)
    statement = (
        select(field.label("called"), *(sum_of(measures[name]) for name in MEASURES))
        .where(field.is_not(None), matching(query))
        .group_by(field)
        .order_by(size.desc().nulls_last() if query.descending else size.asc().nulls_last(), field)
        .limit(query.page_size + 1)
        .offset((query.page - 1) * query.page_size)
    )
    return [(str(called), [int(amount or 0) for amount in sums]) for called, *sums in connection.execute(statement)]
