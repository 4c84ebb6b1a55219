"""Where a home's stores are, by its settings."""

from pathlib import Path

from gantry.home import Home
from gantry.settings import ServeSettings
from gantry.store.database import Address, Apart


def control_address(settings: ServeSettings, home: Home) -> str | Path:
    """Return where the control store is: the database that was configured for both, or its file in the home."""
    return home.control_db if settings.database_url is None else settings.database_url.reveal()


def log_address(settings: ServeSettings, home: Home) -> Address:
    """Return where the log store is, with its logs beside it where they are in ClickHouse."""
    sql = home.logs_db if settings.database_url is None else settings.database_url.reveal()
    return sql if settings.logs_url is None else Apart(sql, settings.logs_url.reveal())
