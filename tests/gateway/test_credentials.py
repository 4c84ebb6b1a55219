"""Whose key arrives: every pair in the order of precedence, on every surface and tier, at the provider's own host.

The key is looked for where it must be and everywhere it must not: in the rest of the request, in what the caller is
told, and in what is kept.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import combinations, cycle, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.core.secret import Secret
from gantry.gateway.limits import WorkerLimits
from gantry.routing.snapshot import Body, CredentialRecord, Snapshot
from tests.dial.certificates import Authority
from tests.gateway.conftest import Answer, Node, json_answer, running_node
from tests.gateway.internet import AZURE, Arrival, Internet, refusal
from tests.gateway.scenes import CARRIERS, SCENES, Scene

Runner = Callable[[Any], Any]
STORED = ("organization", "platform")
# From the strongest to the weakest.
LEVELS = ("override", "api keys", "member", "customer", "customer list", "customer pool", *STORED)
SHAPES = {"customer", "customer list", "customer pool"}  # of one level
PAIRS = [pair for pair in combinations(LEVELS, 2) if not SHAPES.issuperset(pair)]
each_scene = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)


def key_of(level: str) -> str:
    return f"canary-{level.replace(' ', '-')}-key"


def brought(scene: Scene, level: str, key: str | None = None) -> dict[str, Any]:
    """Return the parameters that bring a credential at a level; none for what is stored."""
    key = key or key_of(level)
    fields = {"api_key": key, **scene.fields}
    match level:
        case "override":
            return {"credential_override": {scene.named: fields}}
        case "api keys":
            return {"customer_api_keys": {scene.named: key}}
        case "member":
            return {"load_balance_models": [{"model": scene.named, "weight": 2, "credentials": fields}]}
        case "customer":
            return {"customer_credentials": {scene.provider: fields}}
        case "customer list":
            return {"customer_credentials": {scene.prefix: [{"weight": 1.5, "credentials": fields}]}}
        case "customer pool":
            return {"customer_credentials": [{"credentials": {scene.provider: fields}, "weight": 1}]}
        case _:
            return {}


def has_level(scene: Scene, level: str) -> bool:
    """Whether a call may be served at a level: a key alone is no address, and an account is not for everybody."""
    if level == "member" and scene.kind in ("form", "opaque"):
        return False
    return not (level == "api keys" and scene.fields) and not (level == "platform" and scene.kind == "opaque")


class World(NamedTuple):
    """A worker in front of the internet."""

    node: Node
    internet: Internet

    def store(self, *levels: str) -> None:
        """Have these credentials stored, one for each provider, and no others."""
        state = self.node.worker._state
        assert state.snapshot is not None
        old = state.snapshot.body
        credentials = []
        for spec in old.providers:
            for level in levels:
                secrets = {item.name: Secret(item.default) for item in spec.fields}
                secrets |= {spec.auth.field: Secret(key_of(level))}
                name = f"{level}-{spec.id}"
                whose = "o1" if level == "organization" else None
                url = spec.base_url or f"https://{AZURE}"
                credentials.append(CredentialRecord(name, whose, spec.id, name, url, secrets))
        body = Body(old.version + 1, time.time_ns(), old.table_id, old.providers, tuple(credentials), {})
        state.swap(Snapshot(body, state.snapshot.keys))

    async def ask(
        self, scene: Scene, params: Mapping[str, Any], carrier: str = "body", *, stream: bool = False
    ) -> Answer:
        self.internet.arrivals.clear()
        path, body, headers = scene.request(params, carrier, stream=stream)
        got = await self.node.ask(path, body, *headers)
        assert b"canary" not in got.body
        assert "canary" not in repr(got.headers)
        return got

    def arrived(self, scene: Scene) -> str:
        """Return the one key that arrived with the one request, at the host of the provider."""
        (arrival,) = self.internet.arrivals
        assert arrival.host == scene.host
        (key,) = arrival.keys
        text = (arrival.head + arrival.body).decode("latin-1")
        assert text.count("canary") == key.count("canary"), text
        for name in ("customer_credentials", "credential_override", "customer_api_keys", "respan"):
            assert name not in text.lower()
        return key

    def kept(self) -> str:
        """Return everything that is kept of what was asked, and what is told to operators."""
        files = [path.read_bytes() for path in self.node.home.path.rglob("*") if path.is_file()]
        return b"".join(files).decode("latin-1") + repr(self.node.frames())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def world(tmp_path: Path, authority: Authority) -> Callable[[], Any]:
    @asynccontextmanager
    async def running() -> AsyncIterator[World]:
        async with (
            Internet(authority).running() as internet,
            running_node(
                tmp_path,
                "http://127.0.0.1:9",
                ca_bundle=authority.bundle,
                https_proxy=internet.proxy,
                limits=WorkerLimits(drain_timeout=0.2),
            ) as node,
        ):
            yield World(node, internet)

    return running


Worlds = Callable[[], Any]


@each_scene
def test_the_stronger_of_each_pair_arrives(
    run: Runner, world: Worlds, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    carriers = cycle(CARRIERS)
    pairs = [(high, low) for high, low in PAIRS if has_level(scene, high)]

    async def main() -> None:
        async with world() as here:
            for stored in ((), ("organization",), ("platform",), STORED):
                here.store(*stored)
                for high, low in pairs:
                    wanted = tuple(level for level in (high, low) if level in STORED)
                    if wanted != stored or not (has_level(scene, low) or low in STORED):
                        continue
                    carrier = next(carriers)
                    # Fields of two levels may stand in two shapes of one parameter, and a parameter stands once.
                    params = {**brought(scene, low), **brought(scene, high)}
                    for stream in scene.deliveries:
                        got = await here.ask(scene, params, carrier, stream=stream)
                        assert got.status == 200, (high, low, carrier, stream, got.body)
                        assert here.arrived(scene) == key_of(high), (high, low, carrier, stream)
            assert set(here.internet.asked) == {f"{scene.host}:443"}
            metrics = await here.node.ask("/metrics", method="GET")
            for text in (here.kept(), caplog.text, metrics.body.decode()):
                for level in LEVELS:
                    assert key_of(level) not in text, level

    run(main())


@each_scene
def test_a_credential_may_come_in_any_of_the_places_for_parameters(run: Runner, world: Worlds, scene: Scene) -> None:
    async def main() -> None:
        async with world() as here:
            here.store(*STORED)
            for level in LEVELS[:-2]:
                if not has_level(scene, level):
                    continue
                for carrier, stream in product(CARRIERS, scene.deliveries):
                    got = await here.ask(scene, brought(scene, level), carrier, stream=stream)
                    assert (got.status, here.arrived(scene)) == (200, key_of(level)), (level, carrier, got.body)

    run(main())


@each_scene
def test_a_callers_bad_key_is_the_callers_error(
    run: Runner, world: Worlds, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the caller's format, and nobody else is asked, whatever could be."""
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with world() as here:
            here.store(*STORED)
            here.internet.answer = refusal
            for level, stream in product(("override", "customer", "customer pool"), scene.deliveries):
                more: dict[str, Any] = {}
                if scene.kind != "opaque":
                    more = {"fallback_models": ["openai/gpt-4o", scene.named], "retry_params": {"num_retries": 2}}
                got = await here.ask(scene, {**brought(scene, level), **more}, "header", stream=stream)
                assert (got.status, here.arrived(scene)) == (401, key_of(level)), got.body
                assert_told(scene, got)
            assert "canary" not in here.kept() + caplog.text

    run(main())


@pytest.mark.parametrize("level", ["customer", "organization"])
def test_a_key_that_its_provider_repeats_is_told_and_not_kept(run: Runner, world: Worlds, level: str) -> None:
    def repeating(arrival: Arrival) -> bytes:
        told = {"error": {"message": f"{arrival.keys[0]} is no key of ours", "code": "invalid_api_key"}}
        return json_answer(json.dumps(told).encode(), b"401 Unauthorized")

    async def main() -> None:
        async with world() as here:
            here.store(*STORED)
            here.internet.answer = repeating
            path, body, headers = SCENES[0].request(brought(SCENES[0], level))
            got = await here.node.ask(path, body, *headers)
            assert (got.status, key_of(level).encode() in got.body) == (401, True)
            _, _, captured = await here.node.one_call()
            assert json.loads(captured)["error"]["message"] == "[secret] is no key of ours"
            assert "canary" not in here.kept()

    run(main())


def assert_told(scene: Scene, got: Answer) -> None:
    """A 401 as the caller's own SDK reads it."""
    told = json.loads(got.body)
    match scene.kind:
        case "messages":
            assert (told["type"], told["error"]["type"]) == ("error", "authentication_error")
        case "gemini":
            assert (told["error"]["code"], told["error"]["status"]) == (401, "UNAUTHENTICATED")
        case _ if scene.path.startswith("/api/v1/"):
            assert told.get("detail") or told.get("message") or told["error"]["message"]
        case _:
            assert told.get("detail") or told["error"]["message"]


def test_a_callers_key_among_the_fallbacks_is_not_followed_by_ours_either(run: Runner, world: Worlds) -> None:
    """The first model is asked with what is stored, the next with the caller's own, and there it ends."""
    scene = SCENES[2]
    theirs = {"anthropic": {"api_key": key_of("customer")}}
    params = {
        "customer_credentials": theirs,
        "fallback_models": ["anthropic/claude-sonnet-4-5", "openai/gpt-4o"],
        "retry_params": {"num_retries": 3, "retry_after": 0.01},
    }

    async def main() -> None:
        async with world() as here:
            here.store(*STORED)
            here.internet.answer = refusal
            got = await here.ask(scene, params)
            assert got.status == 401
            assert [(each.host, each.keys) for each in here.internet.arrivals] == [
                ("api.mistral.ai", [key_of("organization")]),
                ("api.anthropic.com", [key_of("customer")]),
            ]

    run(main())


# The page


def page_json(page: str) -> dict[str, Any]:
    """Return the one JSON of the page, whose lines are numbered."""
    lines = page[page.index("Override credentials per model") :].splitlines()
    start = lines.index("1{")
    end = next(place for place in range(start, len(lines)) if lines[place] == "8}")
    text = "\n".join(line[1:] for line in lines[start : end + 1])
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("stream", [False, True])
def test_the_pages_own_example_works_as_it_stands(
    run: Runner, world: Worlds, shared: Path, carrier: str, stream: bool
) -> None:
    params = page_json((shared / "reference" / "product-page.txt").read_text())
    large = SCENES[2]
    others = [scene for scene in SCENES if scene.prefix == "mistral" and scene.model != large.model and scene.model]

    async def main() -> None:
        async with world() as here:
            here.store(*STORED)
            got = await here.ask(large, params, carrier, stream=stream)
            assert got.status == 200
            assert here.internet.arrivals[0].keys == ["ANOTHER_MISTRAL_API_KEY"]
            for scene in others:
                got = await here.ask(scene, params, carrier)
                assert (got.status, here.internet.arrivals[0].keys) == (200, ["YOUR_MISTRAL_API_KEY"])
            got = await here.ask(SCENES[0], params, carrier)
            assert (got.status, here.arrived(SCENES[0])) == (200, key_of("organization"))

    run(main())


# By which name a credential is found


FULL, BARE = "mistral/mistral-large-latest", "mistral-large-latest"


@pytest.mark.parametrize(
    ("written", "override", "arrives"),
    [
        (FULL, {FULL: "full", BARE: "bare", "mistral": "provider"}, "full"),
        (FULL, {BARE: "bare", "mistral": "provider"}, "bare"),
        (FULL, {"mistralai/mistral-large-latest": "alias", BARE: "bare"}, "alias"),
        (BARE, {FULL: "full", BARE: "bare", "mistral": "provider"}, "bare"),
        (BARE, {FULL: "full", "mistral": "provider"}, "full"),  # as on the page, where the SDK's call is bare
        (BARE, {"mistral": "provider", "mistral/mistral-small-latest": "other"}, "provider"),
        (FULL, {"mistralai": "provider"}, "provider"),
        (FULL, {"mistral/mistral-small-latest": "other", "openai": "other"}, None),
    ],
)
@pytest.mark.parametrize("field", ["credential_override", "customer_api_keys"])
def test_an_override_is_found_by_the_name_as_written_then_with_its_provider_then_bare_then_by_provider(
    run: Runner, world: Worlds, field: str, written: str, override: dict[str, str], arrives: str | None
) -> None:
    scene = SCENES[2]
    body = {"model": written, "messages": [{"role": "user", "content": "hi"}]}
    given = {name: f"canary-{key}" for name, key in override.items()}
    fields: dict[str, Any] = dict(given)
    if field == "credential_override":
        fields = {name: {"api_key": key} for name, key in given.items()}

    async def main() -> None:
        async with world() as here:
            here.store(*STORED)
            got = await here.node.ask(scene.path, json.dumps({**body, field: fields}).encode())
            assert got.status == 200
            assert here.arrived(scene) == (f"canary-{arrives}" if arrives else key_of("organization"))

    run(main())


def test_an_override_by_its_bare_name_wins_over_a_deprecated_key_by_its_full_one(run: Runner, world: Worlds) -> None:
    scene = SCENES[2]
    params = {
        "credential_override": {scene.model: {"api_key": key_of("override")}},
        "customer_api_keys": {scene.named: key_of("api keys")},
    }

    async def main() -> None:
        async with world() as here:
            assert (await here.ask(scene, params)).status == 200
            assert here.arrived(scene) == key_of("override")
            _, closed, _ = await here.node.one_call()
            assert closed.warnings == []

    run(main())


# Weights, and models that a credential is for


def pool(*entries: tuple[float, str], **limits: Any) -> list[dict[str, Any]]:
    return [{"credentials": {"mistral": {"api_key": key}}, "weight": weight, **limits} for weight, key in entries]


def listed(*entries: tuple[float, str]) -> dict[str, Any]:
    return {"mistral": [{"weight": weight, "credentials": {"api_key": key}} for weight, key in entries]}


def draws(seed: int) -> Iterator[float]:
    """Yield the low-discrepancy sequence of the golden ratio: any run of it is spread evenly."""
    point = seed * 0.1
    while True:
        point = (point + 0.6180339887498949) % 1
        yield point


@pytest.mark.parametrize("shape", [pool, listed])
def test_weights_are_met(run: Runner, world: Worlds, shape: Callable[..., Any]) -> None:
    scene = SCENES[2]
    weights = {"canary-a": 5.0, "canary-b": 3.0, "canary-c": 0.5, "canary-d": 1.5}
    params = {"customer_credentials": shape(*((weight, key) for key, weight in weights.items()))}

    async def main() -> None:
        async with world() as here:
            sequence = draws(1)
            here.node.worker._state.draw = lambda: next(sequence)
            met: Counter[str] = Counter()
            for _ in range(200):
                assert (await here.ask(scene, params)).status == 200
                met[here.arrived(scene)] += 1
            for key, weight in weights.items():
                assert met[key] / 200 == pytest.approx(weight / 10, abs=0.01), met

    run(main())


@pytest.mark.parametrize(
    ("given", "message", "param"),
    [
        ({"customer_credentials": pool((0, "canary"))}, "Weight has to be greater than 0", "customer_credentials"),
        ({"customer_credentials": pool((-1, "canary"))}, "Weight has to be greater than 0", "customer_credentials"),
        ({"customer_credentials": listed((0, "canary"))}, "Weight has to be greater than 0", "customer_credentials"),
        ({"customer_credentials": listed((1, "canary"), (0, "canary"))}, "Weight has to be", "customer_credentials"),
        (
            {"customer_credentials": pool((1, "canary")) + pool((0, "canary"), available_models=["other"])},
            "Weight has to be greater than 0",
            "customer_credentials",
        ),
        ({"customer_credentials": pool((True, "canary"))}, "Weight has to be greater", "customer_credentials"),
        (
            {"customer_credentials": pool((1, "canary"), available_models=["mistral-small-latest"])},
            "lists no credentials for this model",
            "customer_credentials",
        ),
        (
            {"customer_credentials": pool((1, "canary"), exclude_models=["mistral/mistral-large-latest"])},
            "lists no credentials for this model",
            "customer_credentials",
        ),
        ({"customer_credentials": [{"weight": 1}]}, "must list objects with credentials", "customer_credentials"),
        ({"customer_credentials": {"mistral": [1]}}, "must list objects with weight", "customer_credentials"),
        ({"credential_override": [{"credentials": {}}]}, "must be an object of models", "credential_override"),
        ({"credential_override": {"mistral": "canary"}}, "must be an object of credential", "credential_override"),
        ({"customer_api_keys": ["canary"]}, "must be an object of models and their keys", "customer_api_keys"),
        ({"customer_api_keys": {"mistral": {"api_key": "canary"}}}, "api_key is missing", "customer_api_keys"),
        ({"customer_api_keys": {"mistral": ""}}, "api_key is missing", "customer_api_keys"),
        ({"customer_api_keys": {"mistral": "canary\r\nx: y"}}, "has characters that no key", "customer_api_keys"),
    ],
)
def test_what_cannot_be_used_is_refused_and_calls_nobody(
    run: Runner, world: Worlds, given: dict[str, Any], message: str, param: str
) -> None:
    async def main() -> None:
        async with world() as here:
            here.store(*STORED)
            got = await here.ask(SCENES[2], given)
            error = json.loads(got.body)["error"]
            assert (got.status, here.internet.arrivals) == (400, [])
            assert message in error["message"]
            assert error["param"].startswith(param)
            assert "canary" not in here.kept()

    run(main())


@pytest.mark.parametrize(
    ("limits", "arrives"),
    [
        (({"available_models": ["mistral-large-latest"]}, {"available_models": ["mistral-small-latest"]}), {"a"}),
        (({"available_models": ["mistral/mistral-large-latest"]}, {"exclude_models": ["mistral-large-latest"]}), {"a"}),
        (({"exclude_models": ["mistral-small-latest"]}, {"available_models": []}), {"a", "b"}),
    ],
)
def test_an_entry_serves_the_models_it_is_for(
    run: Runner, world: Worlds, limits: Sequence[dict[str, Any]], arrives: set[str]
) -> None:
    entries = [*pool((1, "canary-a"), **limits[0]), *pool((1, "canary-b"), **limits[1])]

    async def main() -> None:
        async with world() as here:
            here.store(*STORED)
            met = set()
            for point in (0.1, 0.9):
                here.node.worker._state.draw = lambda point=point: point
                assert (await here.ask(SCENES[2], {"customer_credentials": entries})).status == 200
                met.add(here.arrived(SCENES[2]))
            assert met == {f"canary-{key}" for key in arrives}

    run(main())


# Where it goes


def test_a_callers_credential_goes_to_the_address_that_came_with_it(run: Runner, world: Worlds) -> None:
    scene = SCENES[1]

    async def main() -> None:
        async with world() as here:
            here.store(*STORED)
            got = await here.ask(scene, brought(scene, "customer"))
            assert (got.status, here.arrived(scene)) == (200, key_of("customer"))
            # Other names of an address are no fields of this provider, and lead nowhere.
            for name in ("base_url", "api_base", "endpoint", "url"):
                fields = {"api_key": key_of("customer"), name: "https://evil.example"}
                await here.ask(SCENES[2], {"customer_credentials": {"mistral": fields}})
                assert here.arrived(SCENES[2]) == key_of("customer")
            assert set(here.internet.asked) == {f"{AZURE}:443", "api.mistral.ai:443"}

    run(main())


@pytest.mark.parametrize(
    "address",
    [
        f"http://{AZURE}",
        "https://127.0.0.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0177.0.0.1",
        "https://127.1",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:7f00:1]",
        "https://[64:ff9b::a00:1]",
        "https://10.0.0.1",
        "https://192.168.1.1",
        "https://169.254.169.254",
        "https://2852039166",
        "https://0xa9fea9fe",
        "https://0251.0376.0251.0376",
        "https://[fd00:ec2::254]",
        "https://[fe80::1]",
        "https://100.100.100.200",
        "https://0.0.0.0",
        f"https://user@{AZURE}",
        f"https://{AZURE}#x",
        f"https://{AZURE}?x",
        "https://localhost",
    ],
)
@pytest.mark.parametrize("proxied", [True, False])
def test_a_callers_credential_goes_to_no_private_address_however_it_is_spelled(
    run: Runner, tmp_path: Path, authority: Authority, address: str, proxied: bool
) -> None:
    """Also where a proxy would do the connecting: it may stand where the gateway must not reach."""

    async def main() -> None:
        internet = Internet(authority)
        async with (
            internet.running(),
            running_node(
                tmp_path,
                "http://127.0.0.1:9",
                ca_bundle=authority.bundle,
                https_proxy=internet.proxy if proxied else None,
            ) as node,
        ):
            here = World(node, internet)
            fields = {"api_key": "canary", "api_base": address}
            got = await here.ask(SCENES[1], {"customer_credentials": {"azure": fields}})
            assert got.status in (400, 502), got.body
            assert internet.asked == []
            assert internet.arrivals == []

    run(main())
