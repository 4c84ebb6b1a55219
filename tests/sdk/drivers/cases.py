"""Runs the cases of a driver: one JSON line for each on stdout, with what it returned or what the client raised.

It runs in a client's own environment, as `python -m`, and so imports nothing but the standard library.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

Case: TypeAlias = Callable[[], Any]


def run_cases(cases: Iterable[Case], fields: Callable[[Exception], Mapping[str, Any]]) -> None:
    """Run the cases that the arguments name, or all. `fields` are those that the client's errors have."""
    for case in cases:
        if len(sys.argv) == 1 or case.__name__ in sys.argv[1:]:
            sys.stdout.write(json.dumps({"case": case.__name__, **outcome(case, fields)}, default=str) + "\n")
            sys.stdout.flush()


def outcome(case: Case, fields: Callable[[Exception], Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        return {"result": case()}
    except Exception as error:  # noqa: BLE001 - what the client raises is the result
        classes = [kind.__name__ for kind in type(error).__mro__]
        return {"error": classes, "message": str(error)[:1000], **fields(error)}
