"""`transformers serve` answers a judge's requests and counts their tokens."""

import shutil
from types import SimpleNamespace

from stages.params import Server
from tests.helpers.serving import free_port, serve, wait_for
from tests.tools.test_ratings import rated
from tools.judge.asking import ask_all
from tools.judge.prompts import request
from tools.judge.replies import Replies
from tools.ratings.items import read_items

__all__ = ["rated"]  # the fixture
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def test_a_chat_model_behind_transformers_serve(rated, tiny_llama):
    shutil.copytree(tiny_llama, rated / "exported")
    (rated / "exported/chat_template.jinja").write_text(TEMPLATE)
    port = free_port()
    server = serve(SimpleNamespace(root=rated), port)
    try:
        wait_for(port)
        settings = Server(
            url=f"http://127.0.0.1:{port}", model="exported", concurrency=2, patience_minutes=3
        )
        bodies = [request("exported", item, {"max_tokens": 8}) for item in read_items()[:3]]
        replies = Replies(rated / "judge.jsonl")
        # Random weights say nothing that is an answer: each is asked for twice.
        assert ask_all(settings, bodies, replies) == [None] * 3
        assert len(replies.known) == 6
        for reply in replies.known.values():
            assert reply.text and reply.tokens_in > 1000 and 0 < reply.tokens_out <= 8
    finally:
        server.kill()
        server.wait()
