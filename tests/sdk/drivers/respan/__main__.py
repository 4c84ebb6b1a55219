"""Calls methods of Respan's own client: one JSON line on stdin for each, one on stdout with what came of it.

A call is `{"client": "sync", "resource": "spans", "method": "list_spans", "arguments": {…}}`; a list in place of a page
object is all that it yields. Asked for `methods`, it says what the resource has. It runs in the client's own
environment, and so imports nothing but the client.
"""

import asyncio
import datetime
import inspect
import json
import os
import sys
from typing import Any

from respan import AsyncRespanClient, RespanClient
from respan.core.pagination import AsyncPager, SyncPager

ADDRESS = {"base_url": os.environ["BASE_URL"], "respan_api_key": os.environ["KEY"]}
if "authorization" in inspect.signature(RespanClient).parameters:
    ADDRESS["authorization"] = ""  # newer ones insist on it, and do not send it where there is a key

SYNC, ASYNC, RUNNER = RespanClient(**ADDRESS), AsyncRespanClient(**ADDRESS), asyncio.Runner()


def answer(call: dict[str, Any]) -> Any:
    resource = getattr(SYNC, call["resource"])
    if call["method"] == "methods":
        own = (name for name, _ in inspect.getmembers(type(resource), inspect.isfunction))
        return [name for name in own if not name.startswith("_")]
    arguments = {name: read(name, value) for name, value in call["arguments"].items()}
    if call["client"] == "async":
        return RUNNER.run(answer_later(getattr(ASYNC, call["resource"]), call["method"], arguments))
    found = getattr(resource, call["method"])(**arguments)
    return list(found) if isinstance(found, SyncPager) else found


async def answer_later(resource: Any, method: str, arguments: dict[str, Any]) -> Any:
    found = await getattr(resource, method)(**arguments)
    return [item async for item in found] if isinstance(found, AsyncPager) else found


def read(name: str, value: Any) -> Any:
    """Return an argument: a time where the client takes one."""
    is_time = name in ("start_time", "end_time", "expiry_date", "date", "period_start", "period_end")
    return datetime.datetime.fromisoformat(value) if is_time and isinstance(value, str) else value


def plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


for line in sys.stdin:
    try:
        came = {"result": answer(json.loads(line))}
    except Exception as error:  # noqa: BLE001 - what the client raises is the result
        came = {"error": type(error).__name__, "message": str(error)[:2000]}
    sys.stdout.write(json.dumps(came, default=plain) + "\n")
    sys.stdout.flush()
