"""ClickHouse's own engine behind as much of its HTTP interface as clients need: chDB, in a process of its own.

    python -m tests.clickhouse.shim FOLDER [PORT]

It says its port in a line, serves loopback, and ends with its standard input. Statements come one at a time.
"""

import json
import re
import sys
import tempfile
import threading
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_OURS = frozenset("query database session_id query_id enable_http_compression compress decompress".split())
_OURS_TOO = frozenset("client_protocol_version wait_end_of_query send_progress_in_http_headers quota_key role".split())
_BEFORE_ROWS = re.compile(rb"\s*INSERT\s[^;]*?FORMAT\s+Native\s", re.IGNORECASE)


class Engine:
    """One session, one statement at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._session = import_module("chdb.session").Session(str(folder))
        self._lock = threading.Lock()

    def run(
        self, database: str, statement: bytes, parameters: dict[str, str], settings: dict[str, str]
    ) -> tuple[bytes, dict[str, str]]:
        """Return the answer's bytes and the summary of what was done. Raises RuntimeError with the engine's words."""
        with self._lock:
            self._session.query(f"USE `{database}`")
            if (insert := _BEFORE_ROWS.match(statement)) is not None:
                into = insert[0].decode().rstrip()[: -len("FORMAT Native")]
                return self._insert(into, statement[insert.end() :], settings)
            plain = statement.decode().rstrip().rstrip(";")
            text = plain + _as_clause(plain, settings)
            found: bytes = self._session.query(text, "TabSeparated", params=parameters or None).bytes() or b""
            return found, {}

    def _insert(self, statement: str, body: bytes, settings: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".native") as given:
            given.write(body)
            given.flush()
            clause = _as_clause("SELECT", settings)
            rows = f"FROM file('{given.name}', 'Native')"
            self._session.query(f"{statement} SELECT * {rows} {clause}", "TabSeparated")
            count = self._session.query(f"SELECT count() {rows}", "TabSeparated").bytes()
        return b"", {"written_rows": count.decode().strip()}


def _as_clause(statement: str, settings: dict[str, str]) -> str:
    word = statement.split(None, 1)[0].upper()
    if not settings or word not in ("SELECT", "INSERT", "WITH"):
        return ""
    return " SETTINGS " + ", ".join(f"{name} = '{value}'" for name, value in settings.items())


def _inflated(body: bytes, encoding: str) -> bytes:
    if encoding == "lz4":
        with import_module("lz4.frame").open(BytesIO(body)) as frames:  # one of each block
            found: bytes = frames.read()
        return found
    return body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body together
    disable_nagle_algorithm = True
    engine: Engine

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
            return
        self._serve({}, b"")

    def do_POST(self) -> None:
        body = self._body()
        try:
            body = _inflated(body, self.headers.get("Content-Encoding", ""))
        except RuntimeError as error:  # the client could not write its rows, and said why in their place
            self._answer(400, str(error).encode())
            return
        if "multipart/form-data" in self.headers.get("Content-Type", ""):
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            parts: Any = BytesParser(policy=HTTP).parsebytes(head + body)
            form = {
                part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode()
                for part in parts.iter_parts()
            }
            self._serve(form, b"")
            return
        self._serve({}, body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _serve(self, form: dict[str, str], body: bytes) -> None:
        asked = {**dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True)), **form}
        statement = b"\n".join(one for one in (asked.get("query", "").encode(), body) if one)
        parameters = {name.removeprefix("param_"): value for name, value in asked.items() if name.startswith("param_")}
        settings = {
            name: value
            for name, value in asked.items()
            if not name.startswith("param_") and name not in _OURS | _OURS_TOO
        }
        try:
            found, summary = self.engine.run(asked.get("database", "default"), statement, parameters, settings)
            self._answer(200, found, {"X-ClickHouse-Summary": json.dumps(summary)})
        except RuntimeError as error:
            code = str(error).partition("Code: ")[2].partition(".")[0]
            self._answer(500, str(error).encode(), {"X-ClickHouse-Exception-Code": code or "0"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    _Handler.engine = Engine(Path(sys.argv[1]))
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
