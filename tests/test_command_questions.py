"""The command on executions that wait: questions, breakpoints, and what bench files say of them."""

import json
import re

from command_histories import found, steps
from console import Console


def test_a_batch_that_waits_says_where(asking: Console, cats: str) -> None:
    done = asking("run", "--case", "cats", code=130)
    assert re.search(r"hint: `wtb show e_\w+` shows the first that waits", done.stderr)
    page = asking("show", cats)
    assert "next      review" in page.stdout
    assert '{"will it do?":' in page.stdout
    assert f"hint: `wtb resume {cats[:8]} --answer ANSWER`" in page.stderr
    assert "hint: `wtb checkpoints " in page.stderr
    (question,) = asking("show", cats, "--json").json()["interrupts"]
    assert question["value"].keys() == {"will it do?"}


def test_an_answer_is_json_or_a_text(asking: Console, cats: str) -> None:
    assert "null is no answer" in asking("resume", cats, "--answer", "null", code=2).stderr
    done = asking("resume", cats, "--answer", "it will = do")
    assert '"verdict": "it will = do"' in done.stdout
    assert "the execution succeeded" in done.stderr
    assert "which keeps its own result of this cell" in done.stdout
    refused = asking("resume", cats, "--answer", "again", code=2).stderr
    assert "asks nothing" in refused
    asking("rollback", cats, "--before", "review")
    asking("resume", cats, code=130)
    document = asking("resume", cats, "--answer", '{"ok": [1]}', "--json").json()
    assert document["output"]["verdict"] == {"ok": [1]}
    assert (document["verdict"], document["exit_code"]) == ("passed", 0)


def test_several_questions_are_answered_by_id(asking: Console) -> None:
    bench = asking.directory / "pair.toml"
    bench.write_text('workflow = "asking:pair"\ncases = [{ input = { left = "" } }]\n')
    asking("run", "pair.toml", code=130)
    both = found(asking, status="interrupted", workflow="asking:pair")
    asked = asking("show", both, "--json").json()["interrupts"]
    ids = {one["value"]: one["id"] for one in asked}
    assert f"--answer {ids['left?'][:8]}=ANSWER" in asking("show", both).stderr
    assert ids["left?"] in asking("resume", both, "--answer", "yes", code=2).stderr
    twice = ("--answer", f"{ids['left?'][:8]}=a", "--answer")
    assert "is answered twice" in asking("resume", both, *twice, f"{ids['left?']}=b", code=2).stderr
    assert "does not say which" in asking("resume", both, *twice, "b", code=2).stderr
    half = asking("resume", both, *twice[:2], "--json", code=130).json()
    assert [one["value"] for one in half["interrupts"]] == ["right?"]
    done = asking("resume", both, "--answer", f"{ids['right?'][:6]}=2", "--json").json()
    assert done["output"] == {"left": "a", "right": 2}


def test_checkpoints_of_a_bench_file(asking: Console) -> None:
    bench = asking.directory / "bench.toml"
    text = bench.read_text(encoding="utf-8")
    bench.write_text(f'breakpoints = ["answer"]\n{text}', encoding="utf-8")
    document = asking("run", "--case", "dogs", "--json", code=130).json()
    assert (document["verdict"], document["batch"]["counts"]["paused"]) == ("waiting", 1)
    paused = found(asking, status="paused")
    assert "next      answer" in asking("show", paused).stdout
    assert asking("resume", paused, "--json").json()["status"] == "succeeded"
    asking("run", "--checkpoints", "off", code=2)
    bench.write_text(f'checkpoints = "off"\n{text}', encoding="utf-8")
    document = asking("run", "--case", "dogs", "--json").json()
    assert document["batch"]["spec"]["checkpoints"] == "off"
    without = found(asking, case="dogs")
    for verb in (["checkpoints"], ["rollback", "--at", "1"], ["fork"]):
        assert "no checkpoints" in asking(verb[0], without, *verb[1:], code=2).stderr
    assert asking("run", "--case", "dogs", "--checkpoints", "exit", "--json").json()
    assert [one["at"] for one in steps(asking, "latest")] == ["4"]


def test_questions_are_answered_by_cases_and_functions(asking: Console) -> None:
    bench = asking.directory / "bench.toml"
    text = bench.read_text(encoding="utf-8")
    bench.write_text(f'on_interrupt = "asking:say_yes"\n{text}', encoding="utf-8")

    def verdict() -> str:
        asking("run", "--case", "cats")
        newest = asking("show", found(asking, case="cats"), "--json").json()
        return str(newest["output"]["verdict"])

    assert verdict() == "yes"
    answered = text.replace('{ topic = "cats" }', '{ topic = "cats" }\nanswers = ["well"]')
    bench.write_text(answered, encoding="utf-8")
    assert verdict() == "well"
    rows = [{"id": "cats", "input": {"topic": "cats"}, "answers": ["from a file"]}]
    (asking.directory / "cases.jsonl").write_text(json.dumps(rows[0]), encoding="utf-8")
    bench.write_text('workflow = "asking:workflow"\ncases = "cases.jsonl"\n', encoding="utf-8")
    assert verdict() == "from a file"
    (asking.directory / "cases.csv").write_text(
        'id,topic,answers\ncats,cats,"[""from a table""]"\n', encoding="utf-8"
    )
    bench.write_text('workflow = "asking:workflow"\ncases = "cases.csv"\n', encoding="utf-8")
    assert verdict() == "from a table"
    bench.write_text(f'on_interrupt = "asking:say_no"\n{text}', encoding="utf-8")
    assert "say_no" in asking("run", code=2).stderr
