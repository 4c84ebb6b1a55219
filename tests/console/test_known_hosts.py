"""console/known_hosts: which names are ours, and that whoever shows no key must call us by one."""

import pytest
from fastapi.testclient import TestClient

from gantry.console.known_hosts import KnownHosts
from gantry.core.vocabulary import Scope
from tests.console.conftest import Keys, bearer

HERE = KnownHosts("127.0.0.1")
EVERYWHERE = KnownHosts("0.0.0.0")
ADDRESSES = ["127.0.0.1", "127.0.0.1:8790", "[::1]:8790", "192.168.1.7:80", "203.0.113.9", "[2001:db8::1]", "0.0.0.0:1"]
OF_THIS_MACHINE = ["localhost", "LocalHost:8790", "localhost.", "gantry.localhost:8790"]
OF_THIS_NETWORK = ["gantry", "gantry:8790", "llm_gateway", "gantry.local", "gantry.prod.internal", "nas.home.arpa:80"]
PUBLIC = ["evil.example:8790", "gantry.example.com", "127.0.0.1.nip.io", "localhost.evil.example", "gantry.co.uk"]
NO_NAMES = ["", ":80", "x/api?", "localhost/ui", "a..b", "localhost@evil", "[evil]:80", "*", "évil", " "]


@pytest.mark.parametrize("host", ADDRESSES + OF_THIS_MACHINE)
def test_what_nobody_can_lead_elsewhere_is_always_ours(host: str) -> None:
    assert HERE.knows(host)
    assert EVERYWHERE.knows(host)


@pytest.mark.parametrize("host", OF_THIS_NETWORK)
def test_names_of_a_network_are_ours_where_we_listen_on_it(host: str) -> None:
    assert EVERYWHERE.knows(host)
    assert not HERE.knows(host)
    assert not KnownHosts("localhost").knows(host)
    assert not KnownHosts("::1").knows(host)


@pytest.mark.parametrize("host", PUBLIC + NO_NAMES)
def test_names_that_somebody_may_own_are_not(host: str) -> None:
    assert not HERE.knows(host)
    assert not EVERYWHERE.knows(host)


def test_whoever_runs_us_says_which_are_ours_too() -> None:
    hosts = KnownHosts("gw.example.org", "https://Gantry.example.com:8443", "one.example.net, .Example.DEV")
    for ours in ("gw.example.org:8790", "gantry.example.com", "one.example.net", "a.example.dev", "b.a.example.dev:1"):
        assert hosts.knows(ours), ours
    for not_ours in ("example.com", "two.example.net", "example.dev", "badexample.dev", "x.one.example.net"):
        assert not hosts.knows(not_ours), not_ours


@pytest.mark.parametrize("host", PUBLIC)
def test_all_names_are_if_they_say_so(host: str) -> None:
    assert KnownHosts("127.0.0.1", None, "gantry, *").knows(host)


def test_who_calls_by_another_name_is_told_what_to_set(client: TestClient) -> None:
    for path in ("/ui", "/ui/claim?token=x", "/api/session", "/api/people/me"):
        answer = client.get(path, headers={"host": "gantry.example.com"})
        assert answer.status_code == 403, path
        assert "'gantry.example.com'" in answer.json()["detail"]
        assert "public_url" in answer.json()["detail"]
    assert client.get("/ui", headers={"host": "127.0.0.1:8790"}).status_code != 403


def test_a_key_is_asked_for_no_name(client: TestClient, keys: Keys) -> None:
    shown = bearer(keys.add(Scope.READ)[1])
    for host in PUBLIC:
        assert client.get("/api/request-logs/list/", headers=shown | {"host": host}).status_code == 200
    forged = {"authorization": "Bearer gk_guessed", "host": "evil.example"}
    assert client.get("/api/session", headers=forged).status_code == 403, "what asks for no key goes by the name"
