"""Generation by any server with OpenAI's `/v1/completions`, as `vllm serve` is: several requests at once, with retries.

Prompts go as token ids, so that the server's tokenizer and chat template have no say. A server may fill in sampling
settings of its own for what a request leaves out; start vLLM's with `--generation-config vllm` so that it does not.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, build_opener
from urllib.request import Request as Call

from evals.engines import Completion, EngineError, Request, Sampling

# Answers after which the same request may succeed.
PASSING = {408, 409, 425, 429, 500, 502, 503, 504}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LONGEST_WAIT = 30.0


class Unanswered(Exception):
    """A request failed in a way that may pass. `wait` is the server's own wish in seconds, if it has one."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True)
class ServerEngine:
    """A client.

    Args:
        base_url: with the version path, as `http://127.0.0.1:8000/v1`.
        model: the name under which the server has the model (`served`).
        concurrency: requests under way at once.
        attempts: tries of one request; between two lie 0.5 s, 1 s, 2 s, ... with jitter, or what `Retry-After` says.
        timeout: seconds without a byte after which a try has failed.
    """

    base_url: str
    model: str
    concurrency: int = 32
    attempts: int = 6
    timeout: float = 600
    sleep: Callable[[float], None] = time.sleep

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Completion]]:
        """Yields completions as they come in; the first request that fails for good ends it with `EngineError`."""
        waiting: SimpleQueue[int] = SimpleQueue()
        ended: SimpleQueue[Completion | Exception] = SimpleQueue()
        for index in range(len(requests)):
            waiting.put(index)
        stop = Event()

        def work() -> None:
            while not stop.is_set():
                try:
                    index = waiting.get_nowait()
                except Empty:
                    return
                try:
                    ended.put(self._complete(index, requests[index], sampling))
                except Exception as error:
                    # Here and not where it is read: until then this thread would ask on.
                    stop.set()
                    ended.put(error)

        # Daemons: after Ctrl-C nobody waits for answers that will not be used.
        for _ in range(min(self.concurrency, len(requests))):
            Thread(target=work, daemon=True).start()
        try:
            for _ in requests:
                result = ended.get()
                if isinstance(result, Exception):
                    raise result
                yield [result]
        finally:
            stop.set()

    def _complete(self, index: int, request: Request, sampling: Sampling) -> Completion:
        body = {
            "model": self.model,
            "prompt": list(request.prompt),
            "max_tokens": request.tokens(sampling),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": request.seed,
            **({"stop": list(sampling.stop)} if sampling.stop else {}),
        }
        answer = self.asked("POST", f"{self.base_url}/completions", body)
        try:
            choice, tokens = answer["choices"][0], answer["usage"]["completion_tokens"]
            text, reason = choice["text"], choice["finish_reason"]
        except (KeyError, IndexError, TypeError) as error:
            raise EngineError(f"{self.base_url}: answers without {error}; is it OpenAI-compatible?") from error
        if reason not in ("stop", "length"):
            raise EngineError(f"{self.base_url}: ended a completion with {reason!r}; expected stop or length")
        return Completion(index, text, int(tokens), reason, request.seed)

    def asked(self, method: str, url: str, body: dict[str, Any] | None) -> Any:
        """The answer to a request, tried again while what fails may pass."""
        for attempt in range(self.attempts):
            try:
                return self._once(method, url, body, self.timeout)
            except Unanswered as error:
                if attempt + 1 == self.attempts:
                    raise EngineError(
                        f"{url}: gave up after {self.attempts} tries, the last: {error}; what is finished is kept, "
                        "run the same command again once the server is well"
                    ) from error
                backoff = 0.5 * 2**attempt * random.uniform(0.5, 1.5)
                self.sleep(min(backoff if error.wait is None else error.wait, LONGEST_WAIT))
        raise AssertionError("attempts is at least 1")

    def _once(self, method: str, url: str, body: dict[str, Any] | None, timeout: float) -> Any:
        call = Call(url, method=method, data=None if body is None else json.dumps(body).encode(), headers=_headers())
        try:
            with _opener(url).open(call, timeout=timeout) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            told = f"{error.code} {_told(error)}"
            if error.code in PASSING:
                raise Unanswered(told, _seconds(error.headers.get("Retry-After"))) from error
            raise EngineError(f"{url}: {told}") from error
        # Refused, reset, timed out or cut off in the middle of the answer.
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unanswered(str(getattr(error, "reason", error)) or type(error).__name__) from error


def served(base_url: str, model: str) -> str:
    """The name of `model` at the server: itself where the server knows it, else that of the only model served.

    Raises:
        EngineError: there is no server, or it serves several models and none by this name.
    """
    answer = ServerEngine(base_url, model, attempts=3, timeout=30).asked("GET", f"{base_url}/models", None)
    names = [str(entry.get("id")) for entry in answer.get("data", [])] if isinstance(answer, dict) else []
    if model in names:
        return model
    if len(names) != 1:
        known = ", ".join(names) or "no model"
        raise EngineError(f"{base_url}: serves {known}, not {model}; give one of these as MODEL")
    return names[0]


def facts(base_url: str, model: str) -> dict[str, str]:
    """What `eval.json` says of this engine. The version is vLLM's; servers that have no `/version` are `unknown`."""
    try:
        found = ServerEngine(base_url, model)._once("GET", base_url.removesuffix("/v1") + "/version", None, timeout=10)
    except (Unanswered, EngineError):
        found = {}
    known = str(found.get("version", "unknown")) if isinstance(found, dict) else "unknown"
    return {"version": known, "served": model, "determinism": "seeded per request, batches as served"}


def _headers() -> dict[str, str]:
    key = os.environ.get("OPENAI_API_KEY")
    return {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}


def _opener(url: str) -> OpenerDirector:
    """A proxy of the environment is not asked for what is on this machine."""
    return build_opener(ProxyHandler({})) if urlsplit(url).hostname in LOOPBACK else build_opener()


def _told(error: HTTPError) -> str:
    """The message of OpenAI's or FastAPI's error body, on one line."""
    try:
        body = json.loads(error.read())
        found = body.get("error", body)
        told = found.get("message", found) if isinstance(found, dict) else found
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        told = error.reason
    return " ".join(str(told).split())[:300]


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
