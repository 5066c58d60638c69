"""A stand-in of the Hugging Face hub on loopback: what its libraries ask for, and failures where a test wants them."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/(revision|tree|paths-info)/([^/]+)(?:/(.*))?")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
STORED = re.compile(r"/stored/(.+)")

#: Suffixes of the files that the hub stores by their SHA-256, on another host, to which it redirects.
LARGE = (".safetensors", ".parquet", ".bin")

#: A fault: the connection is closed without an answer.
DROP = 0


@dataclass(frozen=True)
class Cut:
    """A fault: the connection is closed after so many bytes of the file."""

    after: int


@dataclass(frozen=True)
class Page:
    """A fault: this comes in place of the file, as where a network asks to sign in."""

    content: bytes


Fault = int | Cut | Page


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    method: str
    path: str
    range: str | None
    token: str | None


class Hub(ThreadingHTTPServer):
    """Serves the folder tree ``{models,datasets}/{owner}/{name}/{commit}/``.

    Attributes:
        root: that folder tree.
        requests: what was asked for so far, in order.
        faults: for a method and the end of a path, what the next requests meet instead of an answer: a status, DROP,
            a Cut or a Page.
        gated: names of the repositories whose files need a token.
        described: changes what a description or listing says, and makes the answer's bytes of it.
    """

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[Request] = []
        self.faults: dict[tuple[str, str], list[Fault]] = {}
        self.gated: set[str] = set()
        self.described: Callable[[Any], bytes] = _as_json
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """What HF_ENDPOINT has to be."""
        return f"http://127.0.0.1:{self.server_port}"

    def ranges(self, name: str) -> list[str | None]:
        """The ranges of a file that were asked for where it is, in order; None is the whole file."""
        found = [asked for asked in self.requests if asked.method == "GET" and asked.path.endswith(f"/{name}")]
        return [asked.range for asked in found if STORED.fullmatch(asked.path) or not name.endswith(LARGE)]

    def next_fault(self, method: str, path: str) -> Fault | None:
        """Take the next fault for a request; one for a large file waits until it is asked for where it is."""
        if FILE.fullmatch(path) and path.endswith(LARGE):
            return None
        for (broken, ending), faults in self.faults.items():
            if method == broken and path.endswith(ending) and faults:
                return faults.pop(0)
        return None


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """A hub that answers as long as the block lasts."""
    hub = Hub(root)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


def _as_json(content: Any) -> bytes:
    return json.dumps(content).encode()


class _RefusedError(Exception):
    """An answer by which the hub refuses: its status, and the word that its libraries look for."""

    def __init__(self, status: int, word: str) -> None:
        self.status, self.word = status, word


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *arguments: object) -> None:
        """Keep the tests' output free of requests."""

    def _answer(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        api, file, stored = API.fullmatch(path), FILE.fullmatch(path), STORED.fullmatch(path)
        asked = Request(self.command, path, self.headers.get("Range"), self.headers.get("Authorization"))
        self.server.requests.append(asked)
        fault = self.server.next_fault(self.command, path)
        try:
            if fault == DROP:
                self.close_connection = True
            elif isinstance(fault, int):
                raise _RefusedError(fault, "")
            elif isinstance(fault, Page):
                self._send(200, fault.content, {"Content-Type": "text/html"})
            elif api:
                said = self._described(*api.groups(), parse_qs(body or url.query))
                self._send(200, self.server.described(said))
            elif file:
                self._send_file(*file.groups(), fault)
            elif stored:
                self._send_content((self.server.root / stored[1]).read_bytes(), {}, fault)
            else:
                raise _RefusedError(404, "")
        except _RefusedError as refusal:
            self._send(refusal.status, b'{"error": "no"}', {"X-Error-Code": refusal.word})

    do_GET = do_HEAD = do_POST = _answer  # noqa: N815 - the names by which http.server calls them

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None, cut: Cut | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            if value:
                self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: cut.after] if cut else content)
        if cut:
            self.close_connection = True

    def _commit(self, kind: str, repository: str, revision: str) -> Path:
        folder = self.server.root / kind / repository
        if not folder.is_dir():
            raise _RefusedError(401, "RepoNotFound")  # what the hub says to one without a token
        if not (folder / revision).is_dir():
            raise _RefusedError(404, "RevisionNotFound")
        return folder / revision

    def _send_file(self, prefix: str | None, repository: str, revision: str, name: str, fault: Cut | None) -> None:
        commit = self._commit("datasets" if prefix else "models", repository, revision)
        if repository in self.server.gated:
            raise _RefusedError(401, "GatedRepo")
        if not (commit / name).is_file():
            raise _RefusedError(404, "EntryNotFound")
        content = (commit / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if name.endswith(LARGE):
            place = f"http://localhost:{self.server.server_port}/stored/{(commit / name).relative_to(self.server.root)}"
            linked = {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(content)), "X-Repo-Commit": revision}
            # An offer of another protocol, which there is none of here.
            xet = {"X-Xet-Hash": digest, "X-Xet-Refresh-Route": f"{self.server.url}/xet"}
            self._send(302, b"", {"Location": place} | linked | xet)
        else:
            self._send_content(content, {"ETag": f'"{digest}"', "X-Repo-Commit": revision}, fault)

    def _send_content(self, content: bytes, headers: dict[str, str], fault: Cut | None) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            self._send(200, content, headers, fault)
            return
        start, stop = int(asked[1]), int(asked[2] or len(content) - 1) + 1
        if start >= len(content):
            raise _RefusedError(416, "")
        headers["Content-Range"] = f"bytes {start}-{min(stop, len(content)) - 1}/{len(content)}"
        self._send(206, content[start:stop], headers, fault)

    def _described(
        self, kind: str, repository: str, what: str, revision: str, below: str | None, asked: dict[str, list[str]]
    ) -> Any:
        commit = self._commit(kind, repository, revision)
        if what == "revision":
            files = [path for path in sorted(commit.rglob("*")) if path.is_file()]
            return {"id": repository, "sha": revision, "siblings": [_sibling(path, commit) for path in files]}
        if what == "paths-info":
            paths = [commit / path for path in asked["paths"]]
            return [_entry(path, commit) for path in paths if path.exists()]
        folder = commit / (below or "")
        if not folder.is_dir():
            raise _RefusedError(404, "EntryNotFound")
        recursive = asked.get("recursive", ["false"])[0].lower() == "true"
        return [_entry(path, commit) for path in sorted(folder.rglob("*") if recursive else folder.iterdir())]


def _large(path: Path) -> bytes | None:
    """The content of a file that the hub stores by its hash."""
    return path.read_bytes() if path.name.endswith(LARGE) else None


def _sibling(path: Path, commit: Path) -> dict[str, Any]:
    """A file as the description of a commit has it."""
    described: dict[str, Any] = {"rfilename": path.relative_to(commit).as_posix(), "size": path.stat().st_size}
    whole = path.read_bytes()
    described["blobId"] = hashlib.sha1(b"blob %d\0" % len(whole) + whole).hexdigest()  # what git hash-object says
    content = _large(path)
    if content is not None:
        digest = hashlib.sha256(content).hexdigest()
        described["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
    return described


def _entry(path: Path, commit: Path) -> dict[str, Any]:
    """A file or folder as a listing has it."""
    described: dict[str, Any] = {"path": path.relative_to(commit).as_posix(), "oid": "0" * 40}
    if path.is_dir():
        return {**described, "type": "directory", "size": 0}
    content = _large(path)
    if content is not None:
        digest = hashlib.sha256(content).hexdigest()
        described["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
    return {**described, "type": "file", "size": path.stat().st_size}
