"""What every scene at the crossroads must come to: for the client, and in the log.

Law: one table for all clients, whatever language they are written in; only the names of what they raise differ.
"""

import re
from collections.abc import Mapping
from typing import Any

from tests.sdk.crossroads import EMBEDDERS, MODELS, PROVIDER_IDS, THINKERS, asked, question
from tests.sdk.logs import Log

Line = Mapping[str, Any]
ARGUMENTS = {"city": "city", "days": 2}
WAGON = {"name": "name", "axles": 1, "loads": ["loads"]}
THOUGHT = "Let me think about"
SUNNY = re.compile("The tool answered: .*22 degrees and sunny")  # some clients put it into an object
SYSTEM = "Speak like a gantry."
PICTURE = "iVBORw0KGgo"  # how every PNG begins in base64
DIMENSIONS = {"mistral": 1024, "openai": 1536, "gemini": 3072}
ENDS = {"stop", "end_turn", "STOP", "completed"}
ASKED = ("text", "stream", "system", "image", "tools", "tools_stream", "structured")
TOLD = ("text", "stream", "system", "image", "thought")
DEEP = ("tools_both", "parsed", "thought", "thought_tools")  # what only clients of a provider itself are asked
SILENT = "openai"  # shows nothing of what it thinks
REFUSED = ("error_404", "error_422", "error_429", "error_500", "stream_429")
CASES = (*ASKED, "left", "error_401", "error_unknown", *REFUSED, "stream_broken")


def faults_of(line: Line, raises: Mapping[str, str]) -> list[str]:
    """Return what is wrong with what a client got. `raises` names the class of an error by its status."""
    case = line["case"]
    if case == "stream_broken" and line.get("result", {}).get("finish") == "error":
        return []  # which is how Mistral's clients can be told
    if case.startswith("error") or case in ("stream_429", "stream_broken"):
        return _faults_of_error(line, raises)
    if "result" not in line:
        return [f"it raised {line['error'][0]}: {line['message']}"]
    result = line["result"]
    if case in TOLD:
        return _faults_of_telling(line, result)
    if case == "tools_both":
        faults = _unlike("names", sorted(result["names"]), ["get_time", "get_weather"])
        return faults if SUNNY.match(result["after"] or "") else [*faults, f"in the end it said {result['after']!r}"]
    if case in ("tools", "tools_stream", "thought_tools"):
        faults = _unlike("name", result["name"], "get_weather") + _unlike("arguments", result["arguments"], ARGUMENTS)
        return faults if SUNNY.match(result["after"] or "") else [*faults, f"in the end it said {result['after']!r}"]
    if case in ("structured", "parsed"):
        return _unlike("wagon", result, WAGON)
    if case == "embeddings":
        return _unlike("numbers", result["numbers"], DIMENSIONS[line["provider"]])
    if case == "counted":
        return [] if 5 < result["tokens"][0] < 100 else [f"it counted {result['tokens']}"]
    return [] if "You said".startswith(result["first"][:8]) else [f"it began with {result['first']!r}"]


def _faults_of_telling(line: Line, result: Mapping[str, Any]) -> list[str]:
    opening = "You said: " + question(line["surface"], line["case"], line["provider"])
    faults = []
    if not (result["text"] or "").startswith(opening):
        faults.append(f"the text is {result['text']!r}")
    if "finish" in result and result["finish"] not in ENDS:
        faults.append(f"it finished with {result['finish']!r}")
    if "tokens" in result and not (result["tokens"] and all(result["tokens"])):
        faults.append(f"the tokens are {result['tokens']}")
    if line["case"] == "thought" and not (result["thought"] or "").startswith(THOUGHT) and line["provider"] != SILENT:
        faults.append(f"the thought is {result['thought']!r}")
    if line["case"] == "stream" and result["pieces"] < 3:
        faults.append(f"a stream of {result['pieces']} pieces")
    return faults


def _faults_of_error(line: Line, raises: Mapping[str, str]) -> list[str]:
    if "error" not in line:
        return [f"no error, but {line['result']}"]
    if line["case"] == "stream_broken":
        return []  # that it is not taken for whole is what matters
    wanted = {404, 400} if line["case"] == "error_unknown" else {int(line["case"][-3:])}
    faults = [] if line["status"] in wanted else [f"the status is {line['status']}"]
    kind = raises.get(str(line["status"]))
    return faults if kind is None or kind in line["error"] else [*faults, f"it raised {line['error']}"]


def _unlike(what: str, found: Any, wanted: Any) -> list[str]:
    return [] if found == wanted else [f"{what} is {found!r}, not {wanted!r}"]


def faults_of_log(logs: list[Log], surface: str, case: str, provider: str, tier: str | None) -> list[str]:
    """Return what is wrong with the rows that a scene left."""
    found = asked(logs, question(surface, case, provider))
    if case == "error_401":
        return [f"a stranger left {len(found)} rows"] if found else []
    expected = 2 if "tools" in case else 1
    if len(found) != expected:
        return [f"{len(found)} rows, not {expected}"]
    return [fault for log in found for fault in _faults_of_row(log, case, provider, tier)]


def faults_of_tokens(logs: list[Log], line: Line) -> list[str]:
    """Return where the log counts other tokens than the client was told."""
    told = line.get("result", {}).get("tokens")
    if line["case"] not in TOLD or not told:
        return []
    words = question(line["surface"], line["case"], line["provider"])
    counted = [[log["prompt_tokens"], log["completion_tokens"]] for log in asked(logs, words)]
    return _unlike("what the log counts", counted, [told])


def _faults_of_row(log: Log, case: str, provider: str, tier: str | None) -> list[str]:
    if case == "counted":  # by the provider, or by the gateway itself
        return _unlike("operation", log["operation"], "count_tokens") + _unlike("outcome", log["outcome"], "success")
    outcome = {"left": "client_gone", "stream_broken": "upstream_broke"}.get(case, "success")
    if case in REFUSED or case == "error_unknown":
        outcome = log["outcome"] if log["outcome"] in ("upstream_error", "refused") else "upstream_error"
    faults = _unlike("outcome", log["outcome"], outcome)
    if case != "error_unknown":
        faults += _unlike("provider", log["provider_id"], PROVIDER_IDS[provider])
        if tier is not None:
            faults += _unlike("tier", log["tier"], tier)
    if case in (*ASKED, *DEEP):
        model = THINKERS[provider] if case.startswith("thought") else MODELS[provider]
        faults += _unlike("model", log["model"], model.partition("/")[2])
        faults += [f"{name} is {log[name]}" for name in ("prompt_tokens", "completion_tokens", "cost") if not log[name]]
        faults += [f"warnings: {log['warnings']}"] if log["warnings"] else []
    if case == "embeddings":
        faults += _unlike("model", log["model"], EMBEDDERS[provider].partition("/")[2])
        faults += [f"{name} is {log[name]}" for name in ("prompt_tokens", "cost") if not log[name]]
    if case == "system" and SYSTEM not in str(log["full_request"]):
        faults.append(f"the system prompt is not in {log['full_request']}")
    if case == "image" and PICTURE not in str(log["full_request"]):
        faults.append(f"the picture is not in {log['full_request']}")
    if case in ("stream", "left", "stream_broken") and not log["stream"]:
        faults.append("the row does not say that it was streamed")
    return faults
