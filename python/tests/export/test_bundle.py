"""Bundles: the same bytes for the same batch, no values of users, a baseline in another store."""

import pyarrow
import pytest
from export_graphs import CASES, HOSTILE, answered, build, count_variant

import wtb
from wtb.errors import ConfigurationError


@pytest.fixture(scope="module")
def path(bench, batch, tmp_path_factory):
    (path,) = bench.export(batch, tmp_path_factory.mktemp("bundle") / "main.wtb")
    return path


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A batch in a store that knows nothing of the first one."""
    with wtb.TestBench(tmp_path_factory.mktemp("other")) as bench:
        batch = bench.run_batch(
            build(),
            variants=[count_variant()],
            test_cases=CASES[:2],
            evaluators=[answered],
            retries=1,
            backoff=0.001,
        )
        yield bench, batch


def test_it_is_a_baseline_in_another_store(bench, batch, path, other):
    there, candidate = other
    verdict = there.gate(candidate, baseline=path, baseline_variant="worse")
    assert (verdict.metric, verdict.cases, verdict.difference) == ("answered", 2, 1.0)
    assert (verdict.candidate, verdict.baseline) == ("counts", "worse@file")
    assert there.gate(candidate, baseline=str(path)).difference == 0.0


def test_the_same_batch_has_the_same_bytes(bench, batch, path, tmp_path):
    (again,) = bench.export(batch.id, tmp_path / "again.wtb")
    assert again.read_bytes() == path.read_bytes()


def test_it_holds_no_values_of_users(path):
    content = path.read_bytes().partition(b"\n")[2]
    unpacked = pyarrow.CompressedInputStream(pyarrow.py_buffer(content), "zstd").read().decode()
    assert '"answered"' in unpacked
    for text in ("kind", "expected", HOSTILE[:4], "Traceback", "because", "which one"):
        assert text not in unpacked


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(path, other, tmp_path, share):
    there, candidate = other
    content = path.read_bytes()
    cut = tmp_path / "cut.wtb"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ConfigurationError, match=r"damaged|no bundle"):
        there.gate(candidate, baseline=cut)


def test_a_changed_byte_anywhere_is_refused(path, other, tmp_path):
    there, candidate = other
    content = path.read_bytes()
    changed = tmp_path / "changed.wtb"
    for at in range(0, len(content), 97):
        changed.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        with pytest.raises(ConfigurationError, match=r"damaged|no bundle|version"):
            there.gate(candidate, baseline=changed)
