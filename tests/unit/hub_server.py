"""A server on 127.0.0.1 that speaks as much of the Hugging Face hub's protocol as a download needs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer(ThreadingHTTPServer):
    """Has one data set, whose files are those of a folder; broken ones are listed and never sent."""

    def __init__(self, repo: str, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repo = repo
        self.folder = folder
        self.sent: list[str] = []
        self.broken: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def names(self) -> list[str]:
        return sorted(
            file.relative_to(self.folder).as_posix() for file in self.folder.rglob("*") if file.is_file()
        )


class _Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_args: object) -> None:
        """Keep the tests' output clean."""

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        api, files = f"/api/datasets/{self.server.repo}", f"/datasets/{self.server.repo}/resolve/{COMMIT}/"
        if path in (f"{api}/revision/main", f"{api}/revision/{COMMIT}", api):
            siblings = [{"rfilename": name} for name in self.server.names]
            info = {"id": self.server.repo, "sha": COMMIT, "siblings": siblings, "private": False}
            self._send(json.dumps(info).encode(), body=body)
        elif path == f"{api}/tree/{COMMIT}":
            self._send(json.dumps([self._entry(name) for name in self.server.names]).encode(), body=body)
        elif path.startswith(files) and path.removeprefix(files) in self.server.names:
            name = path.removeprefix(files)
            if name in self.server.broken:
                self._send(b"Forbidden", body=body, status=403)
                return
            if body:
                self.server.sent.append(name)
            self._send((self.server.folder / name).read_bytes(), body=body)
        else:
            self._send(b"Repository Not Found", body=body, status=404)

    def _entry(self, name: str) -> dict[str, object]:
        data = (self.server.folder / name).read_bytes()
        return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}

    def _send(self, data: bytes, *, body: bool, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if body:
            self.wfile.write(data)


@contextlib.contextmanager
def serving(repo: str, folder: Path) -> Iterator[HubServer]:
    """Serve the files of a folder as a data set of the hub."""
    with HubServer(repo, folder) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()
