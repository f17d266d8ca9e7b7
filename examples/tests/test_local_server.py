"""The local server, over real HTTP: answers, streams, usage, 429, 500, latency, bad requests."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from local_server import Behaviour, LocalServer
from openai import APIStatusError, APITimeoutError
from pydantic import SecretStr

PROMPT = """Question: Find the middle value of a list of numbers
Candidates:
- statistics.mean: Return the average.
- statistics.median: Return the middle value of numeric data."""


def client(
    server: Any, *, retries: int = 0, model: str = "rules-large", timeout: float = 60.0
) -> Any:
    return ChatOpenAI(
        base_url=server.base_url,
        api_key=SecretStr("key"),
        model=model,
        max_retries=retries,
        timeout=timeout,
    )


def post(
    server: Any, path: str = "/chat/completions", body: bytes = b"{}", key: str = "Bearer key"
) -> Any:
    headers = {"Content-Type": "application/json", "Authorization": key}
    request = urllib.request.Request(server.base_url + path, body, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_it_answers_with_usage() -> None:
    with LocalServer() as server:
        reply = client(server).invoke(PROMPT)
    assert reply.text == "statistics.median"
    usage = reply.usage_metadata
    assert usage["input_tokens"] > usage["output_tokens"] == 3
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_a_stream_adds_up_to_the_same_answer_and_usage() -> None:
    with LocalServer() as server:
        whole = client(server).invoke(PROMPT)
        pieces = list(client(server).stream(PROMPT, stream_usage=True))
    assert len([piece for piece in pieces if piece.text]) == 3
    total = pieces[0]
    for piece in pieces[1:]:
        total += piece
    assert total.text == whole.text
    assert total.usage_metadata["total_tokens"] == whole.usage_metadata["total_tokens"]


def test_the_same_prompt_gets_the_same_answer_and_id() -> None:
    with LocalServer() as server:
        first, second = (client(server).invoke(PROMPT) for _ in range(2))
    assert first.text == second.text
    assert first.response_metadata["id"] == second.response_metadata["id"]


def test_a_prompt_that_describes_nothing_gets_a_worse_answer() -> None:
    names = "\n".join(
        line.split(": ")[0] if line[0] == "-" else line for line in PROMPT.splitlines()
    )
    with LocalServer() as server:
        assert client(server).invoke(names).text == "NONE"


def test_the_small_model_reads_less() -> None:
    prompt = (
        "Question: Shorten a text\n- a: Collapse and truncate the given text or shorten\n- b: Text"
    )
    with LocalServer() as server:
        assert client(server, model="rules-large").invoke(prompt).text == "a"
        assert client(server, model="rules-small").invoke(prompt).text == "b"


def test_a_client_that_honours_retry_after_gets_through() -> None:
    with LocalServer(Behaviour(rate_limited=2, retry_after=1.0)) as server:
        assert client(server, retries=2).invoke(PROMPT).text == "statistics.median"
        assert server.statuses == [429, 429, 200]
        assert server.early_retries == 0


def test_a_client_that_comes_back_too_early_is_counted() -> None:
    with LocalServer(Behaviour(rate_limited=1, retry_after=600)) as server:
        for _ in range(2):
            post(server, body=json.dumps({"model": "rules-large", "messages": [
                {"role": "user", "content": PROMPT}]}).encode())  # fmt: skip
        assert server.statuses == [429, 200]
        assert server.early_retries == 1


def test_without_retries_a_429_reaches_the_caller_with_its_header() -> None:
    behaviour = Behaviour(rate_limited=1, retry_after=2.5)
    with LocalServer(behaviour) as server, pytest.raises(APIStatusError) as caught:
        client(server).invoke(PROMPT)
    assert caught.value.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "2.5"


def test_a_500_is_retried() -> None:
    # This seed fails the first request and lets the second pass.
    with LocalServer(Behaviour(error_rate=0.5, seed=2)) as server:
        assert client(server, retries=1).invoke(PROMPT).text == "statistics.median"
        assert server.statuses == [500, 200]


def test_the_errors_follow_the_seed() -> None:
    def statuses(seed: Any) -> Any:
        with LocalServer(Behaviour(error_rate=0.5, seed=seed)) as server:
            return [server.admit() for _ in range(40)]

    assert statuses(1) == statuses(1)
    assert statuses(1) != statuses(2)
    assert {200, 500} == set(statuses(1))


def test_a_latency_longer_than_the_clients_patience_is_a_timeout() -> None:
    with LocalServer(Behaviour(latency=1.0)) as server, pytest.raises(APITimeoutError):
        client(server, timeout=0.1).invoke(PROMPT)


@pytest.mark.parametrize(
    ("request_parts", "status", "message"),
    [
        ({"path": "/embeddings"}, 404, "/v1/embeddings"),
        ({"key": "none"}, 401, "API key"),
        ({"body": b"not json"}, 400, "not a chat completion request"),
        ({"body": b"{}"}, 400, "model"),
        ({"body": b'{"model": "gpt", "messages": []}'}, 404, "rules-small, rules-large"),
    ],
)
def test_a_bad_request_says_what_is_wrong(request_parts: Any, status: Any, message: Any) -> None:
    with LocalServer() as server:
        code, body = post(server, **request_parts)
    assert code == status
    assert message in body["error"]["message"]
