"""A small HTTP(S) server that answers as a test says, and remembers what it was asked."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OK = b'{"schema": "\\"string\\""}'


@dataclass(frozen=True)
class Answer:
    """One answer; `body` in pieces of one byte every `byte_s` seconds where that is given."""

    status: int = 200
    body: bytes = OK
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    byte_s: float = 0


def missing(error_code: int) -> Answer:
    return Answer(404, json.dumps({"error_code": error_code, "message": "not found"}).encode())


@dataclass
class Scripted:
    """`answers` are given in turn, the last one for ever; a callable is asked with the request's path."""

    url: str
    answers: list[Answer | Callable[[str], Answer]]
    paths: list[str] = field(default_factory=list)
    logins: list[str | None] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def next_answer(self, path: str, login: str | None) -> Answer:
        chosen = self.answers[min(len(self.paths), len(self.answers) - 1)]
        self.paths.append(path)
        self.logins.append(login)
        return chosen if isinstance(chosen, Answer) else chosen(path)


@contextmanager
def scripted(
    *answers: Answer | Callable[[str], Answer], tls: ssl.SSLContext | None = None
) -> Iterator[Scripted]:
    """The server, on a free port of 127.0.0.1, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = registry.next_answer(self.path, self.headers.get("Authorization"))
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if not answer.byte_s:
                self.wfile.write(answer.body)
                return
            for byte in answer.body:
                if registry.stopping.wait(answer.byte_s):
                    return
                self.wfile.write(bytes([byte]))

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: Any) -> None:  # clients hang up on purpose
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if tls is None else "https"
    registry = Scripted(f"{scheme}://127.0.0.1:{server.server_port}", list(answers) or [Answer()])
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    try:
        yield registry
    finally:
        registry.stopping.set()
        server.shutdown()
        server.server_close()
