"""The template: a new interpreter that imports what attempts need, calls none of it, and forks.

`crates/wtb-worker/src/process/mod.rs` draws the processes and says who reaps whom. The order of the
calls here is that of `crates/wtb-worker/src/process/template.rs`.
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NoReturn

from wtb._native import SeedRef, TemplateRef

HARMLESS_THREADS = ("jemalloc_bg_thd",)
"""Threads of an allocator, which it starts again in a fork."""

SHARED_FILES = ("socket:", "pipe:", "anon_inode:")
"""What a process and its forks would use at the same time. A library's regular files are not among
them: data that it reads from given places."""

ANY_FILE = ("",)
"""Of a user's files nobody knows how they are used: forks share the place where one is read, and
the locks of a database."""


def main() -> NoReturn:
    """Serve the supervisor whose connection is the standard input; never returns."""
    template = TemplateRef.begin()
    served = os.fork()
    if served:
        template.guard(served)
    try:
        _serve(template)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _serve(template: TemplateRef) -> None:
    template.settle()
    _read_nothing()
    if template.wants_trial() and (reason := _trial(template)) is not None:
        template.give_up_namespaces(reason)
    prepare = template.prepare()
    if prepare is None:
        return
    path, modules, own_modules = prepare
    opened = open_files()
    sys.path[:] = path
    failed = import_all(modules)
    if modules:
        from wtb.processes.rehearsal import rehearse

        rehearse()
    # Of threads that the libraries have started the forks know nothing, which is what is wanted.
    warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
    unsafe = unsafe_to_fork(opened, SHARED_FILES)
    unsafe_own = None
    if own_modules and unsafe is None:
        # What cannot be imported here fails in the attempts, which say so.
        import_all(own_modules)
        unsafe_own = unsafe_to_fork(opened, ANY_FILE)
    # Keepers are reaped by nobody.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # What has been imported stays: collections in the forks need not touch it, and so not copy it.
    gc.collect()
    gc.freeze()
    template.ready(unsafe, unsafe_own, failed)
    while (seed := template.next()) is not None:
        _fork(template, seed)


def _read_nothing() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _trial(template: TemplateRef) -> str | None:
    """Try what keepers do; return why it does not work."""
    told, telling = os.pipe()
    try:
        template.before_fork()
        tried = os.fork()
    except OSError as error:
        return str(error)
    if tried == 0:
        os.write(telling, (template.try_keeper() or "").encode())
        os._exit(0)
    template.return_home()
    os.close(telling)
    with os.fdopen(told, encoding="utf-8") as answer:
        reason = answer.read()
    os.waitpid(tried, 0)
    return reason or None


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
    tried = os.fork()
    if tried == 0:
        os._exit(0)
    os.waitpid(tried, 0)
    threads = [name for name in _thread_names() if name not in HARMLESS_THREADS]
    if threads:
        return f"threads were started while modules were imported: {', '.join(sorted(threads))}"
    opened = [name for name in open_files() if name not in opened_before]
    shared = [name for name in opened if name.startswith(kinds)]
    if shared:
        names = ", ".join(sorted(shared))
        return f"connections or files were opened while modules were imported: {names}"
    return None


def open_files() -> list[str]:
    """Return what the open files of this process are, as the system names them."""
    folder = "/proc/self/fd"
    found = []
    for number in os.listdir(folder):
        # The listing's own file is closed again.
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"{folder}/{number}"))
    return found


def _thread_names() -> list[str]:
    """Return the names of this process's threads but the main one."""
    # By the ids of the namespace that /proc was mounted in, which need not be this process's own.
    main = os.readlink("/proc/self")
    others = [task for task in Path("/proc/self/task").iterdir() if task.name != main]
    return [(task / "comm").read_text().strip() for task in others]


def _fork(template: TemplateRef, seed: SeedRef) -> None:
    try:
        template.before_fork()
        keeper = os.fork()
    except OSError as error:
        template.after_fork(None, str(error))
        return
    if keeper == 0:
        _become_keeper(template, seed)
    seed.let_go()
    template.after_fork(keeper, None)


def _become_keeper(template: TemplateRef, seed: SeedRef) -> NoReturn:
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

                work(seed)
            seed.keep(worker)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)
