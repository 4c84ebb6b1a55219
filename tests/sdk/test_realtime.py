"""The realtime clients of Mistral's SDKs: WebSockets straight to the simulator, and through `gantry serve`."""

import json
from pathlib import Path

import pytest

from tests.sdk.conftest import Gateway
from tests.sdk.environments import Client, NoClient, interpreter
from tests.sdk.roads import HERE, Results, quiet_environment, run
from tests.sdk.test_product_page import listed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

DRIVER: Path = HERE / "drivers" / "realtime_python.py"
SPEAKING = Client.MISTRAL_3
CLIENTS = (Client.MISTRAL_1, Client.MISTRAL_2, SPEAKING)


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    chosen: Client = request.param
    return chosen


@pytest.fixture(scope="module")
def direct(client: Client, simulator: str) -> Results:
    return drive(client, BASE_URL=simulator, KEY="k", BAD_KEY="bad-key")


@pytest.fixture(scope="module")
def through(client: Client, gateway: Gateway) -> Results:
    prefixed = {"MODEL_PREFIX": "mistral/"} if client is Client.MISTRAL_2 else {}
    return drive(client, BASE_URL=f"{gateway.url}/api", KEY=gateway.key, BAD_KEY="bad-key", **prefixed)


def drive(client: Client, **environment: str) -> Results:
    try:
        program = str(interpreter(client))
    except NoClient as error:
        pytest.skip(str(error))
    output = run((program, str(DRIVER)), quiet_environment(**environment))
    return {item.pop("scenario"): item for item in map(json.loads, output.splitlines())}


def test_a_stream_of_sound_is_transcribed(direct: Results, through: Results) -> None:
    result = through["transcribe"]["result"]
    assert result["same"]
    assert result["seconds"] == 3
    assert {"session.created", "transcription.done", "transcription.text.delta"} <= set(result["types"])
    assert result == direct["transcribe"]["result"]


def test_a_connection_may_end_before_the_end(direct: Results, through: Results) -> None:
    assert through["talk"] == direct["talk"] == {"result": {"closed": True, "request_id": True}}


def test_text_is_spoken_as_it_comes(client: Client, direct: Results, through: Results) -> None:
    if client is not SPEAKING:
        pytest.skip("this client has no realtime speech")
    assert through["speak"]["result"]["usage"]
    assert through["speak"] == direct["speak"]


@pytest.mark.parametrize("scenario", ["bad_key", "bad_model"])
def test_refusals_are_errors_of_the_client(scenario: str, direct: Results, through: Results) -> None:
    assert through[scenario]["error"] == direct[scenario]["error"]


def test_a_connection_is_a_log(through: Results, gateway: Gateway) -> None:
    text = through["transcribe"]["result"]["text"]
    logs = listed(gateway, status_code="101", model="voxtral-mini-transcribe-realtime-2602")
    log = next(log for log in logs if text in str(log["output"]))
    assert (log["log_type"], log["status"]) == ("transcription", "success")
    assert log["cost"] > 0
    assert log["time_to_first_token"] > 0
