"""Routing rules by API: shown, changed, rolled back by those who may; and nobody overwrites what they have not seen."""

from typing import Any

import msgspec
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert

from gantry.core.routing_document import MOST_TYPED
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.control_tables import organizations
from gantry.store.credentials import ManagedBy, NewCredential, add_credential, find_credential, remove_credentials
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.routing_rules import WrittenRules, current_rules, write_rules
from gantry.store.vault import Vault
from tests.console.conftest import Keys, bearer

ROUTING = "/api/routing/"
FALLBACK = {"fallback_models": ["mistral/x"]}
GROUP = {"groups": [{"id": "fast", "members": [{"model": "mistral/x", "credential": "default"}]}]}
Headers = dict[str, str]


@pytest.fixture
def manager(keys: Keys) -> Headers:
    """The headers of a key that may read and manage."""
    return bearer(keys.add(DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)[1])


@pytest.fixture(autouse=True)
def _credential(home: Home, keys: Keys, keyring: Keyring) -> None:
    new = NewCredential(provider_id="mistral", name="default", base_url="https://api.mistral.ai")
    with ControlStore(home.control_db) as control, control.changing() as change:
        add_credential(change, Vault(keyring.vault), keys.organization_id, new)


def kept(home: Home, keys: Keys) -> WrittenRules:
    with ControlStore(home.control_db) as control, control.reading() as connection:
        return current_rules(connection, keys.organization_id)


def test_rules_are_shown_said_anew_changed_and_rolled_back(
    client: TestClient, keys: Keys, home: Home, manager: Headers
) -> None:
    empty = client.get(ROUTING, headers=manager)
    assert (empty.status_code, empty.headers["etag"]) == (200, '"0"')
    assert empty.json() == {
        "version": 0,
        "author": None,
        "note": "",
        "created_at": None,
        "managed_by": None,
        "document": {},
    }
    put = client.put(ROUTING, headers=manager, json={"document": GROUP, "version": 0, "note": "the first"})
    assert (put.status_code, put.headers["etag"]) == (200, '"1"')
    item = put.json()
    assert item["created_at"].startswith("20")
    assert (item["document"], item["author"], item["note"], item["version"]) == (GROUP, "API key a key", "the first", 1)
    patched = client.patch(ROUTING.rstrip("/"), headers=manager, json={"document": FALLBACK})
    assert (patched.status_code, patched.json()["document"]) == (200, {**GROUP, **FALLBACK})
    cleared = client.patch(ROUTING, headers=manager, json={"document": {"groups": None}, "version": 2})
    assert (cleared.json()["document"], cleared.json()["version"]) == (FALLBACK, 3)
    shown = client.get("/routing", headers=manager)
    assert shown.json() == cleared.json()
    again = client.put(ROUTING, headers=manager, json=shown.json())  # as it was shown
    assert (again.status_code, again.json()) == (200, shown.json())

    back = client.post(f"{ROUTING}rollback/", headers=manager, json={"version": 1})
    assert (back.status_code, back.json()["version"], back.json()["note"]) == (200, 4, "as in version 1")
    first = client.get(f"{ROUTING}versions/1/", headers=manager)
    assert first.json()["document"] == back.json()["document"] == GROUP
    assert kept(home, keys).text == msgspec.json.encode(GROUP).decode()
    versions = client.get(f"{ROUTING}versions/", headers=manager).json()
    assert [(one["version"], one["note"]) for one in versions] == [
        (4, "as in version 1"),
        (3, ""),
        (2, ""),
        (1, "the first"),
    ]
    assert "document" not in versions[0]


def test_versions_are_compared(client: TestClient, manager: Headers) -> None:
    client.patch(ROUTING, headers=manager, json={"document": FALLBACK})
    client.patch(ROUTING, headers=manager, json={"document": {"fallback_models": ["openai/gpt-4o"]}})
    path = f"{ROUTING}versions/2/diff"
    told = client.get(path, headers=manager).json()
    assert (told["before"], told["after"]) == (1, 2)
    assert [line for line in told["lines"] if line.startswith("+ ")] == ['+    "openai/gpt-4o"']
    assert client.get(path, headers=manager, params={"since": 2}).json()["lines"] == []
    first = client.get(f"{ROUTING}versions/1/diff", headers=manager).json()
    assert first["before"] == 0
    assert client.get(path, headers=manager, params={"since": 9}).status_code == 404
    assert client.get(f"{ROUTING}versions/9/diff", headers=manager).status_code == 404


def test_who_has_not_seen_the_newest_version_is_refused(
    client: TestClient, keys: Keys, home: Home, manager: Headers
) -> None:
    """Two editors begin with version 1."""
    client.put(ROUTING, headers=manager, json={"document": FALLBACK, "version": 0})
    first, second = ({"document": {"fallback_models": [name]}, "version": 1} for name in ("mistral/a", "mistral/b"))
    assert client.put(ROUTING, headers=manager, json=first).status_code == 200
    for method, headers, body in (
        ("PUT", {}, second),
        ("PUT", {"if-match": '"1"'}, {"document": {}}),
        ("PUT", {"if-match": 'W/"1"'}, second),
        ("PATCH", {}, second),
        ("PATCH", {"if-match": '"1"'}, {"document": {}}),
        ("DELETE", {"if-match": '"1"'}, None),
    ):
        path = ROUTING if method != "DELETE" else "/api/load-balance-groups/fast"
        answer = client.request(method, path, headers={**manager, **headers}, json=body)
        expected = (412, "version") if method != "DELETE" else (404, None)
        assert (answer.status_code, answer.json().get("param")) == expected, answer.text
        if method != "DELETE":
            assert "at version 2, and the change was made from 1" in answer.json()["detail"]
    back = client.post(f"{ROUTING}rollback", headers={**manager, "if-match": '"1"'}, json={"version": 1})
    assert back.status_code == 412
    assert kept(home, keys).document == {"fallback_models": ["mistral/a"]}
    any_version = client.put(ROUTING, headers={**manager, "if-match": "*"}, json={"document": {}})
    assert (any_version.status_code, any_version.json()["version"]) == (200, 3)


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "param", "says"),
    [
        ("PUT", "", {}, {"document": {}}, "version", "version is missing: give the one that these rules are made from"),
        ("PUT", "", {}, {"version": 0}, "document", "document is missing"),
        ("PUT", "", {}, {"version": 0, "documnet": {}}, None, "unknown field `documnet`"),
        ("PUT", "", {}, {"version": -1, "document": {}}, None, "Expected `int` >= 0"),
        ("PUT", "", {}, [], None, "does not describe routing rules"),
        ("PUT", "", {"if-match": "1"}, {"document": {}}, "if-match", "the ETag of the rules"),
        ("PUT", "", {"if-match": '"1"'}, {"document": {}, "version": 0}, "version", "name two versions"),
        ("PATCH", "", {}, {}, "document", "document is missing"),
        ("PATCH", "", {}, {"document": {}, "note": "a\nb"}, "note", "one line of at most"),
        ("PATCH", "", {}, {"document": {}, "note": "x" * 501}, "note", "one line of at most"),
        ("PATCH", "", {}, {"document": {"gruops": []}}, None, "there is no `gruops` here; did you mean `groups`?"),
        ("PATCH", "", {}, {"document": {"retries": {"num_retries": 99}}}, "retries.num_retries", "Expected `int` <="),
        ("PATCH", "", {}, {"document": {"groups": [{"id": "g", "members": [{"model": "m", "weight": 0}]}]}},
         "groups[0].members", "every member of g has weight 0"),
        ("PATCH", "", {}, {"document": {"groups": [{"id": "g", "members": [{"model": "m", "credential": "x"}]}]}},
         None, "the group g names the credential x, and there is none"),
        ("POST", "rollback", {}, {}, "version", "which one is to hold again?"),
    ],
)  # fmt: skip
def test_what_is_refused_changes_nothing(
    client: TestClient,
    keys: Keys,
    home: Home,
    manager: Headers,
    method: str,
    path: str,
    headers: Headers,
    body: Any,
    param: str | None,
    says: str,
) -> None:
    answer = client.request(method, ROUTING + path, headers={**manager, **headers}, json=body)
    assert (answer.status_code, answer.json().get("param")) == (400, param), answer.text
    assert says in answer.json()["detail"]
    assert kept(home, keys).version == 0


def test_a_body_is_bounded(client: TestClient, manager: Headers) -> None:
    for length, status in ((MOST_TYPED, 400), (2 * MOST_TYPED, 413)):
        body = {"document": {"fallback_models": ["m"]}, "note": "x" * length}
        assert client.patch(ROUTING, headers=manager, json=body).status_code == status
    large = {
        "models": [{"match": f"{number:03}" + "x" * 200, "fallback_models": ["y" * 250] * 4} for number in range(300)]
    }
    answer = client.patch(ROUTING, headers=manager, json={"document": large})
    assert (answer.status_code, "a routing document is at most" in answer.text) == (400, True)


@pytest.mark.parametrize("version", ["0", "7", "9223372036854775808", "-1"])
def test_a_version_that_is_not_there(client: TestClient, manager: Headers, version: str) -> None:
    assert client.get(f"{ROUTING}versions/{version}", headers=manager).status_code == 404
    answer = client.post(f"{ROUTING}rollback", headers=manager, json={"version": abs(int(version))})
    assert answer.status_code in (400, 404), answer.text


def test_what_is_declared_in_gantry_toml_is_changed_there(
    client: TestClient, keys: Keys, home: Home, manager: Headers
) -> None:
    with ControlStore(home.control_db) as control, control.changing() as change:
        text = msgspec.json.encode(GROUP).decode()
        write_rules(change, keys.organization_id, "{}", author="me", note="an older one")
        write_rules(change, keys.organization_id, text, author="gantry.toml", managed_by=ManagedBy.FILE)
    before = kept(home, keys)
    assert client.get(ROUTING, headers=manager).json()["managed_by"] == "gantry.toml"
    for method, path, body in (
        ("PUT", ROUTING, {"document": {}, "version": before.version}),
        ("PATCH", ROUTING, {"document": FALLBACK}),
        ("POST", f"{ROUTING}rollback", {"version": 1}),
        ("POST", "/api/load-balance-groups/", {"group_id": "g", "models": [{"model": "m"}]}),
        ("PATCH", "/api/load-balance-groups/fast", {"name": "x"}),
        ("DELETE", "/api/load-balance-groups/fast", None),
    ):
        answer = client.request(method, path, headers=manager, json=body)
        assert answer.status_code == 403, (method, path, answer.text)
        assert answer.json()["detail"] == "The routing rules are declared in gantry.toml; change them there."
    assert kept(home, keys) == before


def test_a_change_takes_the_scope_manage_and_reading_the_scope_read(client: TestClient, keys: Keys) -> None:
    reader = bearer(keys.add(DEFAULT_SCOPES | Scope.READ)[1])
    caller = bearer(keys.add()[1])
    for path in (ROUTING, f"{ROUTING}versions/", f"{ROUTING}versions/1", "/api/load-balance-groups/"):
        assert client.get(path, headers=reader).status_code in (200, 404)
        assert client.get(path, headers=caller).status_code == 403
        assert client.get(path).status_code == 401
    for method, path in (
        ("PUT", ROUTING),
        ("PATCH", ROUTING),
        ("POST", f"{ROUTING}rollback"),
        ("POST", "/api/load-balance-groups"),
        ("PATCH", "/api/load-balance-groups/fast"),
        ("DELETE", "/api/load-balance-groups/fast"),
    ):
        assert client.request(method, path, headers=reader, content=b"{}").status_code == 403, (method, path)


def test_an_organization_has_rules_of_its_own(
    client: TestClient, keys: Keys, home: Home, keyring: Keyring, manager: Headers
) -> None:
    policy = KeyPolicy(scopes=DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)
    with ControlStore(home.control_db) as control, control.changing() as change:
        change.connection.execute(insert(organizations).values(id="o2", name="x", created_at=2**62))
        _, secret = add_key(change, "o2", "theirs", policy, keyring.pepper)
    client.patch(ROUTING, headers=manager, json={"document": GROUP})
    theirs = bearer(secret)
    assert client.get(ROUTING, headers=theirs).json()["version"] == 0
    assert client.get(f"{ROUTING}versions/1", headers=theirs).status_code == 404
    assert client.post(f"{ROUTING}rollback", headers=theirs, json={"version": 1}).status_code == 404
    assert client.get("/api/load-balance-groups/fast", headers=theirs).status_code == 404
    refused = client.patch(ROUTING, headers=theirs, json={"document": GROUP})  # whose credential is not theirs
    assert refused.status_code == 400
    assert kept(home, keys).version == 1


def test_whoever_goes_back_arrives_though_a_credential_is_gone_since(
    client: TestClient, keys: Keys, home: Home, manager: Headers
) -> None:
    client.patch(ROUTING, headers=manager, json={"document": GROUP})
    client.put(ROUTING, headers=manager, json={"document": FALLBACK, "version": 1})
    with ControlStore(home.control_db) as control, control.changing() as change:
        remove_credentials(change, [find_credential(change.connection, keys.organization_id, "mistral")])
    assert client.patch(ROUTING, headers=manager, json={"document": GROUP}).status_code == 400
    back = client.post(f"{ROUTING}rollback", headers=manager, json={"version": 1})
    assert (back.status_code, back.json()["document"]) == (200, GROUP)
    assert any("names the credential default, and there is none" in warning for warning in back.json()["warnings"])
    # Nor does that stop a change of something else.
    made = client.post("/api/load-balance-groups", headers=manager, json={"group_id": "g", "models": [{"model": "m"}]})
    assert made.status_code == 201, made.text


def test_what_a_newer_version_wrote_is_shown_and_not_gone_back_to(
    client: TestClient, keys: Keys, home: Home, manager: Headers
) -> None:
    with ControlStore(home.control_db) as control, control.changing() as change:
        write_rules(change, keys.organization_id, '{"of tomorrow":1}', author="tomorrow")
    shown = client.get(ROUTING, headers=manager).json()
    assert shown["document"] == {"of tomorrow": 1}
    assert "this version of Gantry does not read it: there is no `of tomorrow` here" in shown["warnings"][0]
    assert client.patch(ROUTING, headers=manager, json={"document": FALLBACK}).status_code == 400
    assert client.put(ROUTING, headers=manager, json={"document": FALLBACK, "version": 1}).status_code == 200
    back = client.post(f"{ROUTING}rollback", headers=manager, json={"version": 1})
    assert (back.status_code, "is not one that this version of Gantry reads" in back.text) == (400, True)


def test_no_secret_fits_into_the_rules(client: TestClient, home: Home, manager: Headers) -> None:
    for member in (
        {"model": "m", "credentials": {"api_key": "canary"}},
        {"model": "m", "api_key": "canary"},
    ):
        answer = client.patch(
            ROUTING, headers=manager, json={"document": {"groups": [{"id": "g", "members": [member]}]}}
        )
        assert answer.status_code == 400
        assert "canary" not in answer.text
    assert b"canary" not in b"".join(path.read_bytes() for path in home.path.rglob("*") if path.is_file())
