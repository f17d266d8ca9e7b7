"""A headless Chromium, driven by its own protocol over a pipe: no driver program, no port.

`WTB_TEST_CHROMIUM` names the program; else the first of the usual names in PATH is taken.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic, sleep
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage", "--mute-audio",
    "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe",
)  # fmt: skip

Event = dict[str, Any]


_WIRING = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads commands from file 3 and answers on file 4."""


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends are neither of those two files."""
    ends = os.pipe()
    high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in ends]
    for one in ends:
        os.close(one)
    return high[0], high[1]


class NoBrowserError(Exception):
    """There is no Chromium."""


class PageError(Exception):
    """The page raised an exception."""


def find_chromium() -> str:
    """Return the program.

    Raises:
        NoBrowserError: There is none; the text says how to get one.
    """
    named = os.environ.get("WTB_TEST_CHROMIUM")
    if named:
        if shutil.which(named) is None:
            raise NoBrowserError(f"WTB_TEST_CHROMIUM is {named!r}, which is no program")
        return named
    for name in NAMES:
        if (path := shutil.which(name)) is not None:
            return path
    raise NoBrowserError(
        "the report is tested in a real browser: `make test-python` brings one, as does "
        "tests/browser.py; or name a program in WTB_TEST_CHROMIUM"
    )


class Browser:
    """A browser with a profile of its own, which is removed with it."""

    def __init__(self) -> None:
        program = find_chromium()
        self._profile = tempfile.TemporaryDirectory(
            prefix="wtb-chromium-", ignore_cleanup_errors=True
        )
        from_us, self._write = _pipe()
        self._read, to_us = _pipe()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _WIRING, str(from_us), str(to_us)),
                *(program, *FLAGS, f"--user-data-dir={self._profile.name}"),
            ],
            pass_fds=(from_us, to_us),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(from_us)
        os.close(to_us)
        self._last = 0
        self._answers: Queue[Event | None] = Queue()
        self.events: list[Event] = []
        Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._write)
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._profile.cleanup()

    def page(self, width: int = 1280, height: int = 900) -> "Page":
        """Open an empty page."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        return Page(self, target, attached["sessionId"], width, height)

    def call(self, method: str, parameters: Event, session: str | None = None) -> Event:
        self._last += 1
        message: Event = {"id": self._last, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            try:
                answer = self._answers.get(timeout=60)
            except Empty:
                raise PageError(f"no answer to {method} within 60 s") from None
            if answer is None:
                raise PageError(f"the browser ended while it was asked for {method}")
            if answer.get("id") == self._last:
                break
        if "error" in answer:
            raise PageError(f"{method}: {answer['error']['message']}")
        result: Event = answer["result"]
        return result

    def _listen(self) -> None:
        waiting = b""
        with os.fdopen(self._read, "rb", buffering=0) as source:
            while part := source.read(1 << 20):
                *whole, waiting = (waiting + part).split(b"\0")
                for text in whole:
                    message = json.loads(text)
                    (self._answers.put if "id" in message else self.events.append)(message)
        self._answers.put(None)


class Page:
    """One page."""

    def __init__(
        self, browser: Browser, target: str, session: str, width: int, height: int
    ) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def call(self, method: str, **parameters: Any) -> Event:
        return self._browser.call(method, parameters, self._session)

    def close(self) -> None:
        self._browser.call("Target.closeTarget", {"targetId": self._target})

    def events(self, *methods: str) -> list[Event]:
        """Return what has happened of some kinds."""
        found = [one for one in self._browser.events if one.get("sessionId") == self._session]
        return [one["params"] for one in found if one["method"] in methods]

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip

    def prefer(self, scheme: str) -> None:
        """Prefer "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.rest()

    def open(self, path: Path, fragment: str = "", *, ready: str = "[data-ready]") -> None:
        """Open a file and wait until something is in it."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=path.resolve().as_uri() + fragment)
        self.until(lambda: self.count(ready) > 0)

    def until(self, condition: Callable[[], Any], seconds: float = 30) -> None:
        end = monotonic() + seconds
        while not condition():
            assert monotonic() < end, f"it never became true; {self.problems()}"
            sleep(0.02)

    def run(self, script: str, *arguments: Any) -> Any:
        """Call a function of JavaScript with arguments, and return what it returns."""
        given = ", ".join(json.dumps(one) for one in arguments)
        answer = self.call(
            "Runtime.evaluate",
            expression=f"({script})({given})",
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in answer:
            told = answer["exceptionDetails"]
            raise PageError(told.get("exception", {}).get("description") or told["text"])
        return answer["result"].get("value")

    def rest(self) -> None:
        """Wait until what has happened so far is drawn."""
        self.run("() => new Promise((then) => requestAnimationFrame(() => setTimeout(then)))")

    def count(self, selector: str) -> int:
        found: int = self.run("(s) => document.querySelectorAll(s).length", selector)
        return found

    def text(self, selector: str) -> str:
        found: str = self.run("(s) => document.querySelector(s).innerText", selector)
        return found

    def texts(self, selector: str) -> Sequence[str]:
        script = "(s) => [...document.querySelectorAll(s)].map((one) => one.innerText)"
        found: Sequence[str] = self.run(script, selector)
        return found

    def click(self, selector: str) -> None:
        """Click with a mouse in the middle of an element."""
        script = """(s) => { const one = document.querySelector(s);
            one.scrollIntoView({ block: 'center', inline: 'center' });
            const box = one.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2]; }"""
        x, y = self.run(script, selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys by their names, "Tab" or "j"."""
        for key in keys:
            code = _CODES.get(key, ord(key[0].upper()))
            text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
            event = {
                "key": key,
                "code": key,
                "windowsVirtualKeyCode": code,
                "modifiers": 8 if shift else 0,
            }
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
            self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path, *, whole: bool = False) -> Path:
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))
        return path

    def requests(self) -> list[str]:
        """Return the addresses that were asked for."""
        return [one["request"]["url"] for one in self.events("Network.requestWillBeSent")]

    def problems(self) -> list[str]:
        """Return errors and what the page's policy refused."""
        thrown = self.events("Runtime.exceptionThrown")
        logged = [one["entry"]["text"] for one in self.events("Log.entryAdded")]
        return [
            one["exceptionDetails"]
            .get("exception", {})
            .get("description", one["exceptionDetails"]["text"])
            for one in thrown
        ] + logged


_CODES = {
    "Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "PageUp": 33, "PageDown": 34, "End": 35,
    "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
}  # fmt: skip
