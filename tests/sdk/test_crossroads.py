"""Every client, at every surface it can reach, with the models of four providers: what it gets, and the log."""

import json
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from tests.sdk.crossroads import EMBEDDERS, MODELS, THINKERS, Crossroads
from tests.sdk.crossroads_table import COUNTS_OTHERWISE, Way, scene_tests
from tests.sdk.environments import NODE, Client, NoClient, interpreter, node_folder
from tests.sdk.logs import Log
from tests.sdk.roads import quiet_environment, run
from tests.sdk.scenes import faults_of, faults_of_log, faults_of_tokens

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

DRIVERS = {client: client.replace("-", "_") for client in Client} | {
    **dict.fromkeys((Client.OPENAI_2, Client.OPENAI_3), "openai"),
    **dict.fromkeys((Client.MISTRAL_1, Client.MISTRAL_2, Client.MISTRAL_3), "mistral"),
    Client.ANTHROPIC_TS: "anthropic",
    Client.GOOGLE_GENAI_TS: "google-genai",
    Client.OPENAI_TS: "openai",
    **dict.fromkeys((Client.MISTRAL_TS_1, Client.MISTRAL_TS_2), "mistral"),
    **dict.fromkeys((Client.VERCEL_TS, Client.VERCEL_TS_5), "vercel"),
}
Scene = tuple[str, str, str]  # surface, case, provider


class Played:
    """What came of all scenes of a client, and the log of it."""

    def __init__(self, lines: list[dict[str, Any]], logs: list[Log]) -> None:
        self.lines: Mapping[Scene, dict[str, Any]] = {
            (line["surface"], line["case"], line["provider"]): line for line in lines
        }
        self.logs = logs


Play = Callable[[Client], Played]


def driver(client: Client) -> tuple[str, ...]:
    """Return the command that plays a client's scenes. Raises NoClient."""
    program = str(interpreter(client))
    if not client.on_node:
        return program, "-m", f"tests.sdk.drivers.crossroads.{DRIVERS[client]}"
    folder = node_folder(client) / "crossroads"
    shutil.copytree(NODE / "crossroads", folder, dirs_exist_ok=True)
    return program, str(folder / f"{DRIVERS[client]}.mjs")


@pytest.fixture(scope="module")
def play(crossroads: Crossroads) -> Play:
    """Play all scenes of a client, once."""

    @cache
    def played(client: Client) -> Played:
        try:
            command = driver(client)
        except NoClient as error:
            pytest.skip(str(error))
        key = crossroads.new_key(client)
        models = {"MODELS": MODELS, "THINKERS": THINKERS, "EMBEDDERS": EMBEDDERS}
        told = {name: json.dumps(value) for name, value in models.items()}
        environment = quiet_environment(URL=crossroads.url, KEY=key, **told)
        output = run(command, environment)
        return Played([json.loads(line) for line in output.splitlines()], crossroads.logs(key))

    return played


@pytest.mark.parametrize(("way", "case", "provider"), list(scene_tests()))
def test_a_client_gets_what_it_asked_for_and_the_log_says_so(way: Way, case: str, provider: str, play: Play) -> None:
    played = play(way.client)
    line = played.lines[way.surface, case, provider]
    assert not faults_of(line, way.raises), line
    assert not faults_of_log(played.logs, way.surface, case, provider, way.tiers[provider])
    if f"{way.client} {way.surface} {case}" not in COUNTS_OTHERWISE:
        assert not faults_of_tokens(played.logs, line)
