"""The bench and the command on PostgreSQL."""

from collections import Counter
from collections.abc import Iterator
from typing import TypedDict

import postgres_server
import pytest
import wtb as package
from console import Console, until
from gate import Gate
from langgraph.graph import END, START, StateGraph
from postgres_server import PASSWORD


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres_server.server() as address:
        yield address


class State(TypedDict, total=False):
    question: str
    answer: str


def echo(state: State) -> State:
    return {"answer": f"{state['question']}\0" * 300}


def test_a_bench_on_postgresql(database: str) -> None:
    url = f"{database}?schema=bench"
    graph = StateGraph(State)
    graph.add_node("echo", echo)
    graph.add_edge(START, "echo")
    graph.add_edge("echo", END)
    with package.TestBench(url) as bench:
        assert PASSWORD not in repr(bench)
        batch = bench.run_batch(
            graph,
            test_cases=[{"question": "a"}, {"question": "b"}],
            variants=[{}],
            evaluators=[lambda output: len(output["answer"])],
        )
        assert batch.status == "completed"
    with package.TestBench(url) as bench:
        (again,) = bench.batches()
        assert again.id == batch.id
        answers = Counter(one.output["answer"] for one in again.results)
        assert answers == {"a\0" * 300: 1, "b\0" * 300: 1}


def test_a_killed_batch_is_resumed_on_postgresql(database: str, wtb: Console, gate: Gate) -> None:
    store = ("--store", f"{database}?schema=resumed")
    gate.let(2)
    run = wtb.start("run", *store)
    gate.wait_for(begun=4, passed=2)
    until(lambda: wtb("list", "--json", *store).json()[0]["done"] == 2, "two stored results")
    run.kill()
    gate.let(100)
    resumed = wtb("resume", *store)
    assert "2 of 6 executions are there" in resumed.stderr or "4 of 6" in resumed.stderr
    (batch,) = wtb("list", "--json", *store).json()
    assert (batch["status"], batch["done"]) == ("completed", 6)
    shown = wtb("list", *store)
    for done in (resumed, shown):
        assert PASSWORD not in done.stdout + done.stderr


def test_errors_and_advice_keep_the_password(database: str, wtb: Console) -> None:
    for address in (f"{database}?schema=nowhere", f"{database}?schem=x", database + "x"):
        done = wtb("list", "--store", address, code=2)
        assert PASSWORD not in done.stdout + done.stderr
        assert "postgresql://postgres@" in done.stderr
    wtb("init")
    done = wtb("run", "--store", f"{database}?schema=greeter")
    assert PASSWORD not in done.stdout + done.stderr
    with pytest.raises(package.StoreError) as caught:
        package.TestBench(database.replace(PASSWORD, "wr0ng"))
    assert "wr0ng" not in str(caught.value)
    assert "check the user and the password" in str(caught.value)
