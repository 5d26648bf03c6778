"""A web server of images on 127.0.0.1, with the faults that servers of images have."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from PIL import Image

Manner = Callable[[BaseHTTPRequestHandler], None]


def png(color: str = "red", size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), color).save(file, "PNG")
    return file.getvalue()


def whole(data: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Manner:
    """Answer with data and its true length."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def redirect(to: str, status: int = 302) -> Manner:
    return whole(b"", status, {"Location": to} if to else {})


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Send without an end, and without saying how much."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(4096))


def cut(data: bytes) -> Manner:
    """Promise more than is sent."""
    return whole(data, headers={"Content-Length": str(len(data) + 10)})


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, so that no single wait is long, without saying how many will come."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b".")
        handler.wfile.flush()
        time.sleep(0.02)


def silent(handler: BaseHTTPRequestHandler) -> None:  # noqa: ARG001
    """Take the request and say nothing for long."""
    time.sleep(1.0)


def in_turn(*manners: Manner) -> Manner:
    """Answer each request in another manner, the last ones like the last."""
    left = list(manners)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler)

    return answer


@dataclass
class ImageServer:
    """Serves each path in its own manner.

    Attributes:
        manners: what is done by path; anything else is 404.
        seen: path and headers of each request that came.
    """

    manners: dict[str, Manner] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> ImageServer:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                try:
                    server.manners.get(self.path, whole(b"nothing here", 404))(self)
                except OSError:  # the other side has had enough
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"
