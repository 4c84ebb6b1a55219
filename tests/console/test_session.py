"""console/session: an instance is claimed once, people sign in and out, and a page elsewhere cannot act for them."""

from concurrent.futures import wait
from contextlib import closing

import pytest
from fastapi.testclient import TestClient

from gantry.console.access import CSRF_HEADER
from gantry.console.app import create_app
from gantry.console.entrance import Entrance
from gantry.console.passwords import Passwords
from gantry.console.state import ConsoleState
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore
from gantry.store.sessions import IDLE, LONGEST
from tests.console.conftest import CHEAP, EMAIL, NOW, PASSWORD, Keys, bearer, claim, state_of

SESSION = "/api/session"
SIGN_IN = {"email": EMAIL, "password": PASSWORD}


def test_nobody_is_signed_in_and_nobody_owns_it(client: TestClient) -> None:
    answer = client.get(SESSION)
    assert answer.json() == {
        "state": "unclaimed",
        "sign_up": "invite",
        "identity_providers": [],
        "person": None,
        "organization": None,
        "role": None,
        "scopes": [],
        "organizations": [],
        "csrf": None,
        "version": answer.json()["version"],
    }
    assert answer.headers["cache-control"] == "no-store"


def test_it_is_claimed_by_the_token_and_only_once(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    wrong = {"token": "x", "email": EMAIL, "name": "Ada", "password": PASSWORD}
    refused = client.post(f"{SESSION}/claim", json=wrong)
    assert (refused.status_code, refused.json()["param"]) == (403, "token")
    assert client.get(SESSION).json()["state"] == "unclaimed"
    claim(client, keyring, keys, organization="Analytical Engines")
    item = client.get(SESSION).json()
    assert (item["state"], item["role"]) == ("signed_in", "owner")
    assert item["person"]["email"] == EMAIL
    assert item["organization"] == {"id": keys.organization_id, "name": "Analytical Engines"}
    assert item["organizations"] == [{"id": keys.organization_id, "name": "Analytical Engines", "role": "owner"}]
    assert {"manage", "team", "read"} <= set(item["scopes"])
    again = client.post(f"{SESSION}/claim", json={**wrong, "email": "eve@example.com"})
    assert again.status_code == 403
    assert "has an owner already" in again.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"email": "ada"}, "email"),
        ({"name": " "}, "name"),
        ({"password": "short"}, "password"),
        ({"password": EMAIL}, "password"),
        ({"password": "qwertyuiop"}, "password"),
        ({"password": "x" * 1025}, "password"),
        ({"organization": "two\nlines"}, "organization"),
    ],
)
def test_what_a_claim_cannot_say(
    client: TestClient, keyring: Keyring, keys: Keys, changes: dict[str, str], param: str
) -> None:
    with pytest.raises(AssertionError) as refused:
        claim(client, keyring, keys, **changes)
    assert f'"param":"{param}"' in str(refused.value).replace(" ", "")
    assert client.get(SESSION).json()["state"] == "unclaimed"


def test_signing_out_and_in_again(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    headers = claim(client, keyring, keys)
    assert client.delete(SESSION, headers=headers).status_code == 204
    assert client.get(SESSION).json()["state"] == "signed_out"
    assert client.get("/api/limits").status_code == 401
    answer = client.post(SESSION, json={"email": f" {EMAIL.upper()} ", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["person"]["name"] == "Ada"
    assert client.get("/api/limits").status_code == 200


def test_the_cookie_is_out_of_reach(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    claim(client, keyring, keys)
    cookie = client.post(SESSION, json=SIGN_IN).headers["set-cookie"]
    assert cookie.startswith("gantry_session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_over_https_it_is_bound_to_the_host(state: ConsoleState, keyring: Keyring, keys: Keys, home: Home) -> None:
    with (
        closing(secured(home, keyring)) as secure,
        TestClient(create_app(secure), base_url="https://gantry.test") as client,
    ):
        claim(client, keyring, keys)
        cookie = client.post(SESSION, json=SIGN_IN).headers["set-cookie"]
        assert cookie.startswith("__Host-gantry_session=")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
        assert client.get(SESSION).json()["state"] == "signed_in"
        client.cookies.set("gantry_session", client.cookies["__Host-gantry_session"])
        client.cookies.delete("__Host-gantry_session")
        assert client.get(SESSION).json()["state"] == "signed_out"


def secured(home: Home, keyring: Keyring) -> ConsoleState:
    return state_of(
        home,
        keyring,
        control=lambda: ControlStore(home.control_db, busy_timeout=0.1),
        logs=lambda: LogStore(home.logs_db, busy_timeout=0.1),
        entrance=Entrance(keyring.session, url="https://gantry.test/", passwords=Passwords(CHEAP)),
    )


def test_a_session_is_new_at_each_sign_in(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    claim(client, keyring, keys)
    first = client.cookies["gantry_session"]
    assert client.post(SESSION, json=SIGN_IN).status_code == 200
    assert client.cookies["gantry_session"] != first
    client.cookies.clear()
    client.cookies.set("gantry_session", first)
    assert client.get(SESSION).json()["state"] == "signed_out"


def test_it_ends_by_itself(client: TestClient, keyring: Keyring, keys: Keys, state: ConsoleState) -> None:
    claim(client, keyring, keys)
    moments = {"clock": NOW}
    state.clock = lambda: moments["clock"]  # type: ignore[misc]
    for _ in range(5):  # used every six days
        moments["clock"] += IDLE - 1
        expected = "signed_in" if moments["clock"] < NOW + LONGEST else "signed_out"
        assert client.get(SESSION).json()["state"] == expected
    assert expected == "signed_out"
    moments["clock"] = NOW
    assert client.post(SESSION, json=SIGN_IN).status_code == 200
    moments["clock"] += IDLE
    assert client.get(SESSION).json()["state"] == "signed_out"


def test_what_changes_something_needs_the_token(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    headers = claim(client, keyring, keys)
    limit = {"name": "all", "scope": "organization", "unit": "requests", "period": "day", "amount": 5}
    for wrong in ({}, {CSRF_HEADER: ""}, {CSRF_HEADER: "x"}, {CSRF_HEADER: headers[CSRF_HEADER][:-1]}):
        answer = client.post("/api/limits", json=limit, headers=wrong)
        assert answer.status_code == 403
        assert CSRF_HEADER in answer.json()["detail"]
    assert client.get("/api/limits").json() == []
    assert client.post("/api/limits", json=limit, headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("more", "passes"),
    [
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://[testserver"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://testserver"}, True),
        ({"sec-fetch-site": "none"}, True),
    ],
)
def test_another_sites_page_acts_for_nobody(
    client: TestClient, keyring: Keyring, keys: Keys, more: dict[str, str], passes: bool
) -> None:
    headers = claim(client, keyring, keys)
    assert (client.post(SESSION, json=SIGN_IN, headers=more).status_code == 200) is passes
    if not passes:
        assert client.delete(SESSION, headers={**headers, **more}).status_code == 403
        assert client.get(SESSION).json()["state"] == "signed_in"


def test_a_key_needs_no_token_and_is_no_person(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    claim(client, keyring, keys)
    _, secret = keys.add()
    assert client.get("/api/request-logs/list", headers=bearer(secret)).status_code == 200
    assert client.delete(SESSION, headers=bearer(secret)).status_code == 403
    assert client.get("/api/limits", headers={"authorization": "Bearer nonsense"}).status_code == 401


def test_logs_are_posted_by_keys(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    headers = claim(client, keyring, keys)
    answer = client.post("/api/request-logs/batch/create", json={"logs": []}, headers=headers)
    assert answer.status_code == 403
    assert "for API keys" in answer.json()["detail"]


def test_a_wrong_password_and_a_wrong_address_are_one_answer(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    claim(client, keyring, keys)
    answers = [
        client.post(SESSION, json={"email": email, "password": password})
        for email, password in ((EMAIL, "not hers, surely"), ("eve@example.com", PASSWORD), ("no address", PASSWORD))
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


def test_who_fails_often_waits_and_each_time_longer(
    client: TestClient, keyring: Keyring, keys: Keys, state: ConsoleState
) -> None:
    claim(client, keyring, keys)
    moments = {"clock": NOW}
    state.clock = lambda: moments["clock"]  # type: ignore[misc]
    wrong = {"email": EMAIL, "password": "not hers, surely"}
    assert [client.post(SESSION, json=wrong).status_code for _ in range(6)] == [401] * 5 + [429]
    held = client.post(SESSION, json=SIGN_IN)
    assert (held.status_code, held.headers["retry-after"]) == (429, "1")
    moments["clock"] += 1_000_000_000
    assert client.post(SESSION, json=wrong).status_code == 401
    assert client.post(SESSION, json=SIGN_IN).headers["retry-after"] == "2"
    moments["clock"] += 2_000_000_000
    assert client.post(SESSION, json=SIGN_IN).status_code == 200
    assert client.post(SESSION, json=wrong).status_code == 401


def test_one_address_tries_many_names(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    claim(client, keyring, keys)

    def attempt(number: int, address: str) -> int:
        form = {"email": f"p{number}@example.com", "password": PASSWORD}
        return client.post(SESSION, json=form, headers={"x-gantry-client-address": address}).status_code

    assert {attempt(number, f"2001:db8::{number}") for number in range(20)} == {401}
    assert attempt(20, "2001:db8::ffff") == 429
    assert attempt(20, "2001:db8:1::1") == 401


def test_a_body_that_is_none(client: TestClient) -> None:
    for body in (b"", b"[]", b'{"email": 1}', b'{"email": "a", "password": "b", "more": 1}', b"\xff"):
        assert client.post(SESSION, content=body).status_code == 400


def test_strangers_hold_nobody_off_the_link_of_the_first_start(
    client: TestClient, keyring: Keyring, keys: Keys
) -> None:
    wrong = {"token": "x", "email": "eve@example.com", "name": "Eve", "password": PASSWORD}
    theirs = {"x-gantry-client-address": "203.0.113.9"}
    tried = [client.post(f"{SESSION}/claim", json=wrong, headers=theirs).status_code for _ in range(21)]
    assert tried == [403] * 20 + [429]
    claim(client, keyring, keys)


def test_the_audit_log_has_who_came_in_and_who_did_not(
    client: TestClient, keyring: Keyring, keys: Keys, state: ConsoleState
) -> None:
    def entries(action: str) -> list[dict[str, object]]:
        wait(state.telling)
        told = client.get("/api/audit-log").json()["results"]
        assert {one["subject"] for one in told if one["action"] == action} <= {EMAIL}
        return [{"actor": one["actor_name"], **one["detail"]} for one in told if one["action"] == action]

    moments = {"clock": NOW}
    state.clock = lambda: moments["clock"]  # type: ignore[misc]
    headers = claim(client, keyring, keys)
    assert entries("person.signed_in") == [{"actor": EMAIL, "by": "setup token", "address": "", "failed": 0}]
    client.delete(SESSION, headers=headers)
    theirs = {"x-gantry-client-address": "203.0.113.9"}
    for number in range(7):
        wrong = {"email": EMAIL, "password": f"canary, number {number}"}
        assert client.post(SESSION, json=wrong, headers=theirs).status_code == 401
        moments["clock"] += 0 if number < 4 else 2 ** (number - 4) * 1_000_000_000
    stranger = {"email": "eve@example.com", "password": "canary of a stranger"}
    assert client.post(SESSION, json=stranger, headers=theirs).status_code == 401
    assert client.post(SESSION, json=SIGN_IN).status_code == 200
    assert entries("person.signed_in")[0] == {"actor": EMAIL, "by": "password", "address": "", "failed": 7}
    failed = entries("person.sign_in_failed")
    assert {one["failed"] for one in failed} == {1, 2, 3, 4, 5}  # then the name waits, and strangers fill nothing
    assert {(one["actor"], one["address"]) for one in failed} == {("", "203.0.113.9")}
    assert "canary" not in client.get("/api/audit-log").text
