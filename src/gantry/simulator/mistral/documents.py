"""OCR: a page or more of markdown about the document that was named."""

import base64
import re
from typing import Annotated, Any, Literal

from msgspec import Meta, json

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.instance import instance
from gantry.simulator.mistral.bodies import decode
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import capability, unprocessable
from gantry.simulator.mistral.files import Files
from gantry.simulator.mistral.requests import Closed, Count, DocumentChunk, FileChunk, ImageChunk, ResponseFormat
from gantry.simulator.routes import Call, Table
from gantry.simulator.sound import waveform

_PAGES = 2
_LONGEST = 1000
_RANGES = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_HEADER, _FOOTER = "Gantry Works", "Page {}"
_TABLE = {
    "markdown": "| load | weight |\n| --- | --- |\n| coal | 42 t |",
    "html": "<table><tr><th>load</th><th>weight</th></tr><tr><td>coal</td><td>42 t</td></tr></table>",
}


class OcrRequest(Closed, frozen=True, kw_only=True):
    model: str | None
    document: DocumentChunk | ImageChunk | FileChunk
    id: str | None = None
    pages: list[Count] | str | None = None
    include_image_base64: bool | None = None
    image_limit: Count | None = None
    image_min_size: Count | None = None
    bbox_annotation_format: ResponseFormat | None = None
    document_annotation_format: ResponseFormat | None = None
    document_annotation_prompt: Annotated[str, Meta(min_length=1)] | None = None
    table_format: Literal["markdown", "html"] | None = None
    extract_header: bool | None = None
    extract_footer: bool | None = None
    include_blocks: bool | None = None
    confidence_scores_granularity: Literal["word", "page", "block"] | None = None
    metadata: Any = None


_DECODER = json.Decoder(OcrRequest)


class Documents:
    """`files` are those of the account: a document may be one of them."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def table(self) -> Table:
        return (("POST", "/v1/ocr", self._read),)

    def _read(self, call: Call) -> Answer:
        request = decode(_DECODER, call.request.body)
        name = request.model or "mistral-ocr-latest"
        if not lookup(name).ocr:
            raise capability(name, "OCR")
        shown, size = self._source(request)
        pages = [_page(index, shown, request) for index in _chosen(request.pages)]
        usage: dict[str, Any] = {"pages_processed": len(pages), "doc_size_bytes": size}
        if request.document_annotation_format or request.bbox_annotation_format:
            usage["pages_processed_annotation"] = len(pages)
        annotation = _annotation(request.document_annotation_format)
        return json_answer({"pages": pages, "model": name, "document_annotation": annotation, "usage_info": usage})

    def _source(self, request: OcrRequest) -> tuple[str, int]:
        """Return the name and the size of the document."""
        match request.document:
            case FileChunk(file_id=name):
                file = self._files.known(name)
                return file.card["filename"], len(file.data)
            case DocumentChunk(document_url=url):
                return _short(url), len(url)
            case ImageChunk(image_url=link):
                url = link if isinstance(link, str) else link.url
                return _short(url), len(url)


def _short(url: str) -> str:
    return url if len(url) <= 80 else url[:80] + "…"


def _chosen(pages: list[int] | str | None) -> list[int]:
    if pages is None:
        return list(range(_PAGES))
    if isinstance(pages, list):
        return pages
    if not _RANGES.fullmatch(pages):
        raise unprocessable("value_error", ("body", "pages"), "Pages are numbers and ranges, as 0-2,5", pages)
    chosen: list[int] = []
    for part in pages.split(","):
        first, _, last = part.partition("-")
        chosen += range(int(first), min(int(last or first), int(first) + _LONGEST) + 1)
    return chosen


def _annotation(form: ResponseFormat | None) -> str | None:
    if form is None:
        return None
    return json.encode(instance(form.json_schema.schema if form.json_schema else {"type": "object"})).decode()


def _page(index: int, source: str, request: OcrRequest) -> dict[str, Any]:
    title, text = f"Page {index + 1}", f"Simulated reading of {source}"
    table = _TABLE["markdown"] if request.table_format is None else f"[tbl-0.{_extension(request)}](tbl-0)"
    image = "![img-0.jpeg](img-0.jpeg)"
    words = f"# {title}\n\n{text}"
    page: dict[str, Any] = {
        "index": index,
        "markdown": f"{words}\n\n{table}\n\n{image}",
        "images": _images(index, request),
        "dimensions": {"dpi": 200, "height": 2200, "width": 1700},
        "tables": _tables(request),
        "hyperlinks": [],
        "header": _HEADER if request.extract_header else None,
        "footer": _FOOTER.format(index + 1) if request.extract_footer else None,
    }
    if request.include_blocks:
        parts = (("title", title, ""), ("text", text, ""), ("table", table, "tbl-0"), ("image", image, "img-0.jpeg"))
        page["blocks"] = [_block(number, *part, request) for number, part in enumerate(parts)]
    if request.confidence_scores_granularity is not None:
        page["confidence_scores"] = _confidence(words, words=request.confidence_scores_granularity == "word")
    return page


def _extension(request: OcrRequest) -> str:
    return "md" if request.table_format == "markdown" else "html"


def _images(index: int, request: OcrRequest) -> list[dict[str, Any]]:
    if request.image_limit == 0:
        return []
    encoded = base64.b64encode(waveform(f"picture {index}", "jpeg")).decode()
    shown = f"data:image/jpeg;base64,{encoded}" if request.include_image_base64 else None
    image = {"id": "img-0.jpeg", **_place(3), "image_base64": shown}
    return [{**image, "image_annotation": _annotation(request.bbox_annotation_format)}]


def _tables(request: OcrRequest) -> list[dict[str, Any]]:
    if request.table_format is None:
        return []
    table: dict[str, Any] = {"id": f"tbl-0.{_extension(request)}", "content": _TABLE[request.table_format]}
    return [{**table, "format": request.table_format}]


def _place(number: int) -> dict[str, int]:
    top = 200 + 500 * number
    return {"top_left_x": 100, "top_left_y": top, "bottom_right_x": 1600, "bottom_right_y": top + 400}


def _block(number: int, kind: str, content: str, name: str, request: OcrRequest) -> dict[str, Any]:
    block: dict[str, Any] = {"type": kind, **_place(number), "content": content}
    if name:
        block[f"{kind}_id"] = name
    if request.confidence_scores_granularity == "block":
        block["confidence_scores"] = {
            "average_content_confidence_score": 0.98,
            "minimum_content_confidence_score": 0.91,
            "block_type_confidence_score": 0.99,
        }
    return block


def _confidence(text: str, *, words: bool) -> dict[str, Any]:
    scores: dict[str, Any] = {"average_page_confidence_score": 0.98, "minimum_page_confidence_score": 0.91}
    if words:
        found = re.finditer(r"\S+", text)
        scores["word_confidence_scores"] = [
            {"text": word[0], "confidence": 0.98, "start_index": word.start()} for word in found
        ]
    return scores
