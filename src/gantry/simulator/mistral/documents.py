"""OCR: a page or more of markdown about the document that was named."""

from typing import Any

from msgspec import json

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.instance import instance
from gantry.simulator.mistral.bodies import decode
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import error
from gantry.simulator.mistral.requests import Closed
from gantry.simulator.routes import Call, Refusal

_PAGES = 2


class OcrRequest(Closed, frozen=True):
    model: str | None
    document: dict[str, Any]
    id: str | None = None
    pages: list[int] | str | None = None
    include_image_base64: bool | None = None
    image_limit: int | None = None
    image_min_size: int | None = None
    bbox_annotation_format: dict[str, Any] | None = None
    document_annotation_format: dict[str, Any] | None = None
    document_annotation_prompt: str | None = None
    table_format: str | None = None
    extract_header: bool | None = None
    extract_footer: bool | None = None
    include_blocks: bool | None = None
    confidence_scores_granularity: str | None = None
    metadata: Any = None


_DECODER = json.Decoder(OcrRequest)


def read_document(call: Call) -> Answer:
    request = decode(_DECODER, call.request.body)
    model = lookup(request.model or "mistral-ocr-latest")
    if not model.ocr:
        raise Refusal(error(400, f"Model {request.model} does not support OCR", "invalid_model", "1500"))
    source = _source(request.document)
    pages = [_page(index, source) for index in _chosen(request.pages)]
    annotation = None
    if request.document_annotation_format:
        schema = (request.document_annotation_format.get("json_schema") or {}).get("schema")
        annotation = json.encode(instance(schema)).decode()
    usage: dict[str, Any] = {"pages_processed": len(pages), "doc_size_bytes": len(source)}
    if annotation is not None:
        usage["pages_processed_annotation"] = len(pages)
    body = {"pages": pages, "model": request.model, "document_annotation": annotation, "usage_info": usage}
    return json_answer(body)


def _chosen(pages: list[int] | str | None) -> list[int]:
    if pages is None:
        return list(range(_PAGES))
    if isinstance(pages, list):
        return pages
    chosen: list[int] = []
    for part in pages.split(","):
        first, _, last = part.partition("-")
        chosen += range(int(first), int(last or first) + 1)
    return chosen


def _source(document: dict[str, Any]) -> str:
    for key in ("document_url", "image_url", "file_id"):
        value = document.get(key)
        if isinstance(value, dict):
            value = value.get("url")
        if value:
            return str(value)
    return str(document.get("file", ""))


def _page(index: int, source: str) -> dict[str, Any]:
    shown = source if len(source) <= 80 else source[:80] + "…"
    table = "| load | weight |\n| --- | --- |\n| coal | 42 t |"
    return {
        "index": index,
        "markdown": f"# Page {index + 1}\n\nSimulated reading of {shown}\n\n{table}",
        "images": [],
        "dimensions": {"dpi": 200, "height": 2200, "width": 1700},
    }
