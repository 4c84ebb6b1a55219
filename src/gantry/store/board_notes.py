"""What is noted for boards: how far each had come, in one view with the rows and sums that it belongs to."""

from sqlalchemy import Connection, func, select

from gantry.store.log_tables import board_differences


def last_notes(connection: Connection, prefix: str) -> dict[str, int]:
    """Return the number of the last note for each board whose name begins so."""
    noted = board_differences.c
    query = select(noted.board, func.max(noted.number).label("number")).where(
        noted.board.startswith(prefix, autoescape=True)
    )
    return {row.board: row.number for row in connection.execute(query.group_by(noted.board))}
