"""A small server that speaks the OpenAI chat-completions protocol, to try the example offline.

It is no language model: it picks, by rules and always alike, the candidate in the last user message
that shares most words with the question. What it shares with the real thing is the protocol over
real HTTP: whole answers and streams, token usage, latency, `429` with `Retry-After`, and errors.

    python local_server.py --port 8123 --latency 0.2 --rate-limited 3 --error-rate 0.05

It has no tools, no images and no temperature, and it listens on the loopback interface only.
"""

import argparse
import contextlib
import hashlib
import json
import math
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast

MODELS = {"rules-small": 6, "rules-large": 40}
"""Model name -> how many words of a candidate's description it takes in."""

COMMON = frozenset(
    re.findall(
        r"\w+",
        """all and any are can does for from has have how into its like most not that the this use
        uses was what which with""",
    )
)


@dataclass(frozen=True)
class Behaviour:
    """How the server treats its clients."""

    latency: float = 0.0
    """Seconds before every answer."""
    rate_limited: int = 0
    """This many requests at the start are answered with 429."""
    retry_after: float = 1.0
    """Seconds that such a client is told to wait."""
    error_rate: float = 0.0
    """Share of requests answered with 500, drawn from `seed` and the number of the request."""
    seed: int = 0


class LocalServer(ThreadingHTTPServer):
    """The server. `with LocalServer() as server:` serves `server.base_url` in a thread."""

    daemon_threads = True

    def __init__(self, behaviour: Behaviour | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.behaviour = behaviour or Behaviour()
        self.statuses: list[int] = []
        """The status of every answer so far."""
        self.early_retries = 0
        """Requests that came before the `Retry-After` of the last 429 had passed."""
        self._not_before = 0.0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    @property
    def base_url(self) -> str:
        """What goes into `OPENAI_BASE_URL`."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def admit(self) -> int:
        """Decide the fate of the next request: 200, 429 or 500."""
        rules = self.behaviour
        with self._lock:
            number = len(self.statuses)
            self.early_retries += time.monotonic() < self._not_before
            if number < rules.rate_limited:
                self._not_before = time.monotonic() + rules.retry_after
                status = 429
            elif random.Random(f"{rules.seed}:{number}").random() < rules.error_rate:
                status = 500
            else:
                status = 200
            self.statuses.append(status)
        return status


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        # A client that gave up waiting is not an error of the server.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v1/chat/completions":
            return self.refuse(404, f"no such path: {self.path}")
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            return self.refuse(401, "no API key in the Authorization header")
        try:
            request = json.loads(body)
            model, messages = request["model"], request["messages"]
        except (ValueError, KeyError, TypeError) as error:
            return self.refuse(400, f"not a chat completion request: {error!r}")
        if model not in MODELS:
            return self.refuse(404, f"unknown model {model!r}; there are {', '.join(MODELS)}")

        server = cast(LocalServer, self.server)
        behaviour = server.behaviour
        time.sleep(behaviour.latency)
        match server.admit():
            case 429:
                wait = {"Retry-After": f"{behaviour.retry_after:g}"}
                return self.refuse(429, "rate limit reached", wait)
            case 500:
                return self.refuse(500, "the server had an error")
        if request.get("stream"):
            usage = (request.get("stream_options") or {}).get("include_usage", False)
            return self.stream(chunks(model, messages, usage=usage))
        return self.send_json(200, completion(model, messages))

    def refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        kind = {429: "rate_limit_error", 500: "server_error"}.get(status, "invalid_request_error")
        self.send_json(status, {"error": {"message": message, "type": kind}}, headers)

    def send_json(
        self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(payload)

    def stream(self, values: Iterator[dict[str, Any]]) -> None:
        """Send server-sent events; the end of the connection is the end of the answer."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for value in values:
            self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: the counters of the server say what happened."""


def completion(model: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the whole answer as one object."""
    text = pick(model, content(messages[-1]))
    message = {"role": "assistant", "content": text}
    return {
        **envelope(model, messages, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": count_tokens(messages, text),
    }


def chunks(model: str, messages: list[dict[str, Any]], *, usage: bool) -> Iterator[dict[str, Any]]:
    """Yield the same answer word by word."""
    frame = envelope(model, messages, "chat.completion.chunk")
    text = pick(model, content(messages[-1]))
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in re.findall(r"\w+|\W", text)]
    for delta in deltas:
        yield {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if usage:
        yield {**frame, "choices": [], "usage": count_tokens(messages, text)}


def envelope(model: str, messages: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the fields that every answer has; the id is a digest, so that it repeats."""
    digest = hashlib.sha256(json.dumps([model, messages]).encode()).hexdigest()
    return {
        "id": f"chatcmpl-{digest[:24]}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
    }


def count_tokens(messages: list[dict[str, Any]], answer: str) -> dict[str, int]:
    """Return usage numbers; a token is a word or a punctuation mark."""
    read = sum(len(re.findall(r"\w+|[^\w\s]", content(message))) for message in messages)
    written = len(re.findall(r"\w+|[^\w\s]", answer))
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


def content(message: dict[str, Any]) -> str:
    """Return the text of a message, whether it is sent as a string or in parts."""
    value = message["content"]
    return value if isinstance(value, str) else "".join(part.get("text", "") for part in value)


def pick(model: str, prompt: str) -> str:
    """Answer `Question: ...` followed by lines `- name: description` with one of the names.

    Words that few candidates have count more, and long descriptions a little less. The less a
    prompt tells about its candidates, the less there is to go by: a poor prompt gets poor answers.
    """
    question = re.search(r"^Question: (.*)$", prompt, re.MULTILINE)
    wanted = stems(question[1]) if question else set()
    known = {
        name: stems(" ".join([name, *text.split()[: MODELS[model]]]))
        for name, text in re.findall(r"^- ([\w.]+)(.*)$", prompt, re.MULTILINE)
    }
    spread = Counter(stem for found in known.values() for stem in found)
    scores = {
        name: sum(1 / math.sqrt(spread[stem]) for stem in wanted & found) / (1 + len(found)) ** 0.25
        for name, found in known.items()
    }
    best = max(scores, key=lambda name: scores[name], default=None)
    return best if best is not None and scores[best] > 0 else "NONE"


def stems(text: str) -> set[str]:
    """Return the first five letters of every word that means something."""
    found = {word.lower()[:5] for word in re.findall(r"[A-Z]{3,}|[A-Z]?[a-z]{2,}", text)}
    return {stem for stem in found - COMMON if len(stem) > 2}


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve the OpenAI chat-completions protocol.")
    parser.add_argument("--port", type=int, default=8123, help="0 for any free port")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--rate-limited", type=int, default=0, help="answer so many with 429 first")
    parser.add_argument("--retry-after", type=float, default=1.0, help="seconds, told with a 429")
    parser.add_argument("--error-rate", type=float, default=0.0, help="share answered with 500")
    parser.add_argument("--seed", type=int, default=0, help="seed of the errors")
    options = vars(parser.parse_args())
    port = options.pop("port")
    server = LocalServer(Behaviour(**options), port)
    print(f"OPENAI_BASE_URL={server.base_url}  models: {', '.join(MODELS)}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
