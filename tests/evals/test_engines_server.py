"""The client of OpenAI-compatible servers against what servers do wrong; against a real one in test_engines_vllm."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from evals.engines import EngineError, Request, Sampling
from evals.engines.server import ServerEngine, facts, served

Answer = tuple[int, bytes, dict[str, str]]
REQUESTS = [Request([n], seed=100 + n) for n in range(12)]


def completion(prompt: list[int]) -> Answer:
    choice = {"text": f"answer {prompt[0]}", "finish_reason": "stop"}
    return 200, json.dumps({"choices": [choice], "usage": {"completion_tokens": 3}}).encode(), {}


class Faulty(ThreadingHTTPServer):
    """A server whose `answers(prompt, try)` says how it reacts; None drops the connection."""

    daemon_threads = True

    def __init__(self, answers: Callable[[list[int], int], Answer | None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.bodies: list[dict[str, Any]] = []
        self.busy = self.most_busy = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Faulty

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            tries = sum(each["prompt"] == body["prompt"] for each in self.server.bodies)
            self.server.bodies.append(body)
            self.server.busy += 1
            self.server.most_busy = max(self.server.most_busy, self.server.busy)
        answer = self.server.answers(body["prompt"], tries)
        with self.server.lock:
            self.server.busy -= 1
        self.reply(answer)

    def do_GET(self) -> None:
        known = {"/v1/models": {"data": [{"id": "one"}, {"id": "two"}]}, "/version": {"version": "9.9"}}
        found = known.get(self.path)
        self.reply((200, json.dumps(found).encode(), {}) if found else (404, b"{}", {}))

    def reply(self, answer: Answer | None) -> None:
        if answer is None:
            self.close_connection = True
            return
        status, body, headers = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def start() -> Iterator[Callable[[Callable[[list[int], int], Answer | None]], Faulty]]:
    started: list[Faulty] = []

    def make(answers: Callable[[list[int], int], Answer | None]) -> Faulty:
        server = Faulty(answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return server

    yield make
    for server in started:
        server.shutdown()
        server.server_close()


def texts(engine: ServerEngine, sampling: Sampling = Sampling(8)) -> list[str]:  # noqa: B008
    found = {c.index: c.text for batch in engine.generate(REQUESTS, sampling) for c in batch}
    return [found[index] for index in range(len(REQUESTS))]


FAULTS: dict[str, Answer | None] = {
    "internal error": (500, b'{"error": {"message": "worker died"}}', {}),
    "bad gateway that is no JSON": (502, b"<html>bad gateway</html>", {}),
    "too many requests": (429, b"{}", {"Retry-After": "0.25"}),
    "dropped connection": None,
    "cut off in the middle": (200, b'{"choices": [{"te', {"Content-Length": "400", "Connection": "close"}),
    "no JSON": (200, b"hello", {}),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_what_may_pass_is_tried_again(start: Any, fault: str) -> None:
    server = start(lambda prompt, tries: FAULTS[fault] if tries < 2 and prompt[0] % 3 == 0 else completion(prompt))
    waits: list[float] = []
    assert texts(ServerEngine(server.url, "m", sleep=waits.append)) == [f"answer {n}" for n in range(12)]
    assert len(server.bodies) == 12 + 2 * 4
    assert len(waits) == 2 * 4
    if fault == "too many requests":
        assert set(waits) == {0.25}
    else:
        assert min(waits) < 0.75 <= max(waits)  # backs off


def test_a_silent_server_times_out_and_is_asked_again(start: Any) -> None:
    def answers(prompt: list[int], tries: int) -> Answer:
        time.sleep(1.0 if prompt == [4] and tries == 0 else 0)
        return completion(prompt)

    server = start(answers)
    assert len(texts(ServerEngine(server.url, "m", timeout=0.3, sleep=lambda _: None))) == 12
    assert len(server.bodies) == 13


def test_gives_up_after_the_attempts_and_says_what_to_do(start: Any) -> None:
    server = start(lambda prompt, tries: (503, b'{"error": {"message": "over\\nloaded"}}', {}))
    engine = ServerEngine(server.url, "m", concurrency=1, attempts=3, sleep=lambda _: None)
    with pytest.raises(EngineError, match=r"gave up after 3 tries, the last: 503 over loaded; .* run the same command"):
        texts(engine)
    assert len(server.bodies) == 3


def test_nobody_there_is_one_line() -> None:
    with pytest.raises(EngineError, match=r"gave up after 2 tries, the last: .*refused"):
        texts(ServerEngine("http://127.0.0.1:9", "m", attempts=2, sleep=lambda _: None))


def test_a_bad_request_is_not_repeated(start: Any) -> None:
    server = start(lambda prompt, tries: (400, b'{"error": {"message": "prompt too long"}}', {}))
    with pytest.raises(EngineError, match="400 prompt too long"):
        texts(ServerEngine(server.url, "m", concurrency=1))
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"choices": [{"text": "x", "finish_reason": "stop"}]}, "without 'usage'"),
        ({"choices": [], "usage": {"completion_tokens": 1}}, "without list index"),
        ([], "is it OpenAI-compatible"),
        ({"choices": [{"text": "x", "finish_reason": "abort"}], "usage": {"completion_tokens": 1}}, "'abort'"),
    ],
    ids=["no usage", "no choice", "not an object", "aborted"],
)
def test_another_shape_of_answer_is_told(start: Any, body: Any, says: str) -> None:
    server = start(lambda prompt, tries: (200, json.dumps(body).encode(), {}))
    with pytest.raises(EngineError, match=says):
        texts(ServerEngine(server.url, "m"))


def test_so_many_requests_at_once_and_no_more(start: Any) -> None:
    def answers(prompt: list[int], tries: int) -> Answer:
        time.sleep(0.05)
        return completion(prompt)

    server = start(answers)
    texts(ServerEngine(server.url, "m", concurrency=3))
    assert server.most_busy == 3


def test_the_request_carries_all_of_the_sampling(start: Any) -> None:
    server = start(lambda prompt, tries: completion(prompt))
    texts(ServerEngine(server.url, "m"), Sampling(8, 0.7, top_p=0.9, stop=("Q:",)))
    (body,) = [each for each in server.bodies if each["prompt"] == [5]]
    assert body == {
        **{"model": "m", "prompt": [5], "max_tokens": 8, "temperature": 0.7, "top_p": 0.9, "seed": 105},
        "stop": ["Q:"],
    }


def test_closing_early_asks_no_more(start: Any) -> None:
    def answers(prompt: list[int], tries: int) -> Answer:
        time.sleep(0.05)
        return completion(prompt)

    server = start(answers)
    generated = ServerEngine(server.url, "m", concurrency=2).generate(REQUESTS, Sampling(8))
    next(generated)
    generated.close()
    time.sleep(0.3)
    assert len(server.bodies) <= 4


def test_the_model_is_found_by_name(start: Any) -> None:
    server = start(lambda prompt, tries: completion(prompt))
    assert served(server.url, "two") == "two"
    assert facts(server.url, "two")["version"] == "9.9"
    with pytest.raises(EngineError, match="serves one, two, not three"):
        served(server.url, "three")
