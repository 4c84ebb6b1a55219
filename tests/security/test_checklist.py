"""The security checklist: what has gone wrong in gateways before, each point with the proof that it does not here.

The points are numbered as in docs/threat-model.md. Where one is proved at length elsewhere, its heading says where;
what stands here fails by itself when the point is lost.
"""

import ast
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from gantry.board.answers import AnswerCache
from gantry.console.access import CSRF_HEADER, UndeclaredAccess, guarded_router
from gantry.console.app import ROUTERS, create_app
from gantry.console.passwords import Passwords
from gantry.console.state import ConsoleState
from gantry.core.api_key import ENTROPY_BYTES, format_key, key_digest
from gantry.core.errors import Forbidden, LoopFound
from gantry.core.role import Role
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, Operation, Scope
from gantry.dial.origin import AddressRefused, Origin, check_address
from gantry.gateway.admit import check_hops, check_rights
from gantry.gateway.headers import MOST_HOPS
from gantry.gateway.limits import WorkerLimits
from gantry.gateway.params import lift_parameters
from gantry.home import Home, HomeError, Keyring, load_keyring
from gantry.routing.snapshot import KeyRecord
from gantry.store.audit_log import find_break
from gantry.store.control import ControlStore
from gantry.store.control_tables import api_keys, audit_entries
from gantry.store.database import StoreUnavailable
from gantry.store.keys import revoke_key, rotate_key
from gantry.wire.envelope import peek
from tests.console.conftest import EMAIL, NOW, PASSWORD, SECOND, Keys, bearer, claim, sign_in, state_of
from tests.dial.loopback import Caller, Server, answering, dialler
from tests.gateway.conftest import Upstream, json_answer, running_node
from tests.gateway.conftest import answering as upstream_answering
from tests.security.source import ROOT, built_texts, calls, imports, modules

Runner = Callable[[Coroutine[Any, Any, None]], None]
CREDENTIALS = "/api/credentials/"
CANARY = "canary-of-the-checklist"


# 1. Only parameters carry values into SQL, on every path that a stranger reaches.


SQL = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|SET LOCAL)\b")
# What may stand in the text of a statement: constants, numbers, names of our own tables and columns, question marks.
PUT_INTO_SQL = re.compile(r"[A-Z_]+|int\(.*\)|pages")
NAMES_AND_MARKS = {
    "store/clickhouse/client.py": {"CREATE"},
    "store/clickhouse/remote.py": {"', '.join(COLUMNS)", "TABLE", "_AT_ONCE", "day.name"},
    "store/clickhouse/split.py": {"', '.join(columns)", "', '.join(columns.values())", "TABLE", "condition", "where"},
    "store/columns_at_once.py": {"arrays.given", "columns", "rest", "table.name"},
    "store/log_days.py": {"bounds", "name", "part", "table", "where"},
    "store/move_source.py": {"columns", "name", "note", "table.name", "when"},
    "store/move_target.py": {"COUNTER + 1", "column.name", "day", "name", "table", "table.name"},
    "store/online_ddl.py": {"name", "own", "rest", "table"},
    "store/page_gaps.py": {"version"},
    "store/rows_at_once.py": {"', '.join(rows)", "names", "self._table"},
    "store/sqlite_copy.py": {"tree.revision.name"},
    "store/repricing.py": {"written", "given"},
    "store/sketches.py": {
        "table.name",
        "name",
        "sets",
        "same",
        "marks",
        "self._find",
        "self._places.given",
        "self._rows.given",
        "', '.join(key)",
        "', '.join((*key, *MEASURES))",
        "', '.join((*MEASURES, *key))",
        "', '.join([self._one] * len(places))",
    },
}
STRANGE_TOKENS = (
    "' OR '1'='1",
    "gk_aaaaaaaa_' --",
    '"); DROP TABLE api_keys; --',
    "%00",
    "gk_" + "é" * 60,
    "x" * 9000,
)


def test_1_no_value_is_written_into_the_text_of_a_statement() -> None:
    found = []
    for name, module in modules():
        if name.startswith("store/migrations/"):
            continue
        for literal, put in built_texts(module):
            strange = {one for one in put if not PUT_INTO_SQL.fullmatch(one)} - NAMES_AND_MARKS.get(name, set())
            if SQL.match(literal) and strange:
                found.append((name, literal, strange))
    assert found == []
    outside = [name for name, module in modules() if any(one.startswith("sqlalchemy") for one in imports(module))]
    assert all(name.startswith("store/") for name in outside), "SQL is in the store alone"
    assert "S608" in (ROOT / "pyproject.toml").read_text(), "and a lint forbids such texts as they are written"


def test_1_what_a_stranger_shows_as_a_key_breaks_no_route(client: TestClient, keys: Keys) -> None:
    keys.add()
    for router in ROUTERS:
        for route in router.routes:
            path = re.sub(r"{[^}]+}", "1", getattr(route, "path", ""))
            for method in getattr(route, "methods", ()):
                for token in STRANGE_TOKENS if path.count("/") == 2 else STRANGE_TOKENS[:2]:
                    headers = {b"authorization": b"Bearer " + token.encode()}
                    answer = client.request(method, path, headers=headers)
                    assert answer.status_code < 500, (method, path, token, answer.text)


# 2. Deny unless declared, decided by the path that was dispatched.


def test_2_a_route_without_a_declared_access_cannot_be(state: ConsoleState) -> None:
    with pytest.raises(UndeclaredAccess):
        guarded_router("test").add_api_route("/api/anything", lambda: None)
    assert create_app(state).router.redirect_slashes is False


@pytest.mark.parametrize("host", ["x/api/health-check?", "x/api/health-check#", "localhost/ui/", "api/health-check"])
def test_2_no_host_header_moves_the_decision(client: TestClient, host: str) -> None:
    shown = {"authorization": "Bearer nothing"}
    assert client.get(CREDENTIALS, headers={"host": host}).status_code == 403
    assert client.get(CREDENTIALS, headers={"host": host, **shown}).status_code == 401
    forwarded = {"x-forwarded-host": host, "x-original-url": "/api/health-check"}
    assert client.get(CREDENTIALS, headers=forwarded).status_code == 401
    assert tuple(map(int, version("starlette").split(".")[:3])) >= (1, 0, 1)


def test_2_a_name_that_is_led_here_is_answered_nowhere(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    """DNS rebinding: a page of evil.example, whose name leads to us, may send everything but a key. More of the names:
    tests/console/test_known_hosts.py.
    """
    claim(client, keyring, keys)
    secret = keys.add(Scope.READ | Scope.MANAGE)[1]
    elsewhere = {"host": "evil.example:8790", "origin": "http://evil.example:8790"}
    for router in ROUTERS:
        for route in router.routes:
            path = re.sub(r"{[^}]+}", "1", getattr(route, "path", ""))
            for method in getattr(route, "methods", ()):
                answer = client.request(method, path, headers=elsewhere)  # and with the session's cookie
                assert (answer.status_code, "evil.example" in answer.text) == (403, True), (method, path, answer.text)
    assert client.get(CREDENTIALS, headers=bearer(secret) | elsewhere).status_code == 200, "no browser has a key"


# 3. Every connection to the outside is judged by its address, after the name is resolved; redirects are not followed.


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_3_a_caller_reaches_no_private_address_in_any_spelling(run: Runner, host: str) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            caller = Caller()
            dialler().pool(Origin("http", host, server.port, private=False)).lease(caller)
            await caller.served.wait()
            assert caller.heard == ["connect failed"]
            assert server.peers == [], "not a single packet"

    run(main())


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"]
)
def test_3_nobody_reaches_a_metadata_service(address: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(address, private=True)


def test_3_there_is_one_dialler() -> None:
    """What connects elsewhere goes to this machine, or checks the address itself (`console/probe.py`)."""
    opening = {"create_connection", "urlopen", "HTTPConnection", "HTTPSConnection", "open_connection", "build_opener"}
    found = {name for name, module in modules() if any(called in opening for called, _ in calls(module))}
    assert found <= {"dial/connect.py", "dial/pool.py", "dial/mail.py", "console/probe.py", "cli/sample_calls.py"}, (
        found
    )


# 4. A stored credential goes to its host alone. Moved providers: tests/console/test_providers.py.


def test_4_a_provider_that_moves_takes_no_stored_key_along(client: TestClient, keys: Keys) -> None:
    headers = bearer(keys.add(Scope.READ | Scope.MANAGE)[1])
    body = {"provider_id": "acme", "provider_name": "Acme", "api_key": CANARY}
    there, elsewhere = ({"extra_kwargs": {"base_url": f"https://{host}/v1"}} for host in ("acme.test", "evil.test"))
    assert client.post("/api/providers/", headers=headers, json=body | there).status_code == 201
    moved = client.patch("/api/providers/acme/", headers=headers, json=elsewhere)
    assert (moved.status_code, moved.json()["param"]) == (400, "api_key")
    assert (
        client.patch("/api/providers/acme/", headers=headers, json={**elsewhere, "api_key": "new"}).status_code == 200
    )


# 5. Credentials that a caller brings: in memory for one call. All places: tests/security/test_canaries.py.


def test_5_a_callers_credential_is_not_recorded_and_makes_no_header_lines(run: Runner, tmp_path: Path) -> None:
    def body(key: str) -> bytes:
        theirs = {"customer_credentials": {"mistral": {"api_key": key}}}
        return json.dumps({"model": "mistral-small-latest", "messages": [], **theirs}).encode()

    async def main() -> None:
        reply = upstream_answering(json_answer(b'{"id":"1","object":"chat.completion","choices":[]}'))
        async with Upstream(reply).running() as upstream, running_node(tmp_path, upstream.url) as node:
            broken = await node.ask("/api/v1/chat/completions", body(f"{CANARY}\r\nx-injected: 1"))
            assert broken.status == 400
            assert CANARY.encode() not in broken.body
            await node.ask("/api/v1/chat/completions", body(CANARY))
            assert CANARY not in repr(node.frames())
            assert upstream.heard == b"", "and nothing of it goes to a private address"

    run(main())


# 6. API keys and passwords.


def test_6_a_key_is_256_random_bits_kept_as_an_hmac_and_shown_once(
    client: TestClient, control: ControlStore, keyring: Keyring, keys: Keys
) -> None:
    assert ENTROPY_BYTES * 8 >= 256
    manager = bearer(keys.add(Scope.READ | Scope.MANAGE | Scope.INFERENCE)[1])
    made = client.post("/api/api-keys/", headers=manager, json={"name": "mine"}).json()
    secret = made.pop("api_key")
    with control.reading() as connection:
        row = connection.execute(api_keys.select().where(api_keys.c.id == made["id"])).one()
    assert row.digest == key_digest(secret, keyring.pepper)
    assert key_digest(secret, bytes(32)) != row.digest, "the pepper is in it"
    assert secret not in str(row)
    assert secret not in client.get("/api/api-keys/", headers=manager).text


def test_6_a_key_expires_is_rotated_with_grace_and_dies_at_once(
    client: TestClient, control: ControlStore, keyring: Keyring, keys: Keys
) -> None:
    def status(secret: Secret) -> int:
        return client.get(CREDENTIALS, headers=bearer(secret)).status_code

    assert status(keys.add(Scope.READ, expires_at=NOW)[1]) == 401
    key, old = keys.add(Scope.READ)
    with control.changing() as change:
        _, new = rotate_key(change, key, keyring.pepper, 60 * SECOND)
    assert (status(old), status(new)) == (200, 200)
    with control.changing() as change:
        revoke_key(change, key)
    assert (status(old), status(new)) == (401, 200)


def test_6_passwords_are_argon2id() -> None:
    assert Passwords()._hash("a long sentence").startswith("$argon2id$")


# 7. Keys of providers are sealed, and no answer has one.


def test_7_a_providers_key_lies_sealed_and_comes_out_nowhere(client: TestClient, home: Home, keys: Keys) -> None:
    headers = bearer(keys.add(Scope.READ | Scope.MANAGE)[1])
    added = client.post(CREDENTIALS, headers=headers, json={"provider_id": "mistral", "fields": {"api_key": CANARY}})
    assert added.status_code == 201, added.text
    for answer in (added, client.get(CREDENTIALS, headers=headers), client.get("/api/system/details", headers=headers)):
        assert CANARY not in answer.text
    for path in home.path.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_7_without_its_master_key_nothing_starts(tmp_path: Path) -> None:
    home = Home(tmp_path / "elsewhere")
    home.prepare()
    for wrong in (None, "", "00" * 31, "no hex"):
        with pytest.raises(HomeError):
            load_keyring(home, wrong)


# 8. Rights never grow. At length: tests/console/test_api_keys.py, tests/store/test_key_rights.py.


def test_8_nobody_makes_a_key_with_more_than_they_have(
    client: TestClient, control: ControlStore, keyring: Keyring, keys: Keys
) -> None:
    maker = bearer(keys.add(DEFAULT_SCOPES | Scope.MANAGE)[1])
    member = sign_in(control, keyring, keys.organization_id, Role.MEMBER).headers
    for path, headers in (("temporary-keys", maker), ("api-keys", maker), ("api-keys", member)):
        for body in ({"scopes": ["team"]}, {"scopes": ["manage", "team"]}, {"organization_id": "another"}):
            answer = client.post(f"/api/{path}/", headers=headers, json={"name": "more", **body})
            assert answer.status_code in (400, 403), (path, body)


def test_8_no_field_of_a_body_says_who_pays() -> None:
    body = b'{"user":"k2","key_id":"k2","organization_id":"o2","api_key":"gk_x","customer_identifier":"c"}'
    parameters = lift_parameters(peek(body), {}, Operation.CHAT)
    told = msgspec.to_builtins(parameters, builtin_types=(bytes,), enc_hook=repr)
    assert "o2" not in str(told)
    assert "k2" not in str({name: value for name, value in told.items() if "customer" not in name})


# 9. A secret is a type. What passes through a whole node: tests/security/test_canaries.py.


def test_9_a_secret_shows_itself_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    logger = logging.getLogger("gantry.checklist")
    try:
        raise ValueError(secret)
    except ValueError:
        logger.exception("with %s and %r", secret, {"key": secret}, extra={"secret": secret})
    shown = [caplog.text, str(secret), repr([secret]), f"{secret}", f"{secret!r:>40}", "%s" % secret]  # noqa: UP031
    with pytest.raises(TypeError):
        shown.append(msgspec.json.encode(secret).decode())
    assert CANARY not in "".join(shown)


# 10. Nothing that a request says is run.


def test_10_nothing_is_evaluated_unpickled_or_spawned() -> None:
    evaluating, spawning = set(), set()
    for name, module in modules():
        taken = set(imports(module))
        assert not any(one.partition(".")[0] in ("pickle", "marshal", "shelve", "jinja2", "mako") for one in taken), (
            name
        )
        for called, call in calls(module):
            if isinstance(call.func, ast.Name) and called in ("eval", "exec", "compile", "__import__"):
                evaluating.add(name)
            assert not any(word.arg == "shell" for word in call.keywords), name
            assert called not in ("system", "popen", "execv", "execve", "execvp"), name
        if any(one.startswith("subprocess") for one in taken):
            spawning.add(name)
    assert evaluating == set()
    # Our own processes, with arguments that no request has a part in.
    assert spawning <= {"supervisor.py", "clerk/price_table.py", "store/schema.py", "cli/demo.py"}


# 11. What is cached belongs to one organization. At length: tests/board/test_answers.py.


def test_11_an_answer_is_found_by_its_organization_alone(tmp_path: Path, keyring: Keyring) -> None:
    cache = AnswerCache(tmp_path / "answers", keyring.responses, keyring.response_names, 1 << 20)
    ours, theirs = (cache.name(one, b"the same request") for one in ("o1", "o2"))
    assert ours != theirs
    assert cache.name("o1", b"2the same request") != cache.name("o12", b"the same request")
    assert len(ours) == 64, "the whole digest"


# 12. Everything has a bound. Framing and slow senders: tests/security/test_smuggling.py and test_injection.py.


def test_12_bodies_heads_depth_and_loops_are_bounded(run: Runner, tmp_path: Path) -> None:
    limits = WorkerLimits(max_header_bytes=8192, max_body_bytes=100_000, drain_timeout=0.2)

    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:9", limits=limits) as node:
            path = "/api/v1/chat/completions"
            assert (await node.ask(path, b"x" * 100_001)).status == 413
            assert (await node.ask(path, b"{}", b"X-Long: " + b"x" * 9000)).status == 431
            deep = b'{"model":"mistral-small-latest","messages":' + b"[" * 49_000 + b"]" * 49_000 + b"}"
            assert (await node.ask(path, deep)).status == 400

    run(main())
    check_hops(MOST_HOPS)
    with pytest.raises(LoopFound):
        check_hops(MOST_HOPS + 1)


# 13. A fresh install is nobody's until its token is shown. At length: tests/console/test_session.py, test_roles.py.


def test_13_only_the_token_claims_and_a_session_is_guarded(client: TestClient, keyring: Keyring, keys: Keys) -> None:
    assert client.get("/api/session").json()["state"] == "unclaimed"
    form = {"token": "guessed", "email": "eve@example.com", "name": "Eve", "password": "a long sentence of hers"}
    assert client.post("/api/session/claim", json=form).status_code in (400, 401, 403)
    claim(client, keyring, keys)
    signed_in = client.post("/api/session", json={"email": EMAIL, "password": PASSWORD})
    flags = signed_in.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
    assert client.post("/api/api-keys/", json={"name": "forged"}).status_code == 403
    shown = {CSRF_HEADER: signed_in.json()["csrf"]}
    assert client.post("/api/api-keys/", json={"name": "mine"}, headers=shown).status_code == 201


def test_13_no_other_origin_reads_an_answer(client: TestClient, keys: Keys) -> None:
    asked = {"origin": "https://evil.test", "access-control-request-method": "GET"}
    for answer in (client.options(CREDENTIALS, headers=asked), client.get(CREDENTIALS, headers=asked)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


# 14. Who manages does not call, who calls does not manage; what was changed stays written.


def test_14_a_key_that_manages_calls_no_model_and_the_other_way_round(client: TestClient, keys: Keys) -> None:
    with pytest.raises(Forbidden):
        check_rights(KeyRecord("k", "o", Environment.PROD, int(Scope.MANAGE | Scope.READ)), Operation.CHAT)
    caller = bearer(keys.add(Scope.INFERENCE)[1])
    assert client.post(CREDENTIALS, headers=caller, json={}).status_code == 403


def test_14_an_entry_of_the_audit_log_is_not_changed_unseen(control: ControlStore, keys: Keys) -> None:
    for _ in range(3):
        keys.add()
    with control.changing() as change:
        assert find_break(change.connection, keys.organization_id) is None
        at = audit_entries.c.number == 2
        change.connection.execute(update(audit_entries).where(at).values(actor_name="somebody else"))
        found = find_break(change.connection, keys.organization_id)
        assert found is not None
        assert found.number == 2


# 15. Releases. How they are made: SECURITY.md.


def test_15_what_is_installed_is_named_by_its_hash() -> None:
    locks = [*(ROOT / "requirements").glob("*.txt"), *(ROOT / "requirements").rglob("sdk/*.txt")]
    assert len(locks) >= 3
    for lock in locks:
        lines = re.sub(r"\\\n", " ", lock.read_text())
        named = [line for line in lines.splitlines() if line.strip() and not line.lstrip().startswith(("#", "-"))]
        assert all("--hash=sha256:" in line for line in named), lock


def test_15_nothing_of_ours_runs_at_every_start_of_python() -> None:
    assert list((ROOT / "src").rglob("*.pth")) == []
    build = (ROOT / "pyproject.toml").read_text()
    assert ".pth" not in build
    assert not (ROOT / "src" / "sitecustomize.py").exists()


@pytest.mark.slow
def test_15_importing_us_opens_no_connection() -> None:
    script = """
import importlib, pkgutil, socket, sys
def refuse(*a, **k): raise SystemExit(f"a connection at import: {a}")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = socket.create_connection = refuse
import gantry
for one in pkgutil.walk_packages(gantry.__path__, "gantry."):
    if not one.name.endswith("__main__") and ".migrations." not in one.name:
        importlib.import_module(one.name)
print("imported", len(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.startswith("imported")) == (0, True), done.stderr


# 16. What is only passed through is admitted like the rest. At length: tests/gateway/test_native.py.


def test_16_paths_that_nobody_understands_are_no_way_around(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        reply = upstream_answering(json_answer(b"{}"))
        async with (
            Upstream(reply, reply).running() as upstream,
            running_node(tmp_path, upstream.url, models=("mistral-small-*",)) as node,
        ):
            unnamed = await node.ask("/api/v1/something/new", b'{"prompt":"x"}')
            other = await node.ask("/api/v1/chat/completions", b'{"model":"mistral-large-latest","messages":[]}')
            stateful = await node.ask("/api/v1/files", method="GET")
            assert [unnamed.status, other.status, stateful.status] == [403, 403, 403]
            key, node.key = node.key, format_key(bytes(ENTROPY_BYTES)).reveal()
            assert (await node.ask("/api/v1/something/new", b"{}")).status == 401
            assert upstream.heard == b""
            node.key = key

    run(main())


# 17. Whoever cannot be asked lets nobody in.


def test_17_a_store_that_is_away_lets_nobody_in(home: Home, keyring: Keyring, keys: Keys) -> None:
    def away() -> ControlStore:
        raise StoreUnavailable("away")

    state = state_of(home, keyring, control=away, logs=lambda: pytest.fail("nobody was let in"))
    with TestClient(create_app(state), raise_server_exceptions=False) as client:
        secret = keys.add(Scope.READ | Scope.MANAGE)[1]
        answers = [client.get(CREDENTIALS, headers=bearer(secret)), client.get("/api/request-logs/list/")]
    state.close()
    assert [answer.status_code for answer in answers] == [503, 401]
    assert "retry-after" in answers[0].headers


def test_17_a_worker_without_a_snapshot_admits_nobody(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:9") as node:
            node.worker._state.snapshot = None
            assert (await node.ask("/api/v1/models", method="GET")).status in (401, 503)

    run(main())


# 18. Somebody answers.


def test_18_people_are_told_whom_to_tell_and_what_to_expect() -> None:
    policy, model = (ROOT / "SECURITY.md").read_text(), (ROOT / "docs" / "threat-model.md").read_text()
    assert re.search(r"^\| somebody answers \| \d+ working days \|$", policy, re.M)
    assert "privately" in policy
    numbers = {int(one) for one in re.findall(r"^\| (\d+) \|", model, re.M)}
    assert numbers == set(range(1, 19)), "each point of this list has its line"
