"""Questions of executions in batches, answered by cases, by functions, or by nobody."""

import asyncio
import threading

import pytest
from langgraph.types import interrupt
from lineage_graphs import add, ask, ask_twice, asking, chain, fork_and_join, replies

from wtb import Case, TestBench
from wtb.errors import ConfigurationError, WtbError


def one(bench, graph, answers=None, given=None, **options):
    """Runs a batch of one case and returns its only execution."""
    case = Case(given or {"log": []}, answers=answers, id="one")
    (found,) = bench.run_batch(graph, variants=[{}], test_cases=[case], **options).results
    return found


def test_a_list_answers_in_the_order_of_the_questions(bench):
    assert one(bench, asking("p?", "q?"), ["P", "Q"]).output["y"] == ["P", "Q"]
    assert one(bench, chain(ask=ask_twice), [1, {"k": 2}]).output["log"] == [1, {"k": 2}]


def test_a_mapping_answers_by_the_questions(bench):
    answers = {"q?": "Q", "p?": "P", "other?": "O"}
    assert one(bench, asking("p?", "q?", "p?"), answers).output["y"] == ["P", "Q", "P"]
    odd = "'; DROP TABLE executions; --"
    assert one(bench, asking(odd), {odd: odd}).output["y"] == [odd]


def test_answers_that_are_false(bench):
    answers = [0, False, "", [], {}]
    found = one(bench, asking(*(str(n) for n in range(len(answers)))), answers)
    assert found.output["y"] == answers


def test_what_the_case_has_no_answer_for_is_asked_of_the_function(bench):
    asked = []

    def on_interrupt(question, case, variant, repeat):
        asked.append((question, case.id, variant, repeat))
        return "F"

    found = one(bench, asking("p?", "q?"), {"p?": "P"}, on_interrupt=on_interrupt)
    assert found.output["y"] == ["P", "F"]
    assert asked == [("q?", "one", "baseline", 0)]
    found = one(bench, asking("p?", "q?"), ["P"], on_interrupt=on_interrupt)
    assert found.output["y"] == ["P", "F"]


def by_name(case, question):
    return [case.id, question]


def by_any_name(asked):
    return [asked]


def with_a_default(question, more="more"):
    return [question, more]


def with_anything(*args, **kwargs):
    return ["anything"]


async def after_a_while(question):
    await asyncio.sleep(0.01)
    return [question, "later"]


class Callable:
    def __call__(self, question):
        return ["object", question]

    async def later(self, repeat):
        return [repeat]


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        (by_name, ["one", "who?"]),
        (by_any_name, ["who?"]),
        (with_a_default, ["who?", "more"]),
        (with_anything, ["anything"]),
        (after_a_while, ["who?", "later"]),
        (Callable(), ["object", "who?"]),
        (Callable().later, [0]),
        (lambda question: [question], ["who?"]),
        (lambda variant: [variant], ["baseline"]),
        (lambda repeat, variant: [repeat, variant], [0, "baseline"]),
        ("lineage_graphs:replies", "who? it is"),
        (str.upper, "WHO?"),
    ],
)
def test_functions_that_answer(bench, function, answer):
    found = one(bench, chain(ask=ask), on_interrupt=function)
    assert (found.status, found.output) == ("succeeded", {"log": [answer]})


@pytest.mark.parametrize(
    "function",
    [lambda question, casse: 1, lambda a, b: 1, lambda *, other, case: 1, 7, "no_module:f", "name"],
)
def test_functions_that_cannot_answer(bench, refused, function):
    with refused(ConfigurationError):
        one(bench, chain(ask=ask), on_interrupt=function)


def test_a_function_that_raises_fails_the_execution(bench):
    def on_interrupt(question):
        raise RuntimeError("no idea")

    found = one(bench, chain(a=add("a"), ask=ask), on_interrupt=on_interrupt)
    assert (found.status, found.error.type, found.error.message) == (
        "failed",
        "RuntimeError",
        "no idea",
    )


def test_what_nobody_answers_is_a_result_and_no_failure(bench):
    cases = [Case({"x": n, "log": []}, id=str(n), answers=["me"] * (n % 2)) for n in range(4)]
    batch = bench.run_batch(chain(ask=ask), variants=[{}], test_cases=cases, retries=2)
    assert batch.status == "completed"
    assert [one.status for one in batch.results] == ["interrupted", "succeeded"] * 2
    asked = batch.results[0]
    assert (asked.error, asked.attempts_made, asked.dead_letter) == (None, 1, False)
    assert [one.value for one in asked.interrupts] == ["who?"]
    assert bench.retry(batch).results[0].status == "interrupted", "it did not fail"


def test_none_is_no_answer(bench):
    def on_interrupt(question):
        return "Q" if question == "q?" else None

    graph = fork_and_join(
        "bc", b=lambda state: {"log": [interrupt("q?")]}, c=lambda state: {"log": [interrupt("r?")]}
    )
    found = one(bench, graph, on_interrupt=on_interrupt)
    assert (found.status, [one.value for one in found.interrupts]) == ("interrupted", ["r?"])
    assert bench.resume(found, answer="R").output["log"] == ["a", "Q", "R", "d"]


def test_parallel_questions(bench):
    graph = fork_and_join(
        "bce",
        **{n: lambda state, n=n: {"log": [f"{n}{interrupt(f'{n}?')}"]} for n in "bce"},
    )
    by_question = {"e?": 5, "c?": 3, "b?": 2}
    assert one(bench, graph, by_question).output["log"] == ["a", "b2", "c3", "e5", "d"]
    found = one(bench, graph, [1, 1, 1]).output["log"]
    assert found == ["a", "b1", "c1", "e1", "d"]
    found = one(bench, graph, {"c?": 3})
    assert {one.value for one in found.interrupts} == {"b?", "e?"}


def test_questions_inside_subgraphs(bench):
    inner = chain(one=ask, two=ask_twice).compile()
    middle = chain(inner=inner).compile()
    found = one(bench, chain(middle=middle, end=add("end")), ["1", "2", "3"], {"x": 0, "log": []})
    assert found.output["log"] == ["1", "2", "3", "end"]
    cut = one(bench, chain(middle=middle, end=add("end")), ["1"], {"x": 0, "log": []})
    assert [one.value for one in cut.interrupts] == ["first?"]
    again = bench.resume(bench.resume(cut, answer="2"), answer="3")
    assert again.output["log"] == ["1", "2", "3", "end"]


def test_questions_of_async_graphs(bench):
    async def asks(state):
        return {"log": [interrupt("p?"), interrupt("q?")]}

    async def on_interrupt(question):
        await asyncio.sleep(0)
        return question.upper()

    assert one(bench, chain(asks=asks), on_interrupt=on_interrupt).output["log"] == ["P?", "Q?"]
    assert one(bench, chain(asks=asks), ["P", "Q"]).output["log"] == ["P", "Q"]
    batch = asyncio.run(
        bench.arun_batch(
            chain(asks=asks), variants=[{}], test_cases=[{"log": []}], on_interrupt=on_interrupt
        )
    )
    assert batch.results[0].output["log"] == ["P?", "Q?"]


def test_a_retry_is_answered_from_the_beginning(bench):
    failures = [ValueError("once"), ValueError("twice")]

    def fails(state):
        if failures:
            raise failures.pop()
        return {"log": ["fine"]}

    graph = chain(ask=ask_twice, fails=fails)
    assert one(bench, graph, ["1", "2"], retries=2, backoff=0).output["log"] == ["1", "2", "fine"]


def test_a_resumed_cell_asks_the_function(bench):
    function = ["nobody"]

    def on_interrupt(question):
        return None if function[0] == "nobody" else function[0]

    found = one(bench, asking("p?", "q?"), on_interrupt=on_interrupt)
    assert found.status == "interrupted"
    function[0] = "somebody"
    assert bench.resume(found, answer="P").output["y"] == ["P", "somebody"]


def test_a_breakpoint_takes_no_answer_away(bench):
    found = one(bench, chain(a=add("a"), ask=ask), ["me"], {"x": 0, "log": []}, breakpoints=["ask"])
    assert found.status == "paused"
    assert bench.resume(found).output["log"] == ["a", "me"]


def test_a_batch_that_is_taken_up_later_is_answered_as_before(bench, later, until):
    gate = threading.Semaphore(1)

    def build():
        def gated(state):
            gate.acquire()
            return {"log": ["gated"]}

        return chain(gated=gated, ask=ask, again=ask_twice)

    batch = bench.start_batch(
        build,
        variants=[{}],
        test_cases=[Case({"x": n, "log": []}, id=str(n), answers=["case"]) for n in range(3)],
        max_workers=1,
        on_interrupt="lineage_graphs:replies",
    )
    until(lambda: batch.progress.ended == 1)
    taker = later()
    gate.release(100)
    again = taker.resume_batch(batch.id, workflow=build)
    assert again.status == "completed"
    expected = ["gated", "case", "first? it is", "second? it is"]
    assert [one.output["log"] for one in again.results] == [expected] * 3


def test_a_function_that_has_no_name_is_passed_again(bench, later, until):
    gate = threading.Semaphore(0)

    def build():
        return chain(gated=lambda state: gate.acquire() and {"log": []}, ask=ask)

    batch = bench.start_batch(
        build, variants=[{}], test_cases=[{"log": []}], on_interrupt=lambda question: "first"
    )
    until(lambda: batch.progress.counts["running"] == 1)
    taker: TestBench = later()
    gate.release(100)
    with pytest.raises(WtbError, match="on_interrupt"):
        taker.resume_batch(batch.id, workflow=build)
    again = taker.resume_batch(batch.id, workflow=build, on_interrupt=replies)
    assert again.results[0].output["log"] == ["who? it is"]
