"""What a database is: by either engine."""

from pathlib import Path

from gantry.store.control import ControlStore
from gantry.store.engine_facts import engine_facts


def test_engine_version_and_size(address: str | Path) -> None:
    with ControlStore(address) as control, control.reading() as connection:
        facts = engine_facts(connection)
    assert facts.engine == ("sqlite" if isinstance(address, Path) else "postgresql")
    assert facts.version[0].isdigit()
    assert facts.size_bytes > 4096
