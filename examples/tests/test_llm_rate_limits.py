"""A model behind a rate limit: the bench waits as long as the server asks, with a client or none.

The client does not retry here: what is retried is the attempt.
"""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wtb
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from local_server import Behaviour, LocalServer
from pydantic import SecretStr

QUESTION = "Question: The middle value of a list\n- statistics.median: Return the middle value."


def langchain_client(server: Any) -> Callable[[Any], Any]:
    model = ChatOpenAI(
        base_url=server.base_url, api_key=SecretStr("key"), model="rules-large", max_retries=0
    )
    return lambda state: {"messages": [model.invoke(state["messages"])]}


def no_client(server: Any) -> Callable[[Any], Any]:
    def ask(state: Any) -> Any:
        text = state["messages"][-1].content
        asked = {"model": "rules-large", "messages": [{"role": "user", "content": text}]}
        headers = {"Authorization": "Bearer key"}
        url = f"{server.base_url}/chat/completions"
        request = urllib.request.Request(url, json.dumps(asked).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            found = json.load(answer)
        return {"messages": [("ai", found["choices"][0]["message"]["content"])]}

    return ask


@pytest.mark.parametrize("client", [langchain_client, no_client])
def test_the_bench_comes_back_when_the_server_wants_it(client: Any, tmp_path: Path) -> None:
    behaviour = Behaviour(rate_limited=2, retry_after=0.5)
    with LocalServer(behaviour) as server, wtb.TestBench(tmp_path) as bench:
        graph = StateGraph(MessagesState).add_node("ask", client(server))
        graph.add_edge(START, "ask").add_edge("ask", END)
        batch = bench.run_batch(
            graph,
            variants=[{}],
            test_cases=[{"messages": [("user", QUESTION)]}],
            retries=2,
            backoff=0.0,
        )
    (execution,) = batch.results
    assert execution.output["messages"][-1].content == "statistics.median"
    assert server.statuses == [429, 429, 200]
    assert server.early_retries == 0
