"""How long logs are kept, by the API."""

import pytest
from fastapi.testclient import TestClient

from gantry.core.vocabulary import Scope
from gantry.store.logs import LogStore
from tests.console.conftest import MINUTE, NOW, Keys, bearer, make_log, store_logs

PATH = "/api/retention/"
DAY = 24 * 60 * MINUTE


def test_what_is_said_holds_and_what_is_left_out_stays(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(Scope.MANAGE)
    store_logs(logs, make_log(key, 1), make_log(key, 2, started_at=NOW - 40 * DAY))
    manager = bearer(secret)
    shown = client.get(PATH, headers=manager).json()
    assert shown == {
        "days": None,
        "body_days": None,
        "test_days": None,
        "max_bytes": None,
        "oldest_log_at": shown["oldest_log_at"],
        "waiting": 0,
    }
    assert client.patch(PATH, headers=manager, json={"days": 30, "max_bytes": 10**9}).json()["waiting"] == 1
    changed = client.patch(PATH, headers=manager, json={"body_days": 7, "max_bytes": None}).json()
    assert (changed["days"], changed["body_days"], changed["max_bytes"]) == (30, 7, None)
    assert client.get(PATH, headers=bearer(keys.add(Scope.READ)[1])).json() == changed


@pytest.mark.parametrize("body", [{"days": 0}, {"days": 1.5}, {"weeks": 1}, {"max_bytes": 5}, []])
def test_what_makes_no_sense_is_refused(client: TestClient, keys: Keys, body: object) -> None:
    assert client.patch(PATH, headers=bearer(keys.add(Scope.MANAGE)[1]), json=body).status_code == 400


def test_only_who_manages_changes_it(client: TestClient, keys: Keys) -> None:
    assert client.patch(PATH, headers=bearer(keys.add(Scope.READ)[1]), json={"days": 1}).status_code == 403
