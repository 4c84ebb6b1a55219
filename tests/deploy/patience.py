"""How long an orderly end may take: what whoever stops a node must wait for before killing it."""

from gantry.settings import ServeSettings
from gantry.supervisor import DEFAULT_PATIENCE


def longest_end(drain: float = ServeSettings().drain_timeout) -> float:
    patience = DEFAULT_PATIENCE
    return drain + patience.margin + patience.console + patience.clerk


def settings_of_the_environment() -> set[str]:
    """Return the names of variables that mean something to `gantry serve`."""
    return {f"GANTRY_{name.upper()}" for name in ServeSettings.__struct_fields__} | {"GANTRY_HOME", "GANTRY_MASTER_KEY"}
