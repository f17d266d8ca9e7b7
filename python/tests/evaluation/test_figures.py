"""Figures outside of the command are those of `wtb compare`, of any size."""

import re
from typing import Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph

import wtb
from wtb._figures import duration


class State(TypedDict, total=False):
    number: float


def keep(state: State) -> State:
    return state


def double(state: State) -> State:
    return {"number": state["number"] * 2}


def value(output: Any) -> float:
    return float(output["number"])


@pytest.fixture(scope="module", params=[0.0031, 7.25, 42.0, 512.0, 12346.7, 3_456_789.0])
def found(request, tmp_path_factory):
    """A comparison, and its Markdown."""
    directory = tmp_path_factory.mktemp("figures")
    graph = StateGraph(State).add_node("keep", keep).add_edge(START, "keep")
    with wtb.TestBench(directory / "store") as bench:
        batch = bench.run_batch(
            graph,
            variants=[{}, wtb.Variant("double", nodes={"keep": double})],
            test_cases=[{"number": request.param * (1 + n / 1000)} for n in range(12)],
            evaluators=[value],
            checkpoints="off",
        )
        (path,) = bench.export(batch, directory / "a.md")
        return batch.comparison, path.read_text("utf-8")


def test_markdown_has_the_figures_of_the_command(found):
    comparison, text = found
    printed = str(comparison)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if re.match(r"\| (\*\*)?<code>(baseline|double)", line)
    ]
    assert len(rows) == 2
    for _, mean, interval, difference, ends, p, *_ in rows:
        for cell in (mean, interval, difference, ends, p.replace("&lt;", "<")):
            assert cell in printed
    assert rows[1][3].startswith("+")


def test_a_notebook_has_the_figures_of_the_command(found):
    comparison, _ = found
    printed = str(comparison)
    page = comparison._repr_html_()
    row = page[page.index("<strong>double") :].partition("</tr>")[0]
    cells = [re.sub("<[^>]*>", "", cell) for cell in re.findall("<td>(.*?)</td>", row)]
    assert len(cells) == 12
    mean, interval, p_best, difference, ends, p = cells[:6]
    for cell in (mean, interval, p_best, difference, ends, p.replace("&lt;", "<"), *cells[-2:]):
        assert cell in printed
    assert "best: double, better than the other one at 95 %" in page
    assert "value: mean over cases, higher is better" in page


def test_durations_are_those_of_the_command():
    seconds = [0.0, 0.00085, 0.0012, 0.0125, 1.42, 200.0, 120.0, 90_000.0]
    assert [duration(one) for one in seconds] == [
        "0us", "850us", "1.2ms", "12ms", "1.4s", "3m 20s", "2m", "1d 1h",
    ]  # fmt: skip
    assert duration(0.0007305) == "731us"
    assert duration(None) == "-"
