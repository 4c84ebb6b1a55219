"""console/people, members, joining, organizations: a team comes together, and nobody gets more than they were given."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from gantry.cli.main import gantry
from gantry.console.access import CSRF_HEADER
from gantry.console.app import create_app
from gantry.console.state import ConsoleState
from gantry.core.role import Role
from gantry.core.vocabulary import Scope
from gantry.home import Home, Keyring
from gantry.settings import SignUp
from gantry.store.invitations import LASTS
from tests.console.conftest import EMAIL, PASSWORD, Keys, bearer, claim

SESSION = "/api/session"
GRACE = {"email": "grace@example.com", "name": "Grace", "password": "another long sentence"}


@pytest.fixture
def owner(client: TestClient, keyring: Keyring, keys: Keys) -> dict[str, str]:
    """The headers of Ada, who owns the console and is signed in by `client`."""
    return claim(client, keyring, keys)


@pytest.fixture
def browser(state: ConsoleState) -> Iterator[TestClient]:
    """Another browser."""
    with TestClient(create_app(state), raise_server_exceptions=False) as browser:
        yield browser


def invited(client: TestClient, headers: dict[str, str], email: str = GRACE["email"], role: Role = Role.MEMBER) -> str:
    answer = client.post("/api/invitations", json={"email": email, "role": role}, headers=headers)
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


def joined(
    client: TestClient, headers: dict[str, str], browser: TestClient, role: Role, name: str = "grace"
) -> tuple[str, dict[str, str]]:
    """Let somebody accept an invitation in another browser; return their id and their headers."""
    token = invited(client, headers, f"{name}@example.com", role)
    answer = browser.post(f"{SESSION}/invitation", json={"token": token, "name": name, "password": GRACE["password"]})
    assert answer.status_code == 200, answer.text
    return answer.json()["person"]["id"], {CSRF_HEADER: answer.json()["csrf"]}


def test_an_invitation_is_shown_and_accepted_once(
    client: TestClient, owner: dict[str, str], browser: TestClient
) -> None:
    token = invited(client, owner, role=Role.VIEWER)
    shown = browser.get(f"{SESSION}/invitation", params={"token": token}).json()
    assert shown == {
        "email": GRACE["email"],
        "role": "viewer",
        "organization": "default",
        "invited_by": EMAIL,
        "expires_at": shown["expires_at"],
        "known": False,
    }
    form = {"token": token, "name": "Grace", "password": GRACE["password"]}
    answer = browser.post(f"{SESSION}/invitation", json=form)
    assert (answer.status_code, answer.json()["role"]) == (200, "viewer")
    assert browser.get("/api/limits").status_code == 200
    assert browser.get("/api/members").status_code == 403
    assert browser.post(f"{SESSION}/invitation", json=form).status_code == 404
    assert [(one["email"], one["role"]) for one in client.get("/api/members").json()] == [
        (EMAIL, "owner"),
        (GRACE["email"], "viewer"),
    ]
    assert client.get("/api/invitations").json() == []


def test_an_invitation_ends(
    client: TestClient, owner: dict[str, str], browser: TestClient, state: ConsoleState
) -> None:
    first = invited(client, owner)
    second = invited(client, owner)  # in the place of the first
    (listed,) = client.get("/api/invitations").json()
    for dead in (first, "nonsense", ""):
        assert browser.get(f"{SESSION}/invitation", params={"token": dead}).status_code == 404
    assert client.delete(f"/api/invitations/{listed['id']}", headers=owner).status_code == 204
    assert client.delete(f"/api/invitations/{listed['id']}", headers=owner).status_code == 404
    assert browser.post(f"{SESSION}/invitation", json={"token": second, **named(GRACE)}).status_code == 404
    third = invited(client, owner)
    state.clock = lambda: time.time_ns() + LASTS  # type: ignore[misc]
    assert browser.get(f"{SESSION}/invitation", params={"token": third}).status_code == 404


def named(person: dict[str, str]) -> dict[str, str]:
    return {"name": person["name"], "password": person["password"]}


def test_who_is_known_proves_to_be_them(
    client: TestClient, owner: dict[str, str], browser: TestClient, keys: Keys
) -> None:
    joined(client, owner, browser, Role.MEMBER)
    other = client.post("/api/organizations", json={"name": "Other"}, headers=owner)
    assert other.status_code == 201
    moved = client.patch(SESSION, json={"organization_id": other.json()["id"]}, headers=owner)
    assert moved.json()["organization"]["name"] == "Other"
    token = invited(client, owner, role=Role.ADMIN)
    assert client.get(f"{SESSION}/invitation", params={"token": token}).json()["known"] is True
    wrong = {"token": token, "name": "Grace", "password": "guessed, I suppose"}
    stranger = TestClient(client.app)
    assert stranger.post(f"{SESSION}/invitation", json=wrong).status_code == 401
    assert client.post(f"{SESSION}/invitation", json=wrong, headers=owner).status_code == 403  # Ada is not Grace
    assert browser.post(f"{SESSION}/invitation", json={"token": token}).status_code == 403  # without its CSRF token
    csrf = {CSRF_HEADER: browser.get(SESSION).json()["csrf"]}
    accepted = browser.post(f"{SESSION}/invitation", json={"token": token}, headers=csrf)
    assert accepted.json()["organization"]["name"] == "Other"
    assert [(one["name"], one["role"]) for one in accepted.json()["organizations"]] == [
        ("Other", "admin"),
        ("default", "member"),
    ]
    assert client.patch(SESSION, json={"organization_id": "none of mine"}, headers=owner).status_code == 404


def test_nobody_gives_or_takes_more_than_they_have(
    client: TestClient, owner: dict[str, str], browser: TestClient
) -> None:
    admin_id, admin = joined(client, owner, browser, Role.ADMIN)
    ada_id = client.get("/api/people/me").json()["id"]
    refused = browser.post("/api/invitations", json={"email": "x@example.com", "role": "owner"}, headers=admin)
    assert (refused.status_code, refused.json()["param"]) == (403, "role")
    assert browser.patch(f"/api/members/{admin_id}", json={"role": "owner"}, headers=admin).status_code == 403
    assert browser.patch(f"/api/members/{ada_id}", json={"role": "viewer"}, headers=admin).status_code == 403
    assert browser.delete(f"/api/members/{ada_id}", headers=admin).status_code == 403
    assert browser.patch(f"/api/members/{admin_id}", json={"role": "member"}, headers=admin).status_code == 200
    assert browser.get("/api/members").status_code == 403  # with the next request


def test_the_last_owner_stays(client: TestClient, owner: dict[str, str], browser: TestClient) -> None:
    ada_id = client.get("/api/people/me").json()["id"]
    for answer in (
        client.patch(f"/api/members/{ada_id}", json={"role": "admin"}, headers=owner),
        client.delete(f"/api/members/{ada_id}", headers=owner),
    ):
        assert answer.status_code == 403
        assert "owner" in answer.json()["detail"]
    other, _ = joined(client, owner, browser, Role.OWNER)
    assert client.patch(f"/api/members/{ada_id}", json={"role": "admin"}, headers=owner).status_code == 200
    assert client.delete(f"/api/members/{other}", headers=owner).status_code == 403


def test_who_is_removed_is_signed_out(client: TestClient, owner: dict[str, str], browser: TestClient) -> None:
    person_id, _ = joined(client, owner, browser, Role.MEMBER)
    assert client.delete(f"/api/members/{person_id}", headers=owner).status_code == 204
    assert browser.get(SESSION).json()["state"] == "signed_out"
    form = {"email": GRACE["email"], "password": GRACE["password"]}
    answer = browser.post(SESSION, json=form)
    assert answer.status_code == 403
    assert "belong to no organization" in answer.json()["detail"]
    assert client.delete(f"/api/members/{person_id}", headers=owner).status_code == 404


def made_key(browser: TestClient, headers: dict[str, str], *scopes: str) -> dict[str, str]:
    answer = browser.post("/api/api-keys", json={"name": "mine", "scopes": scopes}, headers=headers)
    assert answer.status_code == 201, answer.text
    return {"authorization": f"Bearer {answer.json()['api_key']}"}


@pytest.mark.parametrize(("keep", "status"), [("", 401), ("?keep_keys=true", 200)])
def test_who_is_removed_has_no_way_back(
    client: TestClient, owner: dict[str, str], browser: TestClient, keep: str, status: int
) -> None:
    person_id, admin = joined(client, owner, browser, Role.ADMIN)
    key = made_key(browser, admin, "read", "manage", "team")
    tokens = [invited(browser, admin, "back@example.com"), invited(browser, key, "door@example.com")]
    ours = invited(client, owner, "else@example.com")
    assert client.delete(f"/api/members/{person_id}{keep}", headers=owner).status_code == 204
    browser.cookies.clear()
    assert browser.get("/api/limits", headers=key).status_code == status
    for token in tokens:
        assert browser.get(f"{SESSION}/invitation", params={"token": token}).status_code == 404
    assert browser.get(f"{SESSION}/invitation", params={"token": ours}).status_code == 200


def test_who_may_do_less_has_keys_that_may_do_less(
    client: TestClient, owner: dict[str, str], browser: TestClient
) -> None:
    person_id, admin = joined(client, owner, browser, Role.ADMIN)
    wide, narrow = made_key(browser, admin, "read", "manage", "team"), made_key(browser, admin, "team")
    token = invited(browser, admin, "back@example.com", Role.ADMIN)
    assert client.patch(f"/api/members/{person_id}", json={"role": "viewer"}, headers=owner).status_code == 200
    assert client.get("/api/limits", headers=wide).status_code == 200
    assert client.get("/api/members", headers=wide).status_code == 403
    assert client.get("/api/members", headers=narrow).status_code == 401
    assert browser.get(f"{SESSION}/invitation", params={"token": token}).status_code == 404
    assert client.patch(f"/api/members/{person_id}", json={"role": "admin"}, headers=owner).status_code == 200
    assert client.get("/api/members", headers=wide).status_code == 403  # what was taken does not come back


def test_a_key_with_the_scope_is_an_administrator(client: TestClient, owner: dict[str, str], keys: Keys) -> None:
    _, secret = keys.add(Scope.TEAM)
    assert client.get("/api/members", headers=bearer(secret)).status_code == 200
    for role, status in ((Role.ADMIN, 201), (Role.OWNER, 403)):
        form = {"email": "x@example.com", "role": role}
        assert client.post("/api/invitations", json=form, headers=bearer(secret)).status_code == status


def test_a_new_password_ends_the_other_sessions(client: TestClient, owner: dict[str, str], browser: TestClient) -> None:
    assert browser.post(SESSION, json={"email": EMAIL, "password": PASSWORD}).status_code == 200
    path = "/api/people/me/password"
    wrong = client.post(path, json={"current": "guessed, I suppose", "new": "a new long sentence"}, headers=owner)
    assert (wrong.status_code, wrong.json()["param"]) == (403, "current")
    short = client.post(path, json={"current": PASSWORD, "new": "short"}, headers=owner)
    assert (short.status_code, short.json()["param"]) == (400, "new")
    changed = client.post(path, json={"current": PASSWORD, "new": "a new long sentence"}, headers=owner)
    assert changed.status_code == 204
    assert client.get(SESSION).json()["state"] == "signed_in"
    assert browser.get(SESSION).json()["state"] == "signed_out"
    assert browser.post(SESSION, json={"email": EMAIL, "password": PASSWORD}).status_code == 401
    assert browser.post(SESSION, json={"email": EMAIL, "password": "a new long sentence"}).status_code == 200


def test_sessions_are_listed_and_ended(client: TestClient, owner: dict[str, str], browser: TestClient) -> None:
    answer = browser.post(
        SESSION,
        json={"email": EMAIL, "password": PASSWORD},
        headers={"user-agent": "Mosaic", "x-gantry-client-address": "203.0.113.9"},
    )
    assert answer.status_code == 200
    listed = client.get("/api/people/me/sessions").json()
    assert [one["current"] for one in listed].count(True) == 1
    (other,) = [one for one in listed if not one["current"]]
    assert (other["user_agent"], other["address"]) == ("Mosaic", "203.0.113.9")
    path = f"/api/people/me/sessions/{other['id']}"
    assert client.delete(path, headers=owner).status_code == 204
    assert client.delete(path, headers=owner).status_code == 404
    assert browser.get(SESSION).json()["state"] == "signed_out"


def test_signing_out_everywhere(client: TestClient, owner: dict[str, str], browser: TestClient) -> None:
    assert browser.post(SESSION, json={"email": EMAIL, "password": PASSWORD}).status_code == 200
    assert client.delete(SESSION, params={"everywhere": "true"}, headers=owner).status_code == 204
    assert browser.get(SESSION).json()["state"] == "signed_out"


def test_people_are_called_as_they_like(client: TestClient, owner: dict[str, str]) -> None:
    assert client.patch("/api/people/me", json={"name": "Augusta"}, headers=owner).json()["name"] == "Augusta"
    assert client.patch("/api/people/me", json={"name": ""}, headers=owner).status_code == 400
    renamed = client.patch("/api/organizations/current", json={"name": "Engines"}, headers=owner)
    assert renamed.json()["name"] == "Engines"
    assert client.get(SESSION).json()["organization"]["name"] == "Engines"
    assert [one["name"] for one in client.get("/api/organizations").json()] == ["Engines"]


@pytest.mark.parametrize(("sign_up", "status"), [(SignUp.OPEN, 200), (SignUp.INVITE, 403), (SignUp.CLOSED, 403)])
def test_sign_up(
    client: TestClient,
    owner: dict[str, str],
    browser: TestClient,
    state: ConsoleState,
    sign_up: SignUp,
    status: int,
) -> None:
    state.entrance.sign_up = sign_up  # type: ignore[misc]
    answer = browser.post(f"{SESSION}/sign-up", json={**GRACE, "organization": "Compilers"})
    assert answer.status_code == status
    invite = client.post("/api/invitations", json={"email": "x@example.com"}, headers=owner)
    assert invite.status_code == (403 if sign_up is SignUp.CLOSED else 201)
    if status == 200:
        item = answer.json()
        assert (item["role"], [one["name"] for one in item["organizations"]]) == ("owner", ["Compilers"])
        assert browser.get("/api/request-logs/list").json()["count"] == 0
        taken = client.post(f"{SESSION}/sign-up", json={**GRACE, "organization": "More"})
        assert (taken.status_code, taken.json()["param"]) == (400, "email")
        same = client.post(f"{SESSION}/sign-up", json={**GRACE, "email": "y@example.com", "organization": "Compilers"})
        assert (same.status_code, same.json()["param"]) == (400, "organization")


def test_nobody_signs_up_before_it_is_claimed(client: TestClient, state: ConsoleState) -> None:
    state.entrance.sign_up = SignUp.OPEN  # type: ignore[misc]
    answer = client.post(f"{SESSION}/sign-up", json={**GRACE, "organization": "Compilers"})
    assert answer.status_code == 403
    assert client.get(SESSION).json()["state"] == "unclaimed"


def test_a_member_adds_no_organization(client: TestClient, owner: dict[str, str], browser: TestClient) -> None:
    _, member = joined(client, owner, browser, Role.ADMIN)
    assert browser.post("/api/organizations", json={"name": "Mine"}, headers=member).status_code == 403


def test_a_link_sets_a_password_once(
    client: TestClient, owner: dict[str, str], browser: TestClient, home: Home
) -> None:
    command = ("people", "reset-password", EMAIL, "--url", "https://gantry.test", "--home", str(home.path))
    link = CliRunner().invoke(gantry, command, catch_exceptions=False).stdout.strip()
    assert client.get(SESSION).json()["state"] == "signed_out"
    start, _, token = link.partition("?token=")
    assert start == "https://gantry.test/ui/reset"
    tampered = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    for wrong in (tampered, "x", "x.y", ""):
        form = {"token": wrong, "password": "a new long sentence"}
        assert browser.post(f"{SESSION}/reset", json=form).status_code == 403
    weak = browser.post(f"{SESSION}/reset", json={"token": token, "password": "short"})
    assert (weak.status_code, weak.json()["param"]) == (400, "password")
    answer = browser.post(f"{SESSION}/reset", json={"token": token, "password": "a new long sentence"})
    assert (answer.status_code, answer.json()["person"]["email"]) == (200, EMAIL)
    again = client.post(f"{SESSION}/reset", json={"token": token, "password": "a newer long sentence"})
    assert again.status_code == 403


def test_a_link_that_is_used_twice_at_once_sets_one_password(
    client: TestClient, owner: dict[str, str], browser: TestClient, state: ConsoleState, home: Home
) -> None:
    command = ("people", "reset-password", EMAIL, "--home", str(home.path))
    token = CliRunner().invoke(gantry, command, catch_exceptions=False).stdout.strip().partition("?token=")[2]
    hashed = state.entrance.passwords.hash
    statuses: list[int] = []

    async def overtaken(password: str) -> str:
        if password == "a thief's long sentence":
            form = {"token": token, "password": "a new long sentence"}
            statuses.append((await asyncio.to_thread(browser.post, f"{SESSION}/reset", json=form)).status_code)
        return await hashed(password)

    state.entrance.passwords.hash = overtaken  # type: ignore[method-assign]
    late = client.post(f"{SESSION}/reset", json={"token": token, "password": "a thief's long sentence"})
    assert (statuses, late.status_code) == ([200], 403)
    assert client.post(SESSION, json={"email": EMAIL, "password": "a new long sentence"}).status_code == 200
