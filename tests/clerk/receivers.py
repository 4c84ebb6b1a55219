"""Receivers on loopback: a real HTTP server that does what a test says, and a tiny SMTP server, with TLS."""

import base64
import contextlib
import queue
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

SECONDS = 30.0


class Received(NamedTuple):
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


Answer = Callable[["Received"], int | bytes | None]  # a status, a whole answer, or None: none is given


class WebhookReceiver:
    """`answer` says what becomes of each request. What arrived is in `arrived`, and in order in `all`."""

    def __init__(self, answer: Answer = lambda _: 200) -> None:
        self.answer = answer
        self.arrived: queue.Queue[Received] = queue.Queue()
        self.all: list[Received] = []
        self.release = threading.Event()  # lets go those that get no answer
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = Received(self.path, headers, body)
                answer = receiver.answer(received)
                receiver.all.append(received)
                receiver.arrived.put(received)
                if answer is None:
                    receiver.release.wait(SECONDS)
                    self.close_connection = True
                elif isinstance(answer, bytes):
                    self.wfile.write(answer)
                    self.close_connection = True
                else:
                    self.send_response(answer)
                    self.send_header("content-length", "0")
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """A test's output is its own."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def next(self) -> Received:
        return self.arrived.get(timeout=SECONDS)

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def receiving(answer: Answer = lambda _: 200) -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver(answer)
    try:
        yield receiver
    finally:
        receiver.close()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Letter(NamedTuple):
    sender: str
    recipients: list[str]
    mail: EmailMessage
    login: str | None
    over_tls: bool


class MailReceiver:
    """An SMTP server as far as a client of ours needs it (RFC 5321, 3207, 4954)."""

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        *,
        at_once: bool = False,
        password: str | None = None,
        refused: str | None = None,
    ) -> None:
        """`context`: it offers STARTTLS, or (`at_once`) speaks TLS from the first byte."""
        self.letters: queue.Queue[Letter] = queue.Queue()
        self.commands: list[str] = []
        receiver = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.ExitStack() as opened:
                    receiver._converse(self.request, opened)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that leaves in the middle of TLS is part of the tests."""

        self._context = context
        self._at_once = at_once
        self._password = password
        self._refused = refused
        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _converse(self, connection: socket.socket, opened: contextlib.ExitStack) -> None:
        context, secured = self._context, False
        if context is not None and self._at_once:
            connection, secured = opened.enter_context(context.wrap_socket(connection, server_side=True)), True
        file = opened.enter_context(connection.makefile("rb"))

        def say(*lines: str) -> None:
            connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

        login: str | None = None
        sender, recipients = "", list[str]()
        say("220 mail.test ready")
        while raw := file.readline():
            line = raw.decode().strip()
            self.commands.append(line)
            verb = line.upper()
            if verb.startswith("EHLO"):
                tls = ["250-STARTTLS"] if context is not None and not secured else []
                say("250-mail.test", *tls, "250 AUTH PLAIN")
            elif verb == "STARTTLS" and context is not None:
                say("220 go on")
                connection, secured = opened.enter_context(context.wrap_socket(connection, server_side=True)), True
                file = opened.enter_context(connection.makefile("rb"))
            elif verb.startswith("AUTH PLAIN"):
                login = base64.b64decode(line.split()[2]).decode().replace("\0", " ").strip()
                say("235 welcome" if login.split(" ")[1] == self._password else "535 no")
            elif verb.startswith("MAIL FROM:"):
                sender, recipients = line[10:].split(">")[0].strip(" <"), []
                say("250 ok")
            elif verb.startswith("RCPT TO:"):
                one = line[8:].strip(" <>")
                if one == self._refused:
                    say("550 nobody here")
                else:
                    recipients.append(one)
                    say("250 ok")
            elif verb == "DATA":
                say("354 go on")
                lines = iter(file.readline, b".\r\n")
                text = b"".join(one_line.removeprefix(b".") for one_line in lines)
                mail = message_from_bytes(text, policy=policy.default)
                self.letters.put(Letter(sender, recipients, mail, login, secured))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


@contextlib.contextmanager
def receiving_mail(*arguments: Any, **options: Any) -> Iterator[MailReceiver]:
    receiver = MailReceiver(*arguments, **options)
    try:
        yield receiver
    finally:
        receiver.close()
