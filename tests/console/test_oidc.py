"""console/oidc: people sign in through a real provider, and what a provider does not prove is not believed."""

import asyncio
import hashlib
import hmac
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from fastapi.testclient import TestClient
from msgspec import structs

from gantry.console.app import create_app
from gantry.console.entrance import Entrance
from gantry.console.identity_provider import IdentityProvider, IdentityProviderSettings, read_provider
from gantry.console.passwords import Passwords
from gantry.core.role import Role
from gantry.core.secret import Secret
from gantry.core.vocabulary import Scope
from gantry.dial.origin import ProxyRules
from gantry.dial.pool import Dialler, PoolLimits
from gantry.home import Home, Keyring
from gantry.settings import DeclaredIdentityProvider, SettingsError, SignUp
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore
from gantry.store.people import add_member, add_person, people_of
from tests.console.conftest import CHEAP, NOW, Keys, state_of
from tests.console.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIDProvider, encoded, signing_input

SECONDS = NOW / 1_000_000_000
START = "/api/session/oidc/idp/start"
CALLBACK = "/api/session/oidc/idp/callback"
GRACE = "grace@example.com"


@pytest.fixture
def idp() -> Iterator[OpenIDProvider]:
    with OpenIDProvider(SECONDS).running() as provider:
        yield provider


class World:
    """A console with one identity provider, and a browser in front of it."""

    def __init__(self, home: Home, keyring: Keyring, idp: OpenIDProvider) -> None:
        self._home = home
        self._keyring = keyring
        self.idp = idp
        self.diallers: list[Dialler] = []

    def open(self, **changes: Any) -> TestClient:
        settings = IdentityProviderSettings(
            id="idp",
            name="The IdP",
            issuer=self.idp.issuer,
            client_id=CLIENT_ID,
            client_secret=Secret(CLIENT_SECRET),
            scopes=("openid", "email"),
            default_role=Role.MEMBER,
            allowed_domains=(),
        )
        provider = IdentityProvider(structs.replace(settings, **changes), self._dialler, lambda: SECONDS)
        self.state = state_of(
            self._home,
            self._keyring,
            control=lambda: ControlStore(self._home.control_db, busy_timeout=0.1),
            logs=lambda: LogStore(self._home.logs_db, busy_timeout=0.1),
            entrance=Entrance(
                self._keyring.session,
                url="http://testserver",
                passwords=Passwords(CHEAP),
                providers=[provider],
            ),
        )
        return TestClient(create_app(self.state), raise_server_exceptions=False, follow_redirects=False)

    def _dialler(self) -> Dialler:
        if not self.diallers:
            loop = asyncio.get_running_loop()
            limits = PoolLimits(connections=4)
            self.diallers.append(Dialler(loop, tls=ssl.create_default_context(), proxies=ProxyRules(), limits=limits))
        return self.diallers[0]


@pytest.fixture
def world(home: Home, keyring: Keyring, keys: Keys, idp: OpenIDProvider, control: ControlStore) -> World:
    with control.changing() as change:
        add_member(change, keys.organization_id, add_person(change, "ada@example.com", "Ada", None), Role.OWNER)
    return World(home, keyring, idp)


@pytest.fixture
def browser(world: World) -> Iterator[TestClient]:
    with world.open() as browser:
        yield browser
        for dialler in world.diallers:
            browser.portal.call(dialler.close)  # type: ignore[union-attr]
    world.state.close()


def invite(world: World, control: ControlStore, organization_id: str) -> None:
    with control.changing() as change:
        person = add_person(change, GRACE, "Grace", None)
        add_member(change, organization_id, person, Role.VIEWER)


def left(browser: TestClient, return_to: str = "/logs") -> str:
    answer = browser.get(START, params={"return_to": return_to})
    assert answer.status_code == 303, answer.text
    assert len(answer.headers["set-cookie"]) < 4096
    return answer.headers["location"]


def came_back(browser: TestClient, query: dict[str, str]) -> str:
    answer = browser.get(CALLBACK, params=query)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def why(location: str) -> str:
    parts = urlsplit(location)
    assert (parts.scheme, parts.netloc, parts.path) == ("", "", "/ui/sign-in"), location
    return parse_qs(parts.query)["error"][0]


def test_somebody_known_signs_in(
    world: World, browser: TestClient, control: ControlStore, keys: Keys, idp: OpenIDProvider
) -> None:
    assert browser.get("/api/session").json()["identity_providers"] == [{"id": "idp", "name": "The IdP"}]
    invite(world, control, keys.organization_id)
    url = left(browser)
    assert came_back(browser, idp.authorize(url)) == "/ui/logs"
    item = browser.get("/api/session").json()
    assert (item["state"], item["person"]["email"], item["role"]) == ("signed_in", GRACE, "viewer")
    # From now on by issuer and subject: whatever address the provider gives.
    query = idp.authorize(left(browser), "another-code")
    idp.claims |= {"email": "ada@example.com", "email_verified": False}
    came_back(browser, query)
    assert browser.get("/api/session").json()["person"]["email"] == GRACE
    assert idp.asked.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nonce": "another"}, "not for this sign-in"),
        ({"nonce": None}, "not for this sign-in"),
        ({"aud": "somebody-else"}, "for somebody else"),
        ({"aud": [CLIENT_ID, "somebody-else"]}, "given to somebody else"),
        ({"azp": "somebody-else"}, "given to somebody else"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"exp": SECONDS - 61}, "expired"),
        ({"iat": SECONDS - 601}, "not of this moment"),
        ({"iat": SECONDS + 61}, "not of this moment"),
        ({"nbf": SECONDS + 61}, "not of this moment"),
        ({"sub": ""}, "names nobody"),
        ({"exp": "never"}, "does not say what it must"),
        ({"email_verified": False}, "was verified"),
        ({"email_verified": "true"}, "was verified"),
        ({"email_verified": 1}, "was verified"),
        ({"email": None}, "was verified"),
        ({"email": "stranger@example.com"}, "Nobody invited stranger@example.com"),
    ],
)
def test_what_a_token_must_say(
    world: World,
    browser: TestClient,
    control: ControlStore,
    keys: Keys,
    idp: OpenIDProvider,
    changes: dict[str, Any],
    said: str,
) -> None:
    invite(world, control, keys.organization_id)
    query = idp.authorize(left(browser))
    idp.claims |= changes
    assert said in why(came_back(browser, query))
    assert browser.get("/api/session").json()["state"] == "signed_out"
    with control.reading() as connection:
        assert len(people_of(connection)) == 2


def sign_none(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return signing_input(header, claims) + "."


@pytest.mark.parametrize(
    ("header", "sign", "said"),
    [
        ({"alg": "none"}, sign_none, "in a way that we do not accept"),
        ({"alg": "None"}, sign_none, "in a way that we do not accept"),
        ({"alg": "HS256"}, "hmac", "in a way that we do not accept"),
        ({"alg": "ES256"}, "key", "does not show"),
        ({"kid": "unknown"}, "key", "does not show"),
        ({"crit": ["exp"]}, "key", "what we do not know"),
        ({}, "another key", "signature is wrong"),
        ({}, sign_none, "signature is wrong"),
        ({}, "one part", "no signed token"),
    ],
)
def test_how_a_token_must_be_signed(
    browser: TestClient, idp: OpenIDProvider, header: dict[str, Any], sign: Any, said: str
) -> None:
    def by_shared_secret(header: dict[str, Any], claims: dict[str, Any]) -> str:
        signed = signing_input(header, claims)
        public = idp.key_set()["keys"][1]["n"].encode()  # everybody knows it
        return f"{signed}.{encoded(hmac.digest(public, signed.encode(), hashlib.sha256))}"

    def by_another_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
        shown, idp.key = idp.key, generate_private_key(65537, 2048)
        try:
            return idp.sign_by_key(header, claims)
        finally:
            idp.key = shown

    ways = {"hmac": by_shared_secret, "key": idp.sign_by_key, "another key": by_another_key, "one part": lambda *_: "x"}
    query = idp.authorize(left(browser))
    idp.header, idp.sign = header, ways[sign] if isinstance(sign, str) else sign
    assert said in why(came_back(browser, query))
    assert browser.get("/api/session").json()["state"] == "signed_out"


def test_a_state_is_good_in_one_browser_and_once(
    world: World, browser: TestClient, control: ControlStore, keys: Keys, idp: OpenIDProvider
) -> None:
    invite(world, control, keys.organization_id)
    query = idp.authorize(left(browser))
    stranger = TestClient(browser.app, follow_redirects=False)
    assert "not begun here" in why(came_back(stranger, query))
    kept = dict(browser.cookies)
    assert came_back(browser, query) == "/ui/logs"
    assert "gantry_oidc" not in browser.cookies
    assert "not begun here" in why(came_back(browser, query))
    browser.cookies.clear()
    browser.cookies.update(kept)  # who kept the cookie finds that the code was used
    assert "answered 400" in why(came_back(browser, query))


@pytest.mark.parametrize("changes", [{"state": "another"}, {"state": ""}, {"code": None, "error": "access_denied"}])
def test_what_comes_back_must_be_what_was_asked_for(
    browser: TestClient, idp: OpenIDProvider, changes: dict[str, str | None]
) -> None:
    query = {**idp.authorize(left(browser)), **changes}
    why(came_back(browser, {name: value for name, value in query.items() if value is not None}))
    assert "/token" not in idp.asked


@pytest.mark.parametrize(
    ("return_to", "page"),
    [
        ("/logs?x=1", "/ui/logs?x=1"),
        ("//evil.example", "/ui"),
        ("https://evil.example", "/ui"),
        ("/\\evil.example", "/ui"),
        ("\\\\evil.example", "/ui"),
        ("@evil.example", "/ui"),
        (".evil.example", "/ui"),
        ("/a\r\nset-cookie: x=1", "/ui"),
        ("/" + "a" * 1000, "/ui/" + "a" * 1000),
        ("/" + "a" * 5000, "/ui"),  # browsers would drop the cookie
    ],
)
def test_nobody_is_sent_elsewhere(
    world: World,
    browser: TestClient,
    control: ControlStore,
    keys: Keys,
    idp: OpenIDProvider,
    return_to: str,
    page: str,
) -> None:
    invite(world, control, keys.organization_id)
    assert came_back(browser, idp.authorize(left(browser, return_to))) == page


def test_keys_that_were_changed_are_read_anew(
    world: World, browser: TestClient, control: ControlStore, keys: Keys, idp: OpenIDProvider
) -> None:
    invite(world, control, keys.organization_id)
    url = left(browser)
    idp.key, idp.kid = generate_private_key(65537, 2048), "second"
    provider = world.state.entrance.providers["idp"]
    assert "does not show" in why(came_back(browser, idp.authorize(url)))  # a minute must pass
    provider._keys_at -= 60
    assert came_back(browser, idp.authorize(left(browser))) == "/ui/logs"


def test_a_key_that_is_too_short_signs_nothing(browser: TestClient, idp: OpenIDProvider) -> None:
    idp.key = generate_private_key(65537, 1024)
    assert "signature is wrong" in why(came_back(browser, idp.authorize(left(browser))))


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://10.0.0.1/token"},
        {"jwks_uri": "http://169.254.169.254/latest"},
        {"token_endpoint": "file:///etc/passwd"},
        {"authorization_endpoint": None},
    ],
)
def test_what_a_provider_may_say_of_itself(browser: TestClient, idp: OpenIDProvider, described: dict[str, Any]) -> None:
    idp.described = described
    answer = browser.get(START)
    assert "cannot be asked now" in why(answer.headers["location"])


def test_an_invitation_is_accepted_by_signing_in(
    world: World, browser: TestClient, control: ControlStore, keys: Keys, idp: OpenIDProvider
) -> None:
    from_ada = {"email": "grace@example.com", "role": "admin"}
    _, secret = keys.add(Scope.TEAM)
    made = browser.post("/api/invitations", json=from_ada, headers={"authorization": f"Bearer {secret.reveal()}"})
    assert made.status_code == 201
    assert came_back(browser, idp.authorize(left(browser))) == "/ui/logs"
    item = browser.get("/api/session").json()
    assert (item["role"], item["person"]["name"], item["person"]["has_password"]) == ("admin", "Grace", False)


@pytest.mark.parametrize("as_her", [False, True])
def test_who_took_an_address_before_its_owner_came_is_out(
    world: World, browser: TestClient, control: ControlStore, idp: OpenIDProvider, as_her: bool
) -> None:
    world.state.entrance.sign_up = SignUp.OPEN  # type: ignore[misc]
    squatter = {"email": GRACE, "name": "Grace", "password": "a sentence of the thief"}
    assert browser.post("/api/session/sign-up", json={**squatter, "organization": "Trap"}).status_code == 200
    theirs = browser.cookies["gantry_session"]
    if not as_her:
        browser.cookies.clear()
    came_back(browser, idp.authorize(left(browser)))
    assert browser.get("/api/session").json()["person"]["has_password"] is as_her
    browser.cookies.clear()
    assert browser.post("/api/session", json={name: squatter[name] for name in ("email", "password")}).status_code == (
        200 if as_her else 401
    )
    browser.cookies.clear()
    assert browser.get("/api/session", headers={"cookie": f"gantry_session={theirs}"}).json()["state"] == "signed_out"


def test_a_domain_may_belong_here(world: World, idp: OpenIDProvider) -> None:
    with world.open(allowed_domains=("example.com",), default_role=Role.VIEWER) as browser:
        came_back(browser, idp.authorize(left(browser)))
        assert browser.get("/api/session").json()["role"] == "viewer"
        browser.cookies.clear()
        query = idp.authorize(left(browser), "another-code")
        idp.claims |= {"sub": "subject-2", "email": "mallory@example.com.evil.example"}
        assert "no" in why(came_back(browser, query))
        query = idp.authorize(left(browser), "a-third-code")
        idp.claims |= {"email_verified": False}  # known, but of no domain that is proved
        assert "may sign in here" in why(came_back(browser, query))
        for dialler in world.diallers:
            browser.portal.call(dialler.close)  # type: ignore[union-attr]
    world.state.close()


def test_nobody_claims_it_by_a_provider(home: Home, keyring: Keyring, keys: Keys, idp: OpenIDProvider) -> None:
    world = World(home, keyring, idp)
    with world.open(allowed_domains=("example.com",)) as browser:
        assert "nobody's yet" in why(came_back(browser, idp.authorize(left(browser))))
        assert browser.get("/api/session").json()["state"] == "unclaimed"
        for dialler in world.diallers:
            browser.portal.call(dialler.close)  # type: ignore[union-attr]
    world.state.close()


def test_a_provider_that_is_not_there(browser: TestClient) -> None:
    assert browser.get("/api/session/oidc/other/start").status_code == 404
    assert browser.get("/api/session/oidc/other/callback").status_code == 404


def test_a_secret_may_stand_in_the_environment() -> None:
    table = DeclaredIdentityProvider(issuer="https://idp.test", client_id="x", client_secret_env="IDP_SECRET")
    assert read_provider("idp", table, {"IDP_SECRET": "s"}).client_secret == Secret("s")
    with pytest.raises(SettingsError, match="the environment has no IDP_SECRET"):
        read_provider("idp", table, {})
