"""The CI example as a job runs it: without a baseline, unchanged, worse, and broken."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import wtb

PLUGIN = "wtb.pytest_plugin"
EXAMPLE = Path(__file__).resolve().parent.parent / "ci"


@pytest.fixture
def job(tmp_path: Path):
    """Run a job on a copy of the example, with some text of the graph replaced."""
    shutil.copytree(EXAMPLE, tmp_path / "ci", ignore=shutil.ignore_patterns(".*", "__pycache__"))

    def run(*arguments: str, old: str = "", new: str = "") -> "subprocess.CompletedProcess[str]":
        graph = tmp_path / "ci" / "answers.py"
        text = (EXAMPLE / "answers.py").read_text("utf-8")
        assert old in text
        graph.write_text(text.replace(old, new) if old else text, "utf-8")
        path = os.pathsep.join(
            [str(Path(wtb.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        )
        return subprocess.run(
            [sys.executable, "check.py", *arguments],
            cwd=tmp_path / "ci",
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_change_is_judged_against_the_bundle_of_main(job, tmp_path: Path) -> None:
    first = job("--out", "main")
    assert (first.returncode, first.stdout) == (
        0,
        "There is no baseline yet: nothing is judged.\n",
    ), first.stderr
    baseline = ("--baseline", "main/main.wtb")

    same = job(*baseline)
    assert same.returncode == 0, same.stderr
    summary = (tmp_path / "ci/reports/summary.md").read_text("utf-8")
    assert summary.index("PASS") < summary.index("### answers")

    worse = job(*baseline, old="sum(state", new="len(state")
    assert worse.returncode == 101, worse.stderr
    assert worse.stdout.startswith("REGRESSION: ")

    broken = job(*baseline, old='sum(state["numbers"])', new="1 // 0")
    assert broken.returncode == 100, broken.stderr
    suites = ET.parse(tmp_path / "ci/reports/junit.xml").getroot()
    assert suites.get("failures") == suites.get("tests") == "120"


def test_the_batch_is_a_test(tmp_path: Path) -> None:
    found = entry_points(group="pytest11")
    asked = [] if any(one.value == PLUGIN for one in found) else ["-p", PLUGIN]
    path = os.pathsep.join([str(Path(wtb.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    store = ["--wtb-store", str(tmp_path / "store"), "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *asked, *store, "test_answers.py"],
        cwd=EXAMPLE,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout


def test_the_workflow_names_files_that_are_there_and_few_actions() -> None:
    text = (EXAMPLE / "wtb.yml").read_text("utf-8")
    used = set(re.findall(r"uses: (\S+)@v\d+", text))
    assert used == {
        f"actions/{name}"
        for name in ("checkout", "setup-python", "download-artifact", "upload-artifact")
    }
    assert (EXAMPLE / "check.py").exists()
    written = set(re.findall(r"reports/(\S+?)['\s)]", text + " "))
    named = set(re.findall(r'asked\.out / "(\S+)"', (EXAMPLE / "check.py").read_text("utf-8")))
    assert written <= named == {"junit.xml", "main.wtb", "summary.md"}
