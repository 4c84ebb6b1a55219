"""The results of a batch: JSON lines, each an answer to one request with a usage of its own.

Law: each result is priced by its own model and usage, at the price of a batch; what the log shows is their sum. An id
of a result is the same whenever the file is fetched, so `digest` says whether the same results were counted before.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Raw, Struct
from msgspec.structs import replace

from gantry.core.usage import total_usage
from gantry.dialects.chat_chunk import has_value, read_chunk, read_shape
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.documents import DocumentFold, describe_resource
from gantry.dialects.fold import Answer, BatchResult, Envelope, encode
from gantry.dialects.usage import possible_usage

_ERROR_STATUS: Final = 400
_CUT: Final = "the results were not captured whole: usage and cost are of those that were"


class _Response(Struct, gc=False):
    status_code: int | None = None
    body: Raw = ABSENT


class _Job(Struct, gc=False):
    outputs: list[Raw] | None = None


class _Line(Struct, gc=False):
    id: str | None = None
    custom_id: str | None = None
    response: _Response | None = None
    error: Raw = ABSENT


def read_batch_results(body: bytes) -> Answer | None:
    """Return the results in the content of a file; None when it holds none."""
    first = read_shape(_Line, body.partition(b"\n")[0])
    if first is None or not _is_result(first):
        return None
    lines = [read_shape(_Line, line) for line in body.split(b"\n") if line.strip()]
    return _answer_of([line for line in lines if line is not None and _is_result(line)], cut=None in lines)


class JobFold(DocumentFold):
    """A job, and the results in it: a job that was posted with its requests can bring them in its `outputs`."""

    __slots__ = ()

    def __init__(self, streamed: bool) -> None:
        super().__init__(describe_resource)

    def answer(self, ended: bool, warnings: Iterable[str] = ()) -> Answer:
        job = super().answer(ended, warnings)
        shape = read_shape(_Job, self.whole())
        found = [read_shape(_Line, raw) for raw in (shape.outputs if shape is not None else None) or ()]
        lines = [line for line in found if line is not None and _is_result(line)]
        if not lines:
            return job
        of_lines = _answer_of(lines, cut=False)
        return replace(
            job,
            model=of_lines.model,
            response_id=of_lines.response_id,
            usage=of_lines.usage,
            results=of_lines.results,
        )


def _answer_of(lines: list[_Line], *, cut: bool) -> Answer:
    results = []
    failed = 0
    for line in lines:
        response = line.response
        if response is None or has_value(line.error) or (response.status_code or 200) >= _ERROR_STATUS:
            failed += 1
            continue
        results.append(_result_of(line, response))
    models = Counter(result.model for result in results if result.model is not None)
    shown = {"results": len(lines), "failed": failed, "models": dict(models)}
    return Answer(
        model=models.most_common(1)[0][0] if models else None,
        response_id=digest(results),
        usage=possible_usage(total_usage(result.usage for result in results)),
        message=encode(shown).decode(),
        complete=not cut,
        warnings=(_CUT,) if cut else (),
        results=tuple(results),
    )


def digest(results: Iterable[BatchResult]) -> str:
    """Return a name of these results that does not depend on how or in which order they were fetched."""
    names = "\n".join(sorted(result.id for result in results))
    return "batch-results:" + hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _is_result(line: _Line) -> bool:
    return line.response is not None or (has_value(line.error) and line.custom_id is not None)


def _result_of(line: _Line, response: _Response) -> BatchResult:
    envelope = Envelope()
    chunk = read_chunk(bytes(response.body)) if has_value(response.body) else None
    if chunk is not None:
        envelope.take(chunk)
    answer = envelope.conclude(complete=True)
    name = line.id or answer.response_id or line.custom_id or ""
    return BatchResult(name, answer.model, answer.service_tier, answer.usage)
