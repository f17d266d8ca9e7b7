"""The command on a project that it wrote itself: what it prints and where, selections, codes."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from console import Console

VARIANTS = ["baseline", "polite", "polite-german"]
CASES = ["ada", "alan", "grace", "nobody"]


def edit(project: Console, old: str, new: str, file: str = "bench.toml") -> None:
    path = project.directory / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def ran(project: Console, *options: str, code: int = 0, **variables: str) -> Any:
    """Run, and return what `--json` prints."""
    return project("run", "--json", *options, code=code, **variables).json()


def test_init_writes_a_project_that_runs(wtb: Console) -> None:
    written = wtb("init", "my/project")
    assert written.stdout == ""
    assert "cd my/project" in written.stderr
    project = Console(wtb.directory / "my" / "project")
    done = project("run")
    assert "all of 12 executions succeeded" in done.stderr
    polite = re.search(r"^\* +polite +(\S+)", done.stdout, re.MULTILINE)
    assert polite is not None
    assert polite.group(1) == "0.7500"
    assert "no best: no variant can be told apart" in done.stdout
    again = wtb("init", "my/project", code=2)
    assert "is there already" in again.stderr


def test_data_goes_to_stdout_and_talk_to_stderr(greeter: Console) -> None:
    edit(greeter, "import wtb\n", "import subprocess\nimport warnings\nimport wtb\n", "greeter.py")
    noise = (
        '    print("NOISE")\n    subprocess.run(["echo", "NOISE"])\n    warnings.warn("NOISE")\n'
    )
    edit(greeter, "    names = re.", f"{noise}    names = re.", "greeter.py")
    edit(greeter, "import re\n", 'import re\nprint("NOISE")\n', "greeter.py")
    document = greeter("run", "--json", "--runner", "thread")
    assert document.json()["verdict"] == "passed"
    assert "NOISE" in document.stderr
    assert "warning: NOISE (UserWarning, " in document.stderr
    assert "Starting 3 variants x 4 cases" in document.stderr
    table = greeter("run", "--runner", "process")
    assert "exact_match" in table.stdout
    assert "NOISE" not in table.stdout
    assert "UserWarning" not in table.stderr, "it is kept with the executions"
    assert "hint: `wtb show b_" in table.stderr


def test_quiet_leaves_only_data(finished: Console, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    done = finished("run", "--quiet", "--store", store)
    assert done.stderr == ""
    assert "exact_match" in done.stdout


def test_run_prints_one_document(finished: Console, tmp_path: Path) -> None:
    document = ran(finished, "--store", str(tmp_path / "store"))
    assert (document["verdict"], document["exit_code"]) == ("passed", 0)
    assert document["batch"]["counts"]["succeeded"] == document["batch"]["total"] == 12
    comparison = document["comparison"]
    assert (comparison["metric"], comparison["leader"]) == ("exact_match", "polite")
    assert comparison["best"] is None
    assert {one["name"]: one["mean"] for one in comparison["variants"]} == {
        "baseline": 0.25,
        "polite": 0.75,
        "polite-german": 0.0,
    }
    assert document["failures"] == []


def test_list_show_compare_and_events_agree(finished: Console) -> None:
    (batch,) = finished("list", "--json").json()
    assert (batch["status"], batch["done"], batch["stopped"]) == ("completed", 12, False)
    assert batch["id"][:8] in finished("list").stdout
    for name in ("latest", batch["id"], batch["id"][:8]):
        assert finished("show", name, "--json").json()["batch"]["id"] == batch["id"]
    shown = finished("show").stdout
    assert '"Greetings"' in shown
    assert "3 variants x 4 cases x 1 repeat" in shown
    comparison = finished("compare", "--json").json()
    assert comparison == finished("show", "--json").json()["comparison"]
    assert "polite (baseline)" in finished("compare", "--baseline", "polite").stdout
    kinds = [one["kind"] for one in finished("events", "--json").json_lines()]
    assert kinds[0] == "batch.created"
    assert kinds[-1] == "batch.completed"
    assert kinds.count("execution.succeeded") == kinds.count("execution.scored") == 12


def test_an_execution_is_shown_with_its_nodes_and_values(finished: Console) -> None:
    options = ("--filter", "variant=polite", "--filter", "case=ada", "--json")
    (listed,) = finished("list", "executions", *options).json()
    execution = finished("show", listed["id"], "--json").json()
    assert execution["input"] == {"text": "hello, I am Ada"}
    assert execution["output"]["greeting"] == execution["expected"] == "Good day, Ada."
    assert [node["node"] for node in execution["nodes"]] == ["read_name", "greet"]
    assert execution["nodes"][0]["output"] == {"name": "Ada"}
    assert [(one["name"], one["value"]) for one in execution["scores"]] == [("exact_match", 1.0)]
    page = finished("show", listed["id"]).stdout
    assert "polite / ada" in page
    assert "Good day, Ada." in page


def test_filters_and_limits_of_lists(finished: Console) -> None:
    listed = finished("list", "executions", "--filter", "case=ada", "--json").json()
    assert sorted(one["variant"] for one in listed) == VARIANTS
    few = finished("list", "executions", "--limit", "2")
    assert len(few.stdout.splitlines()) == 3
    assert "--limit" in few.stderr
    assert finished("list", "--filter", "status=failed", "--json").json() == []
    assert finished("list", "--filter", "name~greet", "--json").json() != []
    assert "`status=`" in finished("list", "--filter", "stats=failed", code=2).stderr
    events = finished("events", "--kind", "execution.*", "--limit", "3", "--json").json_lines()
    assert len(events) == 3
    assert all(one["kind"].startswith("execution.") for one in events)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--limit", "1"], [(name, "ada", 0) for name in VARIANTS]),
        (["--variant", "polite", "--variant", "baseline", "--case", "grace"],
         [("baseline", "grace", 0), ("polite", "grace", 0)]),
        (["--variant", "polite", "--case", "alan", "--repeats", "2"],
         [("polite", "alan", 0), ("polite", "alan", 1)]),
        (["--variant", "polite", "--limit", "2"], [("polite", "ada", 0), ("polite", "alan", 0)]),
    ],
)  # fmt: skip
def test_selections_run_what_they_name(
    finished: Console, tmp_path: Path, options: list[str], expected: Any
) -> None:
    store = ("--store", str(tmp_path / "store"))
    document = ran(finished, *options, *store)
    other = Console(tmp_path)
    listed = other("list", "executions", *store, "--json").json()
    assert sorted((one["variant"], one["case"], one["repeat"]) for one in listed) == expected
    assert document["batch"]["total"] == len(expected)


def test_a_flag_wins_over_the_environment_over_the_file(greeter: Console) -> None:
    edit(greeter, "repeats = 1", "repeats = 2\nseed = 5")
    one = ("--variant", "baseline", "--limit", "1")

    def asked(*options: str, **variables: Any) -> tuple[int, int]:
        spec = ran(greeter, *one, *options, **variables)["batch"]["spec"]
        return spec["repeats"], spec["seed"]

    assert asked(WTB_REPEATS="3") == (3, 5)
    assert asked("--repeats", "1", "--seed", "7", WTB_REPEATS="3", WTB_SEED="6") == (1, 7)
    wtb_store = greeter.directory / "by-variable"
    ran(greeter, *one, WTB_STORE=str(wtb_store))
    assert len(greeter("list", "--json", WTB_STORE=str(wtb_store)).json()) == 1
    assert len(greeter("list", "--json").json()) == 2


def test_the_store_of_a_bench_file_lies_beside_it(greeter: Console, tmp_path: Path) -> None:
    edit(greeter, 'name = "Greetings"', 'store = "results/greetings.db"')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = Console(elsewhere)("run", str(greeter.directory / "bench.toml"), "--limit", "1")
    assert "all of 3 executions succeeded" in done.stderr
    assert os.listdir(elsewhere) == []
    assert greeter("list", "--store", "results/greetings.db").stdout.count("\n") == 2


def test_failures_give_100_unless_they_are_allowed(greeter: Console) -> None:
    edit(greeter, "    names = re.", '    {}["missing"]\n    names = re.', "greeter.py")
    options = ("--variant", "baseline", "--limit", "2")
    done = greeter("run", *options, code=100)
    assert "2 of 2 executions failed" in done.stderr
    assert "baseline / ada" in done.stderr
    assert 'node "read_name": KeyError' in done.stderr
    assert ran(greeter, *options, "--max-failures", "2")["verdict"] == "passed"
    assert ran(greeter, *options, code=100, WTB_MAX_FAILURES="1")["verdict"] == "failures"
    failing = re.search(r"`wtb show (e_\w+)`", done.stderr)
    assert failing is not None
    page = greeter("show", failing[1]).stdout
    assert 'File "' in page
    assert "read_name" in page
    assert "KeyError: 'missing'" in page
    assert "langgraph" not in page


def test_fail_fast_gives_the_rest_up(greeter: Console) -> None:
    edit(greeter, "    names = re.", '    {}["missing"]\n    names = re.', "greeter.py")
    document = ran(greeter, "--fail-fast", "1", "--max-workers", "1", code=100)
    assert document["verdict"] == "given_up"
    assert document["batch"]["counts"]["failed"] == 1
    assert document["batch"]["counts"]["cancelled"] == 11


def test_nothing_selected_is_4(finished: Console) -> None:
    assert "the limit of cases is 0" in finished("run", "--limit", "0", code=4).stderr
    assert "no unfinished batch" in finished("resume", code=4).stderr


def test_a_node_that_hangs_in_a_thread_pool_does_not_hold_the_command(greeter: Console) -> None:
    hang = "    ThreadPoolExecutor().submit(time.sleep, 3600).result()\n"
    edit(greeter, "    names = re.", f"{hang}    names = re.", "greeter.py")
    imports = "import re\nimport time\nfrom concurrent.futures import ThreadPoolExecutor\n"
    edit(greeter, "import re\n", imports, "greeter.py")
    document = ran(greeter, "--timeout", "0.2s", "--variant", "polite", "--limit", "1", code=100)
    assert document["batch"]["counts"]["timed_out"] == 1


def test_cases_evaluators_and_variants_by_reference(greeter: Console) -> None:
    (greeter.directory / "parts.py").write_text(
        "def cases():\n"
        "    for name in ('Ann', 'Bo'):\n"
        "        yield {'id': name, 'input': {'text': f'I am {name}'}, 'expected': f'Hi {name}'}\n"
        "def same(output, expected):\n"
        "    return output['greeting'] == expected\n"
        "def at_most(limit):\n"
        "    def short(output):\n"
        "        return len(output['greeting']) <= limit\n"
        "    return short\n"
        "def shout(state):\n"
        "    return {'greeting': state['name'].upper()}\n",
        encoding="utf-8",
    )
    (greeter.directory / "other.toml").write_text(
        'workflow = "greeter:workflow"\n'
        'cases = "parts:cases"\n'
        'evaluators = ["parts:same", { use = "parts:at_most", limit = 3 }]\n'
        '[[variants]]\nname = "shout"\nnodes = { greet = "parts:shout" }\n'
        '[grid.nodes]\ngreet = ["baseline", "polite"]\n',
        encoding="utf-8",
    )
    document = ran(greeter, "other.toml")
    found = {one["name"]: one["metrics"] for one in document["comparison"]["variants"]}
    assert found == {
        "shout": {"same": 0.0, "short": 1.0},
        "baseline": {"same": 1.0, "short": 0.0},
        "greet=polite": {"same": 0.0, "short": 0.0},
    }


def test_values_of_own_types_look_alike_wherever_they_are_shown(wtb: Console) -> None:
    (wtb.directory / "typed.py").write_text(
        "import dataclasses\n"
        "from typing import TypedDict\n"
        "from langchain_core.messages import HumanMessage\n"
        "from langgraph.graph import StateGraph\n"
        "import wtb\n"
        "print('imported')\n"
        "@dataclasses.dataclass\n"
        "class Point:\n"
        "    x: int\n"
        "class State(TypedDict, total=False):\n"
        "    start: int\n"
        "    point: Point\n"
        "    messages: list\n"
        "graph = StateGraph(State)\n"
        "graph.add_node('go', lambda state: {'point': Point(state['start']),\n"
        "                                    'messages': [HumanMessage('hello')]})\n"
        "graph.set_entry_point('go')\n"
        "workflow = wtb.Workflow('typed', graph)\n",
        encoding="utf-8",
    )
    (wtb.directory / "bench.toml").write_text(
        'workflow = "typed:workflow"\ncases = [{ input = { start = 3 } }]\n', encoding="utf-8"
    )
    wtb("run")
    (only,) = wtb("list", "executions", "--json").json()
    elsewhere = wtb.directory / "elsewhere"
    elsewhere.mkdir()
    store = ("--store", str(wtb.directory / ".wtb"))
    for place in (wtb, Console(elsewhere)):
        shown = place("show", only["id"], "--json", *store)
        output = shown.json()["output"]
        assert output["point"] == {"x": 3}
        assert output["messages"] == [{"content": "hello", "type": "human"}]
        assert "Deserializing" not in shown.stderr


def test_a_bar_at_80_columns_and_tables_that_fit(finished: Console, tmp_path: Path) -> None:
    screen = finished.screen("run", "--store", str(tmp_path / "store"))
    assert screen.done() == 0
    bar, _, after = screen.text.rpartition("\x1b[2K")
    assert "[====" in bar
    assert "] 12/12" in bar
    lines = re.sub(r"\x1b\[[0-9;]*m", "", after).splitlines()
    assert any("polite-german" in line for line in lines)
    # A command to type is not broken: it may name a long path.
    assert max(len(line) for line in lines if not line.startswith("hint:")) <= 80


def test_help_and_version(wtb: Console) -> None:
    assert re.fullmatch(r"wtb \d+\.\d+\.\d+\n", wtb("--version").stdout)
    for verb in ("init", "run", "resume", "list", "show", "compare", "events"):
        assert "Usage: wtb " + verb in wtb(verb, "--help").stdout
    assert "frobnicate" in wtb("frobnicate", code=2).stderr
