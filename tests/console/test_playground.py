"""Keys of the playground: short-lived, for calls only, within their maker's rights, and in no list."""

from fastapi.testclient import TestClient

from gantry.core.role import Role
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, Scope
from gantry.home import Keyring
from gantry.store.control import ControlStore
from gantry.store.keys import KeyPolicy, add_key, find_key
from tests.console.conftest import NOW, SECOND, Keys, bearer, sign_in

KEYS = "/api/playground/keys/"
MINUTE = 60 * SECOND


def test_a_member_gets_a_key_that_calls_and_does_nothing_else(
    client: TestClient, control: ControlStore, keyring: Keyring, keys: Keys
) -> None:
    ada = sign_in(control, keyring, keys.organization_id, Role.MEMBER, "ada")
    made = client.post(KEYS, headers=ada.headers)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    item = made.json()
    with control.reading() as connection:
        stored = find_key(connection, keys.organization_id, item["prefix"])
    assert stored.policy == KeyPolicy(scopes=Scope.INFERENCE, expires_at=NOW + 15 * MINUTE)
    assert (stored.name, stored.created_by, stored.bound_by) == ("playground: ada@example.com", ada.id, ())
    theirs = {"authorization": f"Bearer {item['api_key']}"}
    assert client.get("/api/request-logs/list/", headers=theirs).status_code == 403
    admin = sign_in(control, keyring, keys.organization_id, Role.ADMIN)
    for path in ("/api/api-keys/", "/api/temporary-keys/"):
        assert item["id"] not in client.get(path, headers=admin.headers).text
        assert client.delete(path + item["id"], headers=admin.headers).status_code == 404


def test_it_is_within_what_its_maker_may(
    client: TestClient, control: ControlStore, keyring: Keyring, keys: Keys
) -> None:
    policy = KeyPolicy(
        environment=Environment.TEST,
        scopes=DEFAULT_SCOPES,
        models=("mistral-*",),
        surfaces=("mistral",),
        expires_at=NOW + MINUTE,
        strict=True,
    )
    with control.changing() as change:
        maker, secret = add_key(change, keys.organization_id, "maker", policy, keyring.pepper)
    prefix = client.post(KEYS, headers=bearer(secret)).json()["prefix"]
    with control.reading() as connection:
        made = find_key(connection, keys.organization_id, prefix)
    assert made.policy == KeyPolicy(
        environment=Environment.TEST,
        scopes=Scope.INFERENCE,
        models=("mistral-*",),
        surfaces=("mistral",),
        expires_at=NOW + MINUTE,
        strict=True,
    )
    assert made.bound_by == (maker.id,), "its calls count on its maker's limits"
