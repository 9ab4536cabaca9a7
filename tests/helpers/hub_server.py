"""A local server with the parts of the hub's protocol that its client uses."""

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import unquote, urlsplit

TOKEN = "hf_a_token_that_must_stay_unseen"
LFS = (".parquet", ".safetensors")  # stored on another host, behind a redirect


@dataclass
class Repository:
    files: dict[str, bytes]
    gated: str = ""  # "": open | "ask": access must be granted | "in": `TOKEN` has access
    commit: str = "c" * 40


@dataclass
class Hub:
    """Repositories by `datasets/id` or `models/id`, faults to inject, and the requests received."""

    repositories: dict[str, Repository]
    endpoint: str = ""
    asked: list[tuple[str, str, dict]] = field(default_factory=list)  # method, path, headers
    sent: Counter = field(default_factory=Counter)  # bytes of each file
    statuses: dict[str, list[int]] = field(default_factory=dict)  # by a part of the path
    cuts: dict[str, list[int]] = field(
        default_factory=dict
    )  # bytes after which each download is cut, in turn
    corrupt: Counter = field(default_factory=Counter)  # how often a file is sent with wrong bytes
    short: Counter = field(
        default_factory=Counter
    )  # how often it is sent shorter, with that length
    ranges: bool = True
    wait: str = "0"  # Retry-After

    def __enter__(self) -> Self:
        handler = type("Handler", (Answer,), {"hub": self})
        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        self.endpoint, self.cdn = (f"http://127.0.0.1:{s.server_port}" for s in self.servers)
        for server in self.servers:
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def gets(self, part: str) -> list[dict]:
        """Headers of each GET of a path that contains `part`."""
        return [h for method, path, h in self.asked if method == "GET" and part in path]


def hashes(name: str, content: bytes) -> dict:
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry = {"type": "file", "path": name, "size": len(content), "oid": git}
    if name.endswith(LFS):
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
    return entry


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.asked.append((self.command, path, headers))
        for part, statuses in self.hub.statuses.items():
            if part in path and statuses:
                return self.refuse(statuses.pop(0), "", {"Retry-After": self.hub.wait})
        if stored := re.fullmatch(r"/cdn/(\w+)/(.+)", path):
            return self.send_file(stored[2], self.find(stored[1]))
        if asked := re.fullmatch(r"/api/(models|datasets)/(.+)/(revision|tree)/(.+)", path):
            return self.send_listing(*asked.groups())
        if asked := re.fullmatch(r"/(datasets/)?(.+)/resolve/([^/]+)/(.+)", path):
            return self.resolve((asked[1] or "models/") + asked[2], asked[3], asked[4])
        return self.refuse(404, "RepoNotFound")

    def find(self, digest: str) -> bytes:
        contents = (c for r in self.hub.repositories.values() for c in r.files.values())
        return next(c for c in contents if hashlib.sha256(c).hexdigest() == digest)

    def repository(self, key: str, revision: str) -> Repository | None:
        """The requested repository, or None after an error has been sent."""
        bearer = self.headers.get("Authorization")
        found = self.hub.repositories.get(key)
        if bearer not in (None, f"Bearer {TOKEN}"):
            self.refuse(401, message="Invalid credentials in Authorization header")
        elif not found:  # without a token, the hub does not reveal what exists
            self.refuse(404 if bearer else 401, "RepoNotFound", message="Repository not found")
        elif revision not in ("main", found.commit):
            self.refuse(404, "RevisionNotFound")
        else:
            return found
        return None

    def send_listing(self, kind: str, name: str, what: str, revision: str) -> None:
        found = self.repository(f"{kind}/{name}", revision)
        if found and what == "revision":
            self.send(200, json.dumps({"id": name, "sha": found.commit, "siblings": []}).encode())
        elif found:
            entries = [hashes(path, content) for path, content in found.files.items()]
            self.send(200, json.dumps(entries).encode())

    def resolve(self, key: str, revision: str, name: str) -> None:
        found = self.repository(key, revision)
        if not found:
            return
        if found.gated and not self.headers.get("Authorization"):
            return self.refuse(401, "GatedRepo")
        if found.gated == "ask":
            return self.refuse(403, "GatedRepo")
        if name not in found.files:
            return self.refuse(404, "EntryNotFound")
        content = found.files[name]
        entry = hashes(name, content)
        headers = {"X-Repo-Commit": found.commit, "ETag": f'"{entry["oid"]}"'}
        if "lfs" not in entry:
            return self.send_file(name, content, headers)
        digest = entry["lfs"]["oid"]
        headers |= {
            "Location": f"{self.hub.cdn}/cdn/{digest}/{name}",
            "X-Linked-ETag": f'"{digest}"',
        }
        return self.send(302, b"", headers | {"X-Linked-Size": str(len(content))})

    def send_file(self, name: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        status, start, size, headers = 200, 0, len(content), headers or {}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.hub.ranges:
            status, start = 206, int(asked[1])
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        if self.command == "GET" and self.hub.corrupt[name] > 0:
            self.hub.corrupt[name] -= 1
            content = bytes(byte ^ 1 for byte in content)
        if self.command == "GET" and self.hub.short[name] > 0:
            self.hub.short[name] -= 1
            content = content[:-1]
        cuts = self.hub.cuts.get(name, [])
        cut = cuts.pop(0) if cuts and self.command == "GET" else None
        self.send(status, content[start:], headers, cut)
        if self.command == "GET":
            self.hub.sent[name] += len(content[start:][:cut])

    def refuse(
        self, status: int, code: str = "", headers: dict | None = None, message: str = ""
    ) -> None:
        said = {"X-Error-Code": code, "X-Error-Message": message or code}
        self.send(status, json.dumps({"error": code}).encode(), said | (headers or {}))

    def send(
        self, status: int, body: bytes, headers: dict | None = None, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut])
            self.close_connection = cut is not None
