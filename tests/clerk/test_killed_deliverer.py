"""A deliverer killed with SIGKILL between any two of its steps: what it had is delivered, and knowably the same."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gantry.clerk.deliver import CLAIMED_SECONDS
from gantry.console.channel_service import ChannelForm, make_channel
from gantry.core.alert import Alert, Event
from gantry.home import Home, load_keyring
from gantry.store.alerts import DeliveryState, deliveries_of, raise_alert
from gantry.store.control import ControlStore, default_organization
from gantry.store.logs import LogStore
from gantry.store.vault import Vault
from tests.clerk.receivers import receiving

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_795_000_000_000_000_000
ALERTS = 3


def run_deliverer(home: Home, point: str, now: int) -> int:
    command = [sys.executable, "-m", "tests.clerk.killed_deliverer", str(home.path), point, str(now)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("point", "least", "most"),
    [
        ("SET attempts", 0, 0),  # claimed, and not yet for certain
        ("SET state='delivered'", 1, ALERTS),  # one is sent and is about to be noted; the others may be under way
        ("nowhere", ALERTS, ALERTS),
    ],
)
def test_whoever_is_killed_has_it_delivered_again_with_the_same_id(
    tmp_path: Path, point: str, least: int, most: int
) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    vault = Vault(load_keyring(home, create=True).vault)
    with receiving() as receiver, ControlStore(home.control_db) as control:
        logs = LogStore(home.logs_db)
        with control.changing() as change:
            organization_id = default_organization(change.connection)
            form = ChannelForm(name="ops", target=receiver.url())
            channel, _ = make_channel(change, vault, organization_id, form, private=True)
        with logs.writing() as connection:
            for number in range(ALERTS):
                alert = Alert(
                    organization_id=organization_id, event=Event.ZERO_COST, subject=str(number), message="", data={}
                )
                assert raise_alert(connection, alert, [channel], NOW)

        killed = run_deliverer(home, point, NOW)
        assert killed == (0 if point == "nowhere" else -signal.SIGKILL)
        assert least <= len(receiver.all) <= most

        after = NOW + int(CLAIMED_SECONDS * 1_000_000_000)
        assert run_deliverer(home, "nowhere", after) == 0
        ids = [json.loads(one.body)["id"] for one in receiver.all]
        names = [one.headers["x-gantry-delivery"] for one in receiver.all]
        assert len(set(ids)) == len(set(names)) == ALERTS
        again = ALERTS if point == "SET state='delivered'" else 0
        assert ALERTS + min(again, 1) <= len(ids) <= ALERTS + again
        with logs.reading() as connection:
            stored = deliveries_of(connection, organization_id, 10)
        assert {one.state for one in stored} == {DeliveryState.DELIVERED}
        assert {one.id for one in stored} == set(names)
        logs.close()
