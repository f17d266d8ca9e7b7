"""Servers on loopback that forked attempts call: HTTP, chat completions, and a gRPC echo.

Prints one JSON line with its addresses and serves until stdin is closed. Every answer holds what
was asked for, so that an attempt that gets another one's answer can tell.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import grpc

LOOPBACK = "127.0.0.1"
ANSWERS_AFTER_S = 0.005
"""How long an answer takes, so that the requests of two attempts overlap."""


class Handler(BaseHTTPRequestHandler):
    """Answers `GET /echo/TEXT` with the text, and a chat completion with the last message."""

    protocol_version = "HTTP/1.1"
    # A small answer must not wait for the acknowledgement of its header.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer with the last part of the path."""
        self._answer("text/plain", self.path.rpartition("/")[2].encode())

    def do_POST(self) -> None:
        """Answer a chat completion, whatever the path."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = completion(asked["model"], asked["messages"][-1]["content"])
        self._answer("application/json", json.dumps(answer).encode())

    def _answer(self, kind: str, body: bytes) -> None:
        time.sleep(ANSWERS_AFTER_S)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, the base class names it
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """An HTTP server that takes a connection which its client has left as what it is."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: attempts end without closing, and those that hang are killed."""


def completion(model: str, text: str) -> dict[str, Any]:
    """Return what a chat completion server answers when the model repeats what it is told."""
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def echo(request: bytes, context: object) -> bytes:  # noqa: ARG001, gRPC passes both
    """Return the request."""
    time.sleep(ANSWERS_AFTER_S)
    return request


def main() -> None:
    """Serve until stdin is closed."""
    web = Server((LOOPBACK, 0), Handler)
    Thread(target=web.serve_forever, daemon=True).start()
    calls = grpc.server(ThreadPoolExecutor(8))
    # Bytes go through as they are: no messages to generate.
    methods = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    calls.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("trial.Echo", methods),))
    port = calls.add_insecure_port(f"{LOOPBACK}:0")
    calls.start()
    addresses = {
        "http": f"http://{LOOPBACK}:{web.server_address[1]}",
        "grpc": f"{LOOPBACK}:{port}",
    }
    print(json.dumps(addresses), flush=True)
    sys.stdin.read()
    calls.stop(None)
    web.shutdown()


if __name__ == "__main__":
    main()
