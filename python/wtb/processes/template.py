"""The template: a new interpreter that imports what attempts need, calls none of it, and forks.

`crates/wtb-worker/src/process/mod.rs` draws the processes and says who reaps whom. The order of the
calls here is that of `crates/wtb-worker/src/process/template.rs`.
"""

import contextlib
import gc
import importlib
import io
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from wtb._native import SeedRef, TemplateRef

HARMLESS_THREADS = ("jemalloc_bg_thd",)
"""Threads of an allocator, which it starts again in a fork."""

THREADS_S_MAX = 0.2
"""Threads that are there for longer are of no fork's making."""

FORK_S_MAX = 5.0
"""How long a fork that ends at once may take for it."""

SHARED_FILES = ("socket:", "pipe:", "anon_inode:", "/dev/")
"""What a process and its forks would use at the same time. A library's regular files are not among
them: data that it reads from given places."""

HARMLESS_FILES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
"""Devices without a state."""

ANY_FILE = ("",)
"""Of a user's files nobody knows how they are used: forks share the place where one is read, and
the locks of a database."""


class _Kept(NamedTuple):
    """What workers get back that the template and its keepers do without.

    Attributes:
        blocked: The signals that are blocked.
        on_child_end: What is done when a child ends.
    """

    blocked: set[int]
    on_child_end: Any


def main() -> NoReturn:
    """Serve the supervisor whose connection is the standard input; never returns."""
    # Where it is ignored, which is inherited, nobody can be waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    template = TemplateRef.begin(_without_namespaces())
    served = os.fork()
    if served:
        template.guard(served)
    try:
        _serve(template)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _without_namespaces() -> str | None:
    """Try what leads to workers in namespaces; return why it does not work."""
    told, telling = os.pipe()
    tried = os.fork()
    if tried == 0:
        _try_namespaces(telling)
    os.close(telling)
    with os.fdopen(told, encoding="utf-8") as answer:
        reason = answer.read()
    os.waitpid(tried, 0)
    return reason or None


def _try_namespaces(telling: int) -> NoReturn:
    try:
        for number in range(TemplateRef.STEPS):
            if number and (child := os.fork()):
                os.waitpid(child, 0)
                break
            TemplateRef.step(number)
    except OSError as error:
        os.write(telling, f"no namespaces of process ids: {error}".encode())
    finally:
        os._exit(0)


def _serve(template: TemplateRef) -> None:
    template.settle()
    _read_nothing()
    _print_at_once()
    prepare = template.prepare()
    if prepare is None:
        return
    modules, own_modules = prepare
    opened = open_files()
    failed = import_all(modules)
    if modules:
        from wtb.processes.rehearsal import rehearse

        rehearse()
    # Of threads that the libraries have started the forks know nothing, which is what is wanted.
    warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
    unsafe = unsafe_to_fork(opened, SHARED_FILES)
    template.imported()
    unsafe_own = None
    if own_modules and unsafe is None:
        shared = shared_memory()
        # What cannot be imported here fails in the attempts, which say so.
        import_all(own_modules)
        unsafe_own = unsafe_to_fork(opened, ANY_FILE)
        if unsafe_own is None and shared_memory() != shared:
            unsafe_own = "shared memory was made while modules were imported"
    kept = _keep_still()
    # What has been imported stays: collections in the forks need not touch it, and so not copy it.
    gc.collect()
    gc.freeze()
    template.ready(unsafe, unsafe_own, failed)
    while (seed := template.next()) is not None:
        _fork(template, seed, kept)


def _keep_still() -> _Kept:
    """Let no signal or timer of the user's modules run in the template and its keepers."""
    for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(timer, 0)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    # Keepers are reaped by nobody.
    on_child_end = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    return _Kept({int(number) for number in blocked}, on_child_end)


def _read_nothing() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _print_at_once() -> None:
    """Write each line when it is complete: a process that is killed writes nothing afterwards.

    The streams are those of forks as well: modules may keep them when they are imported.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")


def import_all(modules: Iterable[str]) -> list[tuple[str, str]]:
    """Import modules; return those that could not be, with the reasons."""
    failed = []
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:
            failed.append((name, f"{type(error).__name__}: {error}"))
    return failed


def unsafe_to_fork(opened_before: Collection[str], kinds: tuple[str, ...]) -> str | None:
    """Return what a fork of this process would carry along that does not survive one.

    It is looked for after a first fork: libraries that handle forks have put away their threads by
    then, and get them again when they need them. `docs/forking.md` says how the rule was found.

    Args:
        opened_before: What `open_files` said before anything was imported.
        kinds: How the names of the files begin that must not be shared.
    """
    on_child_end = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        found = _children() or _fork_that_ends()
    finally:
        signal.signal(signal.SIGCHLD, on_child_end)
    if found is not None:
        return found
    threads = _lasting_threads()
    if threads:
        return f"threads were started while modules were imported: {', '.join(sorted(threads))}"
    opened = [name for name in open_files() if name not in opened_before]
    shared = [name for name in opened if name.startswith(kinds) and name not in HARMLESS_FILES]
    if shared:
        names = ", ".join(sorted(shared))
        return f"connections or files were opened while modules were imported: {names}"
    return None


def _children() -> str | None:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return "processes were started while modules were imported"


def _fork_that_ends() -> str | None:
    """Fork once; return what is wrong with that."""
    tried = os.fork()
    if tried == 0:
        os._exit(0)
    end = time.monotonic() + FORK_S_MAX
    while (ended := os.waitpid(tried, os.WNOHANG)) == (0, 0):
        if time.monotonic() >= end:
            os.kill(tried, signal.SIGKILL)
            os.waitpid(tried, 0)
            return f"a fork of it did not end within {FORK_S_MAX:g} s"
        time.sleep(0.001)
    return f"a fork of it ended with the status {ended[1]}" if ended[1] else None


def shared_memory() -> set[str]:
    """Return the mappings of memory that a process and its forks would share."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    return {line for line in lines if line.split()[1].startswith("rw-s")}


def open_files() -> list[str]:
    """Return what the open files of this process are, as the system names them."""
    folder = "/proc/self/fd"
    found = []
    for number in os.listdir(folder):
        # The listing's own file is closed again.
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"{folder}/{number}"))
    return found


def _lasting_threads() -> list[str]:
    """Return the names of threads that do not end by themselves.

    One that a library has put away for the fork is joined before the system has taken it off its
    list.
    """
    end = time.monotonic() + THREADS_S_MAX
    while threads := [name for name in _thread_names() if name not in HARMLESS_THREADS]:
        if time.monotonic() >= end:
            return threads
        time.sleep(0.001)
    return []


def _thread_names() -> list[str]:
    """Return the names of this process's threads but the main one."""
    # By the ids of the namespace that /proc was mounted in, which need not be this process's own.
    main = os.readlink("/proc/self")
    others = [task for task in Path("/proc/self/task").iterdir() if task.name != main]
    names = []
    for task in others:
        # It may end while it is looked at.
        with contextlib.suppress(OSError):
            names.append((task / "comm").read_text().strip())
    return names


def _fork(template: TemplateRef, seed: SeedRef, kept: _Kept) -> None:
    try:
        sys.stdout.flush()
        template.before_fork()
        keeper = os.fork()
    except OSError as error:
        template.after_fork(None, str(error))
        return
    if keeper == 0:
        _become_keeper(template, seed, kept)
    seed.let_go()
    template.after_fork(keeper, None)


def _become_keeper(template: TemplateRef, seed: SeedRef, kept: _Kept) -> NoReturn:
    try:
        template.let_go()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        seed.begin_keeper()
        while seed.next():
            try:
                worker = os.fork()
            except OSError as error:
                seed.not_started(str(error))
                continue
            if worker == 0:
                from wtb.processes.worker import work

                signal.signal(signal.SIGCHLD, kept.on_child_end)
                signal.pthread_sigmask(signal.SIG_SETMASK, kept.blocked)
                work(seed)
            try:
                seed.keep(worker)
            except ConnectionError:
                # The supervisor is gone, and with it whoever could be told.
                break
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)
