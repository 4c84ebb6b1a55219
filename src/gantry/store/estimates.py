"""What SQLite's planner takes for true of the indexes over request logs: how many rows have one value.

Law: told once and not measured, so a statement has the same plan in every database, empty or full. Without it SQLite
takes ten rows for a customer's and for a model's alike, and would read all logs for `customer and status`, because an
index has both. (https://www.sqlite.org/fileformat2.html#the_sqlite_stat1_table)
"""

from typing import Final

from sqlalchemy import Connection, text

_ALL: Final = 1_000_000
# By index: rows with the same organization, the same value beside it, the same moment as well.
_ROWS: Final = {
    "sqlite_autoindex_request_logs_1": (1, 1),
    "ix_request_logs_newest": (_ALL, 1, 1),
    "ix_request_logs_facts": (_ALL, 1, 1),
    "ix_request_logs_test_newest": (_ALL // 20, 1, 1),
    "ix_request_logs_key_newest": (_ALL, _ALL // 20, 1, 1),
    "ix_request_logs_model_newest": (_ALL, _ALL // 10, 1, 1),
    "ix_request_logs_customer_newest": (_ALL, _ALL // 5000, 1, 1),
}


def tell_planner(connection: Connection) -> None:
    """Write the estimates; connections that are opened afterwards know them. Nothing on PostgreSQL, which measures."""
    if connection.dialect.name != "sqlite":
        return
    connection.execute(text("ANALYZE sqlite_schema"))  # makes the table, and measures nothing
    connection.execute(text("DELETE FROM sqlite_stat1 WHERE tbl = 'request_logs'"))
    rows = [
        {"idx": name, "stat": " ".join(map(str, (max(_ALL, most), most, *less)))}
        for name, (most, *less) in _ROWS.items()
    ]
    connection.execute(text("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('request_logs', :idx, :stat)"), rows)
