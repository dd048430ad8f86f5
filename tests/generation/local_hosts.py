"""Model hosts that a test started through a generator, and requests that keep them busy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from engine.generation.base import Message, SampleRequest

COUNTING = SampleRequest(
    (Message("user", "Count from 1 to 1000, one number a line."),),
    prefill="\n".join(map(str, range(1, 40))) + "\n",
    max_tokens=800,
)

# Another process with a generator: it samples with so many seeds at once, a line for each piece, until it is killed.
CLIENT = """
import sys
import anyio
from attrs import evolve
from engine.config import Settings
from engine.generation.base import Message, SampleRequest
from engine.generation.local import LocalGenerator

async def main():
    generator = LocalGenerator(Settings(model=sys.argv[1], context_tokens=1024))
    info = await generator.prepare()
    print("host", info.details["host_pid"], flush=True)
    request = SampleRequest((Message("user", "Count from 1 to 1000, one number a line."),), max_tokens=100)
    async def sample(seed):
        async for piece in generator.sample(evolve(request, seed=seed)):
            print("piece", flush=True)
    async with anyio.create_task_group() as tasks:
        for seed in range(int(sys.argv[2])):
            tasks.start_soon(sample, seed)
    print("done", flush=True)
    sys.stdin.read()
    await generator.aclose()

anyio.run(main)
"""


def hosts(folder: Path) -> list[psutil.Process]:
    """The host processes whose sockets lie in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(argument.startswith(f"{folder}/") for argument in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def client(model: Path, samples: int) -> subprocess.Popen[str]:
    """A client process; it says `host PID` first, `done` when its samples have ended, and stays until stdin ends."""
    command = [sys.executable, "-P", "-c", CLIENT, str(model), str(samples)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
