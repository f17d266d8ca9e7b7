"""What the attempts of the fork trial do with each library. Importing this imports none of them.

A work uses its library for real, raises when a result is wrong, and returns numbers that must be
those of a process that was never forked.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Site:
    """Where an attempt works.

    Attributes:
        http: The address of the HTTP server.
        grpc: The address of the gRPC server.
        kept: Objects that the template has made beforehand, as a module of a user would.
    """

    http: str
    grpc: str
    kept: dict[str, Any] = field(default_factory=dict)


Work = Callable[[Site, str], Sequence[float]]
"""Takes the site and a text that no other attempt has; returns what is the same in all."""


@dataclass(frozen=True)
class Library:
    """One library of the trial.

    Attributes:
        modules: What a template imports.
        work: What an attempt does.
        make: Makes objects without calling them; None where there is nothing to make.
    """

    modules: tuple[str, ...]
    work: Work
    make: Callable[[Site], None] | None = None


def numpy_work(site: Site, text: str) -> Sequence[float]:  # noqa: ARG001, a Work takes both
    """Multiply and invert matrices that are large enough for several BLAS threads."""
    import numpy

    draws = numpy.random.default_rng(7)
    a = draws.normal(size=(400, 400)) + 400 * numpy.eye(400)
    b = draws.normal(size=(400, 400))
    vector = draws.normal(size=400)
    numpy.testing.assert_allclose((a @ b) @ vector, a @ (b @ vector), rtol=1e-6, atol=1e-4)
    inverse = numpy.linalg.inv(a)
    numpy.testing.assert_allclose(inverse @ a, numpy.eye(400), atol=1e-8)
    return [float(inverse.sum()), float((a @ b).sum())]


def sklearn_work(site: Site, text: str) -> Sequence[float]:  # noqa: ARG001, a Work takes both
    """Fit a regression, a forest on 2 threads, and clusters by OpenMP."""
    from sklearn.cluster import KMeans
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    rows, labels = _points(2000)
    regression = LogisticRegression().fit(rows, labels)
    forest = RandomForestClassifier(10, n_jobs=2, random_state=0).fit(rows, labels)
    clusters = KMeans(2, n_init=1, random_state=0).fit(rows)
    scores = [regression.score(rows, labels), forest.score(rows, labels)]
    found = (clusters.labels_ == labels).mean()
    _require(min(scores) > 0.95 and max(found, 1 - found) > 0.95, f"scores {scores}, {found}")
    return [*scores, float(clusters.inertia_)]


def xgboost_work(site: Site, text: str) -> Sequence[float]:  # noqa: ARG001, a Work takes both
    """Fit boosted trees on 2 threads."""
    import xgboost

    rows, labels = _points(2000)
    model = xgboost.XGBClassifier(n_estimators=20, max_depth=3, n_jobs=2).fit(rows, labels)
    score = float((model.predict(rows) == labels).mean())
    _require(score > 0.95, f"score {score}")
    return [score, float(model.predict_proba(rows)[:, 1].sum())]


def torch_work(site: Site, text: str) -> Sequence[float]:  # noqa: ARG001, a Work takes both
    """Train a small net forward and backward, and multiply large matrices."""
    import torch

    torch.manual_seed(3)
    rows = torch.randn(1024, 64)
    wanted = rows[:, :4].sum(dim=1, keepdim=True)
    net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 1))
    descent = torch.optim.SGD(net.parameters(), lr=0.05)
    losses = []
    for _ in range(5):
        loss = torch.nn.functional.mse_loss(net(rows), wanted)
        descent.zero_grad()
        loss.backward()
        descent.step()
        losses.append(loss.item())
    _require(losses[-1] < 0.9 * losses[0], f"losses {losses}")
    a, b = torch.randn(2, 600, 600, dtype=torch.float64)
    torch.testing.assert_close((a @ b) @ b[:, 0], a @ (b @ b[:, 0]))
    return [losses[-1], (a @ b).sum().item()]


def pandas_work(site: Site, text: str) -> Sequence[float]:  # noqa: ARG001, a Work takes both
    """Write a frame as Parquet and CSV and read it again, by pyarrow's threads."""
    import numpy
    import pandas

    draws = numpy.random.default_rng(7)
    frame = pandas.DataFrame(
        {
            "number": numpy.arange(10_000),
            "value": draws.normal(size=10_000),
            "name": [f"row {number % 97}" for number in range(10_000)],
        }
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame.to_parquet(folder / "frame.parquet")
        frame.to_csv(folder / "frame.csv", index=False)
        pandas.testing.assert_frame_equal(pandas.read_parquet(folder / "frame.parquet"), frame)
        csv = pandas.read_csv(folder / "frame.csv", engine="pyarrow")
    pandas.testing.assert_frame_equal(csv, frame)
    return [float(frame.groupby("name")["value"].sum().max())]


def grpc_make(site: Site) -> None:
    """Make a channel; it connects at its first call."""
    import grpc

    site.kept["channel"] = grpc.insecure_channel(site.grpc)


def grpc_work(site: Site, text: str) -> Sequence[float]:
    """Call the echo three times."""
    if "channel" not in site.kept:
        grpc_make(site)
    echo = site.kept["channel"].unary_unary("/trial.Echo/Echo")
    for number in range(3):
        said = f"{text} {number}".encode()
        _require(echo(said) == said, "another one's echo")
    return []


def httpx_make(site: Site) -> None:
    """Make a client."""
    import httpx

    site.kept["client"] = httpx.Client()


def httpx_work(site: Site, text: str) -> Sequence[float]:
    """Get three answers over one connection."""
    if "client" not in site.kept:
        httpx_make(site)
    for number in range(3):
        said = f"{text}-{number}"
        answer = site.kept["client"].get(f"{site.http}/echo/{said}").text
        _require(answer == said, f"{answer!r} instead of {said!r}")
    return []


def openai_make(site: Site) -> None:
    """Make a chat model."""
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    site.kept["model"] = ChatOpenAI(
        base_url=f"{site.http}/v1", api_key=SecretStr("none"), model="echo", max_retries=0
    )


def openai_work(site: Site, text: str) -> Sequence[float]:
    """Ask the chat model twice."""
    if "model" not in site.kept:
        openai_make(site)
    for number in range(2):
        said = f"{text} {number}"
        answer = site.kept["model"].invoke(said).content
        _require(answer == said, f"{answer!r} instead of {said!r}")
    return []


def _points(count: int) -> tuple[Any, Any]:
    """Return two clouds of points and which of them each point belongs to."""
    import numpy

    draws = numpy.random.default_rng(7)
    labels = draws.integers(0, 2, size=count)
    return draws.normal(size=(count, 10)) + 2 * labels[:, None], labels


def _require(right: bool, found: str) -> None:
    if not right:
        raise ValueError(found)


LIBRARIES = {
    "numpy": Library(("numpy",), numpy_work),
    "sklearn": Library(
        ("sklearn.linear_model", "sklearn.ensemble", "sklearn.cluster"), sklearn_work
    ),
    "xgboost": Library(("xgboost", "sklearn"), xgboost_work),
    # The first optimizer of a process imports the second one, which takes seconds.
    "torch": Library(("torch", "torch._dynamo"), torch_work),
    "pandas": Library(
        ("pandas", "pyarrow", "pyarrow.parquet", "pyarrow.csv", "pyarrow.dataset"), pandas_work
    ),
    "grpc": Library(("grpc",), grpc_work, grpc_make),
    "httpx": Library(("httpx",), httpx_work, httpx_make),
    "openai": Library(("langchain_openai",), openai_work, openai_make),
}


def names_of(name: str, number: int) -> list[str]:
    """Return the libraries that an attempt uses: the one named or, for `"all"`, two of them.

    All ordered pairs of different libraries take turns.
    """
    if name != "all":
        return [name]
    names = list(LIBRARIES)
    first = number % len(names)
    apart = 1 + number // len(names) % (len(names) - 1)
    return [names[first], names[(first + apart) % len(names)]]
