"""A real HTTP server on the loopback interface that keeps what is posted to it, and answers as a test says."""

from __future__ import annotations

import json
import ssl
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.peers.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peers.mosquitto import Certificates

DRIP_SECONDS = 0.02
"""How long somebody who answers slowly waits between two bytes."""


@dataclass(frozen=True, slots=True)
class Posted:
    """One request: its target, its headers by lower-case name, its body."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:  # noqa: ANN401 - any JSON
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(slots=True)
class Receiver:
    """The server.

    Attributes:
        port: where it listens.
        answers: what it answers next: a status with headers, or the bytes to send, slowly or at once; then always 204.
        got: what was posted.
        closing: set when it is to end.
    """

    port: int = 0
    answers: deque[tuple[int, dict[str, str]] | bytes | Callable[[], Iterator[bytes]]] = field(default_factory=deque)
    got: list[Posted] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, target: str = "/hook") -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}{target}"

    def slowly(self, *pieces: bytes) -> None:
        """Answer next with the pieces, and then with the last of them again and again."""

        def drip() -> Iterator[bytes]:
            yield from pieces
            while not self.closing.wait(DRIP_SECONDS):
                yield pieces[-1]

        self.answers.append(drip)


@contextmanager
def receiver(port: int = 0, certificates: Certificates | None = None) -> Iterator[Receiver]:
    """Run a server for the length of a ``with`` block; the port is a free one by default."""
    here = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here.got.append(Posted(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            answer = here.answers.popleft() if here.answers else (204, {})
            if isinstance(answer, tuple):
                self.send_response(answer[0])
                for name, value in {"Content-Length": "0", **answer[1]}.items():
                    self.send_header(name, value)
                self.end_headers()
                return
            self.close_connection = True
            try:
                for piece in [answer] if isinstance(answer, bytes) else answer():
                    self.wfile.write(piece)
            except OSError:
                return  # hung up on, as the test expects

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        allow_reuse_address = True
        request_queue_size = 50

        def handle_error(self, *_: object) -> None:
            """Leave it to the test to see what did not arrive."""

    server = Server((LOOPBACK, port), Handler)
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate("server"), certificates.key("server"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    here.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="receiver")
    thread.start()
    try:
        yield here
    finally:
        here.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
