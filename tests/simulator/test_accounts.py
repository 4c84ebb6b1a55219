"""What is kept belongs to the account of the key: another account neither reads nor lists nor changes it."""

from typing import Any

import msgspec
import pytest

from gantry.simulator.exchange import Answer, Request
from gantry.simulator.world import World

FILE = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{"body":{}}\n\r\n--B--\r\n'
LINE = {"custom_id": "1", "body": {"messages": [{"role": "user", "content": "hi"}]}}
MADE = {
    "/v1/files": FILE,
    "/v1/agents": {"model": "mistral-small-latest", "name": "a"},
    "/v1/conversations": {"model": "mistral-small-latest", "inputs": "hi"},
    "/v1/libraries": {"name": "a"},
    "/v1/batch/jobs": {"endpoint": "/v1/chat/completions", "model": "mistral-small-latest", "requests": [LINE]},
    "/v1/fine_tuning/jobs": {"model": "open-mistral-nemo", "hyperparameters": {}},
    "/v1/audio/voices": {"name": "a"},
    "/v2/prompts": {"name": "a", "definition": {"content": "x"}},
    "/v2/skills": {"name": "a", "definition": {"body": "x"}},
}


def asked(world: World, key: str, method: str, path: str, body: Any = b"") -> Answer:
    kind = b"multipart/form-data; boundary=B" if body is FILE else b"application/json"
    headers = ((b"authorization", b"Bearer " + key.encode()), (b"content-type", kind))
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return world.perform(Request(method.encode(), path.encode(), headers, data)).answer


def made(world: World, key: str, path: str) -> str:
    card = msgspec.json.decode(asked(world, key, "POST", path, MADE[path]).body)
    return str(card.get("id") or card["conversation_id"])


def listed(world: World, key: str, path: str) -> list[str]:
    found = msgspec.json.decode(asked(world, key, "GET", path).body)
    cards = found if isinstance(found, list) else found.get("data", found.get("items"))
    return [card["id"] for card in cards]


@pytest.mark.parametrize("path", MADE)
def test_a_resource_is_seen_by_the_keys_of_its_account_alone(path: str) -> None:
    world = World()
    name = made(world, "one--a", path)
    for key, status in (("one--a", 200), ("one--b", 200), ("one", 200), ("two--a", 404), ("one-", 404)):
        assert asked(world, key, "GET", f"{path}/{name}").status == status
        assert (name in listed(world, key, path)) is (status == 200)
    assert asked(world, "two", "DELETE", f"{path}/{name}").status in (404, 405)
    assert asked(world, "one", "GET", f"{path}/{name}").status == 200


@pytest.mark.parametrize("path", MADE)
def test_no_two_accounts_have_an_id_in_common_and_a_fresh_world_has_the_same_again(path: str) -> None:
    world = World()
    first, second = made(world, "one", path), made(world, "two", path)
    assert first != second
    assert made(World(), "one", path) == first


def test_what_names_a_resource_of_another_account_does_not_find_it() -> None:
    world = World()
    file, agent = made(world, "one", "/v1/files"), made(world, "one", "/v1/agents")
    question = [{"role": "user", "content": "hi"}]
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/agents/completions", {"agent_id": agent, "messages": question}),
        ("/v1/conversations", {"agent_id": agent, "inputs": "hi"}),
        ("/v1/ocr", {"model": "mistral-ocr-latest", "document": {"type": "file", "file_id": file}}),
        ("/v1/batch/jobs", {"endpoint": "/v1/ocr", "input_files": [file]}),
        ("/v1/audio/transcriptions", {"model": "voxtral-mini-latest", "file_id": file}),
    ]
    for path, body in bodies:
        statuses = [asked(world, key, "POST", path, body).status for key in ("one", "two")]
        assert statuses == [200, 404], path


def test_a_tuned_model_is_offered_to_its_account() -> None:
    world = World()
    job = made(world, "one", "/v1/fine_tuning/jobs")
    done = msgspec.json.decode(asked(world, "one", "GET", f"/v1/fine_tuning/jobs/{job}").body)
    name = done["fine_tuned_model"]
    assert done["status"] == "SUCCESS"
    assert [name in listed(world, key, "/v1/models") for key in ("one", "two")] == [True, False]
    archived = asked(world, "one", "POST", f"/v1/fine_tuning/models/{name}/archive")
    assert msgspec.json.decode(archived.body)["archived"] is True
    assert asked(world, "one", "DELETE", f"/v1/models/{name}").status == 200
    assert name not in listed(world, "one", "/v1/models")


def test_presets_are_the_same_for_all() -> None:
    world = World()
    assert listed(world, "one", "/v1/audio/voices") == listed(world, "two", "/v1/audio/voices")
