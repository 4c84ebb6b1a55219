"""console/log_edits: who may mark and delete which logs, and what is left of a deleted one."""

from fastapi.testclient import TestClient

from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.dialects.posted import log_id_of
from gantry.store.logs import LogStore
from tests.console.conftest import Keys, bearer, log_id_at, make_log, store_logs
from tests.postgresql import needs_sqlite

LIST = "/api/request-logs/list/"


def path_of(number: int) -> str:
    return f"/api/request-logs/{log_id_at(number)}/"


def test_marks_are_set_kept_and_cleared(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    store_logs(logs, make_log(key, 1, metadata='{"a":1.00,"b":2}', extra='{"note":"posted"}'))
    one = client.patch(
        path_of(1),
        headers=bearer(secret),
        json={"is_pinned": True, "positive_feedback": False, "metadata": {"b": 3, "c": "x"}},
    )
    assert one.status_code == 200
    assert b'"metadata":{"a":1.00,"b":3,"c":"x"}' in one.content
    assert [one.json()[name] for name in ("is_pinned", "positive_feedback", "note")] == [True, False, "posted"]
    two = client.patch(path_of(1), headers=bearer(secret), json={"positive_feedback": None, "note": "mine"}).json()
    assert [two[name] for name in ("is_pinned", "positive_feedback", "note")] == [True, None, "mine"]
    for query, count in (("is_pinned=true", 1), ("metadata__c=x", 1), ("note=mine", 1), ("metadata__b=2", 0)):
        assert client.get(f"{LIST}?{query}", headers=bearer(secret)).json()["count"] == count, query


def test_a_key_marks_its_own_logs_and_ingest_its_organizations(client: TestClient, keys: Keys, logs: LogStore) -> None:
    one, _ = keys.add()
    _, reader = keys.add(DEFAULT_SCOPES | Scope.READ)
    _, writer = keys.add(Scope.INGEST)
    foreign = make_log(one, 3, organization_id="another")
    store_logs(logs, make_log(one, 1), foreign)
    for secret, number, status in ((reader, 1, 404), (writer, 1, 200), (writer, 3, 404), (writer, 9, 404)):
        assert client.patch(path_of(number), headers=bearer(secret), json={"note": "n"}).status_code == status
    many = {
        "logs": [
            {"unique_id": log_id_at(1), "note": "m"},
            {"unique_id": "order-7", "note": "m"},
            {"unique_id": log_id_at(3)},
        ]
    }
    answer = client.patch("/api/request-logs/batch-update/", headers=bearer(writer), json=many)
    assert answer.json() == {"updated": 1, "not_found": ["order-7", log_id_at(3)]}
    stored = logs.find(one.organization_id, log_id_at(1))
    assert stored is not None
    assert stored.note == "m"


def test_what_is_no_change_is_refused(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    store_logs(logs, make_log(key, 1))
    for body in (b"", b"[]", b'{"is_pinned":"yes"}', b'{"metadata":"{}"}', b"\xff"):
        assert client.patch(path_of(1), headers=bearer(secret), content=body).status_code == 400, body
    assert (
        client.patch("/api/request-logs/batch-update", headers=bearer(secret), content=b'{"logs":[{}]}').status_code
        == 400
    )


@needs_sqlite
def test_a_deleted_log_is_gone_from_rows_bodies_and_words(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(DEFAULT_SCOPES | Scope.MANAGE)
    posted = make_log(
        key, 1, log_id=log_id_of(key.organization_id, "order-7"), input="a red gantry", full_request=b"{}"
    )
    store_logs(logs, posted, make_log(key, 2, input="another red gantry"), make_log(key, 3, organization_id="another"))
    assert client.get(LIST + "?search=red", headers=bearer(secret)).json()["count"] == 2
    answer = client.delete("/api/request-logs/order-7/", headers=bearer(secret))
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.delete("/api/request-logs/order-7/", headers=bearer(secret)).status_code == 404
    assert client.delete(path_of(3), headers=bearer(secret)).status_code == 404
    assert client.get("/api/request-logs/order-7/", headers=bearer(secret)).status_code == 404
    assert client.get(LIST + "?search=red", headers=bearer(secret)).json()["count"] == 1
    with logs._database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM request_log_bodies").scalar_one() == 1
        words = "SELECT count(*) FROM request_log_texts WHERE request_log_texts MATCH 'red'"
        assert connection.exec_driver_sql(words).scalar_one() == 1
