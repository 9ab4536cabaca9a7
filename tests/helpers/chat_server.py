"""A server on loopback that speaks OpenAI's protocol for chats, and fails as it is told."""

import json
import socket
import time
from http.server import BaseHTTPRequestHandler

from tests.helpers.loopback import Loopback


class ChatServer(Loopback):
    """`reply` makes the text that answers a request's body. `faults` are those of the first requests:
    a status, or hang up, cut (in the middle of the answer), no json, nested (too deep), slow."""

    def __init__(self, reply):
        super().__init__(Handler)
        self.reply, self.usage = reply, {"prompt_tokens": 100, "completion_tokens": 10}
        self.faults, self.bodies, self.keys, self.paths = [], [], set(), set()
        self.now, self.most = 0, 0

    def handle_error(self, request, client_address):
        """A client that was killed is no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.keys.add(self.headers.get("Authorization"))
            server.paths.add(self.path)
            fault = server.faults.pop() if server.faults else None
            server.now += 1
            server.most = max(server.most, server.now)
        time.sleep(0.3 if fault == "slow" else 0.005)
        with server.lock:
            server.now -= 1
            if fault in (None, "slow"):
                server.bodies.append(body)
        if fault == "hang up":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        message = {"role": "assistant", "content": server.reply(body)}
        answer = {"choices": [{"message": message}], "usage": server.usage}
        content = json.dumps(answer).encode()
        content = {"no json": b"<html>busy</html>", "nested": b"[" * 100_000}.get(fault, content)
        self.send_response(fault if isinstance(fault, int) else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if fault == "cut" else content)
        self.close_connection = fault == "cut"
