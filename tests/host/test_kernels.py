"""A machine that announces AMX and faults when it is used gets a host without it; one that runs it keeps it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from host_process import HostProcess

from engine.host import kernels
from engine.host.kernels import announces_amx, runs_amx

INFO = "CPU : AVX512 = 1 | AMX_INT8 = 1 | "
FAULT = ("-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

# A llama.cpp that was built for AMX, on a machine on which its first step faults where the weights are made for that.
FAULTY = """
import os, signal
import llama_cpp
from engine.host import kernels

real_load, real_decode = llama_cpp.llama_model_load_from_file, llama_cpp.llama_decode
amx = False

def load(path, params):
    global amx
    amx = params.use_extra_bufts
    return real_load(path, params)

def decode(context, batch):
    if amx:
        os.kill(os.getpid(), signal.SIGSEGV)
    return real_decode(context, batch)

llama_cpp.llama_print_system_info = lambda: b"AMX_INT8 = 1"
llama_cpp.llama_model_load_from_file, llama_cpp.llama_decode = load, decode
kernels._TRIAL = {trial!r}
kernels._KEPT = {kept!r}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kept = tmp_path / "cache" / "amx.json"
    monkeypatch.setattr(kernels, "_KEPT", str(kept))
    return kept


def test_what_llama_cpp_was_built_for_is_read_from_what_it_says_of_itself() -> None:
    assert announces_amx(INFO)
    assert not announces_amx("CPU : AVX512 = 1 | AMX_INT8 = 0 | ")
    assert not announces_amx("")


def test_a_fault_is_found_once_and_looked_for_again_when_the_machine_has_started(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_TRIAL", FAULT)
    assert not runs_amx(small_model, INFO)
    monkeypatch.setattr(kernels, "_TRIAL", ("-c", ""))
    assert not runs_amx(small_model, INFO), "it was kept"
    boot = tmp_path / "boot"
    boot.write_text("another\n")
    monkeypatch.setattr(kernels, "_BOOT", boot)
    assert runs_amx(small_model, INFO)


@pytest.mark.parametrize("trial", ["raise SystemExit(1)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_what_is_no_fault_is_not_taken_for_one_nor_kept(
    small_model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, trial: str
) -> None:
    monkeypatch.setattr(kernels, "_TRIAL", ("-c", trial))
    assert runs_amx(small_model, INFO)
    assert not cache.exists()


@pytest.mark.model
def test_the_trial_of_a_real_model_ends_in_order_or_by_a_fault(small_model: Path) -> None:
    import llama_cpp

    runs = kernels._try(small_model)
    announced = announces_amx(bytes(llama_cpp.llama_print_system_info()).decode())
    assert runs is True or (announced and runs is False)


@pytest.mark.model
def test_a_host_where_it_faults_goes_without_and_says_so(
    small_model: Path, start_host: Callable[..., HostProcess], cache: Path
) -> None:
    faulty = FAULTY.format(trial=FAULT, kept=str(cache))
    host = start_host(small_model, "--context", "512", before=faulty)
    health = host.wait_for(lambda health: health["status"] == "ok", seconds=120)
    assert "without AMX" in health["note"]
    assert host.ask("Count: 1, 2, 3,", temperature=0, max_tokens=4)["choices"][0]["message"]["content"]
