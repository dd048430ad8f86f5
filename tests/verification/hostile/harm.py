"""A small world to be harmed: canaries around a workspace, and what became of them when a candidate has run.

`harming/` holds the candidates: modules with a function `f(world)`, run in a cell as the tests of a workspace are.
What a candidate prints after `HARM` it has done; the rest is looked at from outside.  As a script, this prints what
each candidate did at a level, for a user other than the caller's: `python harm.py FOLDER LEVEL [NAME...]`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import select
import selectors
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import anyio
import psutil

from engine.config import Settings
from engine.verification.base import Baseline
from engine.verification.cell import MIB, Command, Ended, Limits
from engine.verification.confinement import open_cell
from engine.verification.environment import clean_environment
from engine.verification.interpreter import probe
from engine.verification.sight import needed_by
from engine.verification.verifier import Verifier, reach_statement

CANDIDATES = Path(__file__).with_name("harming")
SECONDS, GRACE_SECONDS = 4.0, 3.0
MEMORY, DISK, OUTPUT, PROCESSES = 256 * MIB, 64 * MIB, 1 * MIB, 64
MOST_MEMORY = 2.5 * MEMORY  # it is summed up from time to time, and grows meanwhile
LITTERED = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/var/lock")
RUN = (
    "import json, sys, types; world = types.SimpleNamespace(**json.loads(sys.stdin.readline())); "
    "import candidate; candidate.f(world)"
)
VICTIM = (
    "import ctypes, signal, sys, time; text = ctypes.create_string_buffer(b'in memory'); "
    "signal.signal(signal.SIGWINCH, lambda *_: print('signalled', flush=True)); "
    "print(ctypes.addressof(text), flush=True); time.sleep(600)"
)
TEST = """\
import json
import pathlib
import re
import types

from lib import f


def test_f(capfd):
    world = json.loads(pathlib.Path(__file__).with_name("world.json").read_text())
    f(types.SimpleNamespace(**world))
    printed = "".join(capfd.readouterr())
    found = re.findall(r"HARM.{0,60}|secret-\\w+", printed)
    if found:
        raise AssertionError("; ".join(found))
"""
FILES = {
    "home/.ssh/id_ed25519": "{secret}", "home/.bashrc": "# {secret}", "home/notes/diary.txt": "{secret}",
    "sibling/settings.py": "PASSWORD = '{secret}'", "other.txt": "{secret}", "empty/.keep": "",
    "project/lib.py": "def f(world):\n    raise NotImplementedError\n", "project/test_lib.py": TEST,
    "project/.git/config": "", "project/world.json": json.dumps({}),
}  # fmt: skip


def names() -> list[str]:
    return sorted(file.stem for file in CANDIDATES.glob("*.py"))


class World:
    """Files, sockets and a process outside the cell, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.root = self.folder / "project"
        self.secret = f"secret-{secrets.token_hex(8)}"
        self.mark = f"greenfinch-canary-{secrets.token_hex(6)}"
        self.calls: list[str] = []
        self._selector = selectors.DefaultSelector()
        self._ports: dict[str, int] = {}
        self._victim: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def alive(self) -> Iterator[World]:
        """With the user's home folder and secrets in the environment of this process."""
        changed = {"HOME": str(self.folder / "home"), "SERVICE_TOKEN": self.secret, "GREETING": "hello",
                   "SSH_AUTH_SOCK": str(self.folder / "agent.sock")}  # fmt: skip
        before = {name: os.environ.get(name) for name in changed}
        os.environ.update(changed)
        try:
            self.build()
            self._listen()
            yield self
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            self._stop.set()
            self._thread.join()
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]  # sockets, all of them
            if self._victim:
                self._victim.kill()
                self._victim.wait()

    def build(self) -> None:
        for name in FILES:
            shutil.rmtree(self.folder / Path(name).parts[0], ignore_errors=True)
        for name, text in FILES.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("{secret}", self.secret))
        self.before = self._look()

    def _look(self) -> dict[str, tuple[bytes, int]]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): (path.read_bytes(), path.stat().st_mode) for path in files}

    def _listen(self) -> None:
        self.tcp, self.udp = socket.create_server(("0.0.0.0", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("0.0.0.0", 0))
        found = {"TCP": self.tcp, "UDP": self.udp}
        for name, address in (("agent", str(self.folder / "agent.sock")), ("abstract", f"\0{self.mark}")):
            found[name] = socket.socket(socket.AF_UNIX)
            found[name].bind(address)
            found[name].listen()
        for name, each in found.items():
            self._selector.register(each, selectors.EVENT_READ, name)
        self.listen_near()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def listen_near(self) -> None:
        """A socket in the workspace; made again where the workspace is."""
        near = socket.socket(socket.AF_UNIX)
        with contextlib.chdir(self.root):  # the length of such a path is bounded
            near.bind("near.sock")
        near.listen()
        self._selector.register(near, selectors.EVENT_READ, "near")

    def _serve(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(0.05):
                self.calls.append(key.data)
                if key.data == "UDP":
                    self.udp.recv(100)
                else:
                    key.fileobj.accept()[0].close()  # type: ignore[union-attr]

    def victim(self) -> subprocess.Popen[bytes]:
        """A process of the user's; another one if the last was harmed."""
        if self._victim is None:
            command = [sys.executable, "-u", "-c", VICTIM]
            self._victim = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
            assert self._victim.stdout
            self.address = int(self._victim.stdout.readline())
        return self._victim

    def told(self) -> dict[str, object]:
        """What a candidate is told: as much as it could find out or guess."""
        addresses = [each.address for kind in psutil.net_if_addrs().values() for each in kind if each.family == 2]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        return {
            "root": str(self.root), "home": str(self.folder / "home"), "mark": self.mark, "victim": self.victim().pid,
            "address": self.address, "sibling": str(self.folder / "sibling" / "settings.py"), "listen": self.port,
            "other": str(self.folder / "other.txt"), "unix": str(self.folder / "agent.sock"), "abstract": self.mark,
            "near": "near.sock", "tcp": self.tcp.getsockname()[1], "udp": self.udp.getsockname()[1],
            "addresses": [each for each in addresses if each != "127.0.0.1"], "empty": str(self.folder / "empty"),
        }  # fmt: skip

    def harm_to_the_victim(self) -> list[str]:
        victim = self.victim()
        found = []
        if victim.poll() is not None:
            found.append("another process was killed")
        else:
            process = psutil.Process(victim.pid)
            if process.nice() != psutil.Process().nice() or process.cpu_affinity() != psutil.Process().cpu_affinity():
                found.append("another process was slowed down")
            assert victim.stdout
            if select.select([victim.stdout], [], [], 0)[0]:
                found.append("another process got a signal")
        if found:
            victim.kill()
            victim.wait()
            self._victim = None
        return found

    def harm(self) -> list[str]:
        """What is not as it was; then it is mended."""
        found = self.harm_to_the_victim()
        after = self._look()
        changed = sorted(name for name in {*after, *self.before} if after.get(name) != self.before.get(name))
        if changed:
            found.append(f"changed: {', '.join(changed[:3])}")
            self.build()
            self.listen_near()
        time.sleep(0.06 if self.calls else 0)
        found += [f"a connection to the {name} socket" for name in sorted(set(self.calls))]
        self.calls.clear()
        packages = [entry for entry in sys.path if entry.endswith("-packages")]
        for folder in (*LITTERED, *packages):
            for path in Path(folder).glob(f"{self.mark}*"):
                found.append(f"left {path.parent}")
                path.unlink()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if self.mark in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append("a process was left")
                    process.kill()
        return found


class Peak:
    """The most memory that the processes of a run had together, looked at from outside."""

    def __init__(self, spared: int) -> None:
        self.bytes, self._spared = 0, spared

    async def watch(self) -> None:
        while True:
            used = 0
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error, OSError):
                    if process.pid != self._spared:
                        with open(f"/proc/{process.pid}/status") as status:  # noqa: ASYNC230 - no disk is read
                            parts = [line.split() for line in status if line.startswith(("RssAnon", "RssShmem"))]
                        used += sum(int(part[1]) for part in parts)
            self.bytes = max(self.bytes, used * 1024)
            await anyio.sleep(0.03)


async def run_one(world: World, level: str, name: str) -> list[str]:
    """What the candidate `name` did at a level; empty if it was contained."""
    text = (CANDIDATES / f"{name}.py").read_text()
    seconds = 1.0 if "SECONDS = 1.0" in text else SECONDS
    python = probe(Path(sys.executable), "setting")
    told = world.told()
    command = Command(
        argv=(sys.executable, "-u", "-c", RUN, world.mark), cwd=world.root, request=json.dumps(told),
        environment=clean_environment(python.environment_prefix, python.path),
        limits=Limits(seconds, MEMORY, PROCESSES, DISK, DISK, OUTPUT),
        overlays={world.root / "candidate.py": text}, visible=needed_by(python),
    )  # fmt: skip
    lines: list[str] = []
    peak = Peak(world.victim().pid)
    came_in = False

    async def come_in() -> None:
        nonlocal came_in
        while not came_in:
            with contextlib.suppress(OSError):
                await (await anyio.connect_tcp("127.0.0.1", world.port)).aclose()
                came_in = True
            await anyio.sleep(0.05)

    started = time.monotonic()
    async with anyio.create_task_group() as tasks:
        if name.startswith("memory"):
            tasks.start_soon(peak.watch)
        if name.startswith("listen"):
            tasks.start_soon(come_in)
        async with await open_cell(world.root, level) as cell:
            ended = await cell.run(command, lines.append)
        tasks.cancel_scope.cancel()
    return [*_judge(ended, lines, world.secret, time.monotonic() - started - seconds, peak, came_in), *world.harm()]


def _judge(ended: Ended, lines: list[str], secret: str, late: float, peak: Peak, came_in: bool) -> list[str]:
    said = "\n".join(lines)
    found = [line[:200] for line in (said + "\n" + ended.output).splitlines() if line.startswith("HARM")][:3]
    if secret in said + ended.output:
        found.append("read a secret")
    if "Traceback" in ended.output and "in f\n" not in ended.output and "INTERNALERROR" not in ended.output:
        found.append(f"the candidate itself is broken: {ended.output.strip()[-300:]}")
    if late > GRACE_SECONDS:
        found.append(f"ended {late:.1f} s late")
    if len(said) > 2 * OUTPUT or len(ended.output) > 2 * OUTPUT:
        found.append("printed more than it may")
    if peak.bytes > MOST_MEMORY:
        found.append(f"used {peak.bytes >> 20} MiB")
    if came_in:
        found.append("was connected to from outside")
    return found


async def run(folder: Path, level: str, chosen: list[str]) -> dict[str, list[str]]:
    """What each candidate did, by name; those that were contained did nothing."""
    with World(folder).alive() as world:
        return {name: await run_one(world, level, name) for name in chosen}


async def run_warm(folder: Path, chosen: list[str]) -> dict[str, list[str]]:
    """The same for candidates that tests call in a fork of the warm server."""
    limits = functools.partial(Limits, processes=PROCESSES, file_bytes=DISK, disk_bytes=DISK, output_bytes=OUTPUT)
    with World(folder).alive() as world, mock.patch("engine.verification.running.Limits", limits):
        settings = Settings(test_memory_mb=MEMORY // MIB, test_timeout_seconds=SECONDS)
        async with Verifier(world.root, probe(Path(sys.executable), "setting"), settings) as verifier:
            file, tests = world.root / "lib.py", world.root / "test_lib.py"
            texts = {file: f"def f(world):\n    {reach_statement('f')}\n    raise NotImplementedError\n"}
            baseline = await verifier.baseline(
                target_path=file, targets=["f"], stubs=["f"], instrumented=texts, overlays={}, nominated=[tests]
            )
            verifier.keep_warm(baseline, texts, targets=["f"], stubs=["f"])
            found = {}
            for name in chosen:
                if why := await verifier.warmed():
                    raise RuntimeError(f"before {name}, runs are not warm: {why}")
                found[name] = await _run_in_a_fork(world, verifier, baseline, name)
            return found


async def _run_in_a_fork(world: World, verifier: Verifier, baseline: Baseline, name: str) -> list[str]:
    text = (CANDIDATES / f"{name}.py").read_text()
    seconds = 1.0 if "SECONDS = 1.0" in text else SECONDS
    texts = {world.root / "lib.py": text, world.root / "world.json": json.dumps(world.told())}
    started = time.monotonic()
    done = await verifier.run(baseline.judge, texts, time_limit=seconds)
    late = time.monotonic() - started - seconds
    if not done.warm:
        raise RuntimeError(f"{name} was run cold")
    ended = Ended(None, "", done.seconds, 0.0)
    lines = [done.output, *(result.message.removeprefix("AssertionError: ") for result in done.results)]
    return [*_judge(ended, lines, world.secret, late, Peak(0), came_in=False), *world.harm()]


if __name__ == "__main__":
    print(json.dumps(anyio.run(run, Path(sys.argv[1]), sys.argv[2], sys.argv[3:] or names())))
