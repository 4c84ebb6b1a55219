"""TypeScript's clients at the crossroads: each in its own format at the models of four providers."""

import json
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest

from tests.sdk.crossroads import MODELS, PROVIDERS, Crossroads
from tests.sdk.environments import NODE, Client, NoClient, interpreter, node_folder
from tests.sdk.logs import Log
from tests.sdk.roads import quiet_environment, run
from tests.sdk.scenes import CASES, DIMENSIONS, Line, faults_of, faults_of_log

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

OPENAI_ERRORS = {
    "400": "BadRequestError",
    "401": "AuthenticationError",
    "404": "NotFoundError",
    "422": "UnprocessableEntityError",
    "429": "RateLimitError",
    "500": "InternalServerError",
}


Tiers = dict[str, str | None]


class Traveller(NamedTuple):
    """A client, its driver, which classes it raises by status, and for each surface the tier at each provider.

    `lacks` says what it cannot do, by surface, case and provider ("" for all of them), and must be right about that.
    """

    client: Client
    driver: str
    raises: dict[str, str]
    surfaces: dict[str, Tiers]
    lacks: Mapping[tuple[str, str, str], str] = {}

    def can(self, surface: str, case: str, provider: str) -> bool:
        return (surface, case, "") not in self.lacks and (surface, case, provider) not in self.lacks


def tiers(relayed: str, **others: str | None) -> Tiers:
    """Return the tiers of a format that one provider speaks; a call to the others is translated, unless said."""
    return {**dict.fromkeys(PROVIDERS, "translate"), relayed: "relay", **others}


IN_CHAT = tiers("openai", mistral="adapt")
IN_RESPONSES = tiers("openai", mistral="relay")  # Mistral has Responses of its own
# Only a stream of the AI SDK names the factory it comes from. What is not streamed may as well be OpenAI's.
IN_EITHER: Tiers = {**tiers("mistral"), "mistral": None, "openai": None}
VERCEL_ERRORS = dict.fromkeys(OPENAI_ERRORS, "APICallError")
VERCEL_SURFACES = {
    "vercel_responses": IN_RESPONSES,
    "vercel_chat": IN_CHAT,
    "vercel_messages": tiers("anthropic"),
    "vercel_gemini": tiers("gemini"),
    "vercel_mistral": IN_EITHER,
    "vercel_mistral_v1": {**IN_EITHER, "mistral": "relay"},
}
_REFERS = "refers to items that the provider keeps, and Mistral's Responses keep none"
_FORGETS = "leaves the bounds out of a tool's schema"
_MUMBLES = "knows no error among Mistral's reasons to finish: it says `unknown`"
VERCEL_5_LACKS = {
    **{("vercel_responses", case, "mistral"): _REFERS for case in ("tools", "tools_stream")},
    **{("vercel_gemini", case, ""): _FORGETS for case in ("tools", "tools_stream")},
    **{(surface, "stream_broken", ""): _MUMBLES for surface in ("vercel_mistral", "vercel_mistral_v1")},
}
TRAVELLERS = (
    Traveller(
        Client.ANTHROPIC_TS,
        "anthropic",
        OPENAI_ERRORS,
        {"messages": tiers("anthropic"), "rooted": tiers("anthropic")},
    ),
    Traveller(
        Client.GOOGLE_GENAI_TS, "google-genai", dict.fromkeys(OPENAI_ERRORS, "ApiError"), {"gemini": tiers("gemini")}
    ),
    Traveller(Client.OPENAI_TS, "openai", OPENAI_ERRORS, {"chat": IN_CHAT, "responses": IN_RESPONSES}),
    *(
        Traveller(client, "mistral", {"422": "HTTPValidationError"}, {"chat": tiers("mistral")})
        for client in (Client.MISTRAL_TS_1, Client.MISTRAL_TS_2)
    ),
    Traveller(Client.VERCEL_TS, "vercel", VERCEL_ERRORS, VERCEL_SURFACES),
    Traveller(Client.VERCEL_TS_5, "vercel", VERCEL_ERRORS, VERCEL_SURFACES, VERCEL_5_LACKS),
)


class Journey(NamedTuple):
    """What a client got in each scene, and all that it left in the log."""

    lines: dict[tuple[str, str, str], Line]
    logs: list[Log]


Travel = Callable[[Traveller], Journey]


@pytest.fixture(scope="module")
def travel(crossroads: Crossroads) -> Travel:
    """Send a client to the crossroads, once in a session."""

    @cache
    def journey(client: Client, driver: str) -> Journey:
        try:
            node = interpreter(client)
        except NoClient as error:
            pytest.skip(str(error))
        folder = node_folder(client) / "crossroads"
        shutil.copytree(NODE / "crossroads", folder, dirs_exist_ok=True)
        key = crossroads.new_key(client)
        environment = quiet_environment(URL=crossroads.url, KEY=key, MODELS=json.dumps(MODELS))
        output = run((str(node), str(folder / f"{driver}.mjs")), environment)
        lines = map(json.loads, output.splitlines())
        return Journey(
            {(line["surface"], line["case"], line["provider"]): line for line in lines}, crossroads.logs(key)
        )

    return lambda traveller: journey(traveller.client, traveller.driver)


def scenes() -> list[Any]:
    """Return a parameter set for each client, surface and case; each is tried at every provider."""
    return [
        pytest.param(traveller, surface, case, id=f"{traveller.client}-{surface}-{case}")
        for traveller in TRAVELLERS
        for surface in traveller.surfaces
        for case in CASES
    ]


@pytest.mark.parametrize(("traveller", "surface", "case"), scenes())
def test_a_client_reaches_every_provider_and_leaves_a_row(
    traveller: Traveller, surface: str, case: str, travel: Travel
) -> None:
    journey = travel(traveller)
    faults = {
        provider: faults_of(journey.lines[surface, case, provider], traveller.raises)
        + faults_of_log(journey.logs, surface, case, provider, traveller.surfaces[surface][provider])
        for provider in PROVIDERS
    }
    told = {
        provider: found for provider, found in faults.items() if bool(found) is traveller.can(surface, case, provider)
    }
    assert not told


@pytest.mark.parametrize("provider", PROVIDERS)
def test_embeddings_come_from_those_who_make_them(provider: str, travel: Travel) -> None:
    journey = travel(next(traveller for traveller in TRAVELLERS if traveller.client is Client.OPENAI_TS))
    line = journey.lines["vectors", "embeddings", provider]
    if provider in DIMENSIONS:
        assert faults_of(line, OPENAI_ERRORS) == []
    else:
        assert (line["status"], line["error"][0]) == (400, "BadRequestError")
        assert "cannot be called with embeddings" in line["message"]
