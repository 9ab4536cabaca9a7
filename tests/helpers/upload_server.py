"""A server on loopback that takes as much of the hub's protocol as its client needs to upload."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import urlsplit

from tests.helpers.hub_server import LFS, TOKEN


@dataclass
class Target:
    """A repository that is written to."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)  # of the commits


@dataclass
class UploadHub:
    """Repositories by `USER/NAME`, who may write, and what came."""

    user: str = "me"
    repositories: dict[str, Target] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)  # of LFS, by sha256
    statuses: dict[str, int] = field(default_factory=dict)  # to answer with, by a part of the path
    asked: list[tuple[str, str]] = field(default_factory=list)  # method, path

    def __enter__(self) -> Self:
        handler = type("Handler", (Answer,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: UploadHub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.asked.append((self.command, path))
        for part, status in self.hub.statuses.items():
            if part in path:
                return self.send(status, {"error": "as the test wants it"})
        if self.command == "PUT":  # to the storage, whose address is the permission
            return self.store(path.rsplit("/", 1)[1], body)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.send(401, {"error": "Invalid username or password."})
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path == "/api/validate-yaml":
            return self.send(200, {"errors": [], "warnings": []})
        if found := re.fullmatch(r"/(?:api/models/)?([^/]+/[^/]+?)(?:\.git)?(/.*)?", path):
            target = self.hub.repositories.get(found[1])
            if not target:
                return self.send(404, {"error": "Repository not found"}, code="RepoNotFound")
            return self.serve(found[1], target, found[2] or "", body)
        return self.send(404, {"error": "no such page"})

    def create(self, asked: dict) -> None:
        owner = asked.get("organization") or self.hub.user
        name = f"{owner}/{asked['name']}"
        answer = {"url": f"{self.hub.endpoint}/{name}"}
        if owner != self.hub.user:
            return self.send(403, {"error": "You don't have the rights to create a model there"})
        if name in self.hub.repositories:
            return self.send(409, answer | {"error": "You already created this model repo"})
        self.hub.repositories[name] = Target(private=asked.get("visibility") == "private")
        return self.send(200, answer)

    def serve(self, name: str, target: Target, rest: str, body: bytes) -> None:
        if rest in ("", "/revision/main"):
            siblings = [{"rfilename": file} for file in target.files]
            info = {"id": name, "sha": "a" * 40, "private": target.private, "siblings": siblings}
            return self.send(200, info)
        if rest == "/preupload/main":
            files = [one["path"] for one in json.loads(body)["files"]]
            modes = {file: "lfs" if file.endswith(LFS) else "regular" for file in files}
            answer = [{"path": f, "uploadMode": m, "shouldIgnore": False} for f, m in modes.items()]
            return self.send(200, {"files": answer})
        if rest == "/info/lfs/objects/batch":
            upload = f"{self.hub.endpoint}/storage"
            objects = [
                one | {"actions": {"upload": {"href": f"{upload}/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            return self.send(200, {"transfer": "basic", "objects": objects})
        if rest == "/commit/main":
            return self.commit(name, target, [json.loads(line) for line in body.splitlines()])
        return self.send(404, {"error": "no such page"})

    def store(self, oid: str, body: bytes) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            return self.send(400, {"error": "other bytes than announced"})
        self.hub.objects[oid] = body
        return self.send(200, {})

    def commit(self, name: str, target: Target, lines: list[dict]) -> None:
        files = dict(target.files)
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    target.messages.append(value["summary"])
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.objects[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        target.files = files
        commit = "b" * 40
        url = f"{self.hub.endpoint}/{name}/commit/{commit}"
        self.send(200, {"commitUrl": url, "commitOid": commit, "success": True})

    def send(self, status: int, answer: dict, code: str = "") -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
