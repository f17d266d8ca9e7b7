"""The examples as their READMEs run them: through the command, and as programs."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from console import Console

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(wtb: Console, example: str, *options: str, **variables: Any) -> Any:
    bench = str(EXAMPLES / example / "bench.toml")
    return wtb("run", bench, "--store", "store", "--json", *options, **variables).json()


def means(document: Any) -> dict[str, dict[str, float]]:
    return {one["name"]: one["metrics"] for one in document["comparison"]["variants"]}


@contextmanager
def local_server(*options: str) -> Iterator[dict[str, str]]:
    """Serve the language model of the LLM example, and yield the variables that name it."""
    command = [sys.executable, str(EXAMPLES / "llm" / "local_server.py"), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            named = re.match(r"OPENAI_BASE_URL=(\S+)", server.stdout.readline())
            assert named is not None
            yield endpoint(named[1])
        finally:
            server.terminate()


def endpoint(base_url: str) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "local",
        "WTB_EXAMPLE_MODEL": "rules-large",
    }


def test_ml_pipeline_compares_trainers(wtb: Console) -> None:
    found = means(run(wtb, "ml_pipeline", "--limit", "2"))
    assert list(found) == ["baseline", "rf", "xgb"]
    for metrics in found.values():
        assert 0.85 < metrics["accuracy"] <= 1
        assert 0.85 < metrics["macro_f1"] <= 1
        assert metrics["fit_time_s"] > 0
    (listed,) = wtb("list", "--store", "store", "--json").json()
    assert (listed["name"], listed["done"]) == ("ML Pipeline Comparison", 6)


def test_the_program_of_the_ml_example(wtb: Console) -> None:
    done = wtb.script([sys.executable, str(EXAMPLES / "ml_pipeline" / "run.py")])
    assert done.code == 0, done.stderr
    assert re.search(r"^Best: (None|baseline|rf|xgb)$", done.stdout, re.MULTILINE)
    assert "accuracy" in done.stdout
    (listed,) = wtb("list", "--json").json()
    assert (listed["status"], listed["done"]) == ("completed", 36)


def test_the_seed_example_runs_as_written(wtb: Console) -> None:
    done = wtb.script([sys.executable, str(EXAMPLES / "ml_pipeline" / "seed_example.py")])
    assert done.code == 0, done.stderr
    assert re.search(r"^Best: None$", done.stdout, re.MULTILINE)
    assert "Matrix: " in done.stdout
    (listed,) = wtb("list", "--store", "sqlite:///data/wtb.db", "--json").json()
    assert (listed["name"], listed["done"]) == ("ML Pipeline Comparison", 2)


def test_retrieval_compares_retrievers(wtb: Console) -> None:
    document = run(wtb, "retrieval", "--limit", "5")
    assert document["comparison"]["metric"] == "hit"
    found = means(document)
    assert list(found) == ["baseline", "retrieve=tfidf", "retrieve=hybrid"]
    for metrics in found.values():
        assert 0 < metrics["reciprocal_rank"] <= 1
    executions = wtb("list", "executions", "--store", "store", "--json").json()
    shown = wtb("show", executions[0]["id"], "--store", "store", "--json").json()
    assert [node["node"] for node in shown["nodes"]][:2] == ["rewrite", "retrieve"]
    assert shown["output"]["messages"][0]["type"] == "human"


def test_llm_survives_a_server_with_moods_and_records_tokens(wtb: Console) -> None:
    moods = ("--latency", "0.01", "--rate-limited", "2", "--retry-after", "0.2")
    with local_server(*moods, "--error-rate", "0.15") as variables:
        document = run(wtb, "llm", "--limit", "4", **variables)
    assert document["batch"]["counts"]["succeeded"] == 12
    found = means(document)
    assert list(found) == ["baseline", "concise", "careful"]
    read: dict[str, int] = dict.fromkeys(found, 0)
    for execution in wtb("list", "executions", "--store", "store", "--json").json():
        (usage,) = execution["usage"].values()
        assert usage["output_tokens"] > 0
        read[execution["variant"]] += usage["input_tokens"]
    assert read["concise"] < read["baseline"] < read["careful"]


def test_llm_waits_as_long_as_it_is_told(wtb: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES / "llm"))
    from local_server import Behaviour, LocalServer

    with LocalServer(Behaviour(rate_limited=2, retry_after=1.0)) as server:
        options = ("--limit", "1", "--variant", "baseline")
        document = run(wtb, "llm", *options, **endpoint(server.base_url))
        assert server.statuses[:3] == [429, 429, 200]
        assert server.early_retries == 0
    assert document["verdict"] == "passed"


def test_llm_without_an_endpoint_says_what_to_set(wtb: Console) -> None:
    bench = str(EXAMPLES / "llm" / "bench.toml")
    unset = {"OPENAI_BASE_URL": "", "OPENAI_API_KEY": "", "WTB_EXAMPLE_MODEL": ""}
    done = wtb("run", bench, "--store", "store", code=2, **unset)
    assert "set OPENAI_BASE_URL, OPENAI_API_KEY, WTB_EXAMPLE_MODEL" in done.stderr
    assert "local_server.py" in done.stderr
