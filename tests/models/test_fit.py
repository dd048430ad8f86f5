"""What fits a machine, and how fast: plans for machines described in files, and their parts against what is known."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner

from engine.bench import raw
from engine.bench.raw import Raw
from engine.cli.fit import describe, table
from engine.cli.models import models
from engine.doctor import gpu_finding
from engine.errors import ModelError
from engine.machine import gpus, hardware, speed
from engine.machine.devices import Build, Device, ask
from engine.machine.gguf import read_header
from engine.machine.gpus import Gpu, nvidia
from engine.machine.hardware import Hardware, load
from engine.models import catalogue, choice, store
from engine.models.choice import choose
from engine.models.fit import Plan, plan, plans
from engine.models.shape import Shape

MACHINES = Path(__file__).parent / "machines"
"""Made from data sheets (cards, memory sizes, bandwidths) and from what such processors measure."""
GB = 1e9


def machine(name: str) -> Hardware:
    return load((MACHINES / f"{name}.json").read_text("utf-8"))


def planned(name: str, **options: Any) -> dict[str, Plan]:
    found = machine(name)
    rows = list(plans(catalogue.load().models, found, **options))
    print("\n".join([*describe(found), *table(rows)]))  # seen with `pytest -s`
    return {row.model.removeprefix("qwen2.5-coder-"): row for row in rows}


def test_the_reference_case_14b_with_8_candidates_is_wholly_on_a_16_gb_card() -> None:
    row = planned("rtx_16gb", sequences=8)["14b"]
    assert (row.fits, row.device, row.gpu_layers, row.layers) == (True, "GPU", 49, 49)
    # 9.0 GB of weights, 1.6 of cache (48 layers, 8 heads of 128, 8192 tokens, 16 bits), 0.4 of logits, the driver.
    assert 11.0 * GB < row.gpu_memory < 12.5 * GB
    # A token reads 8.5 GB at seven tenths of 288 GB/s; eight together share that.
    assert 20 < row.decode_rate < 26 and 80 < row.decode_rate_n < 8 * row.decode_rate
    assert row.seconds < 15


def test_a_card_with_less_room_gets_fewer_layers_and_a_smaller_cache_gives_some_back() -> None:
    small = machine("rtx_16gb")
    small = evolve(small, gpus=(evolve(small.gpus[0], total=8_589_934_592, free=8_000_000_000),))
    shape = Shape.of_entry(catalogue.load().entry("qwen2.5-coder-14b"))
    assert shape is not None
    rows = [plan("14b", shape, small, kv=kv) for kv in ("f16", "q8_0", "q4_0")]
    layers = [row.gpu_layers for row in rows]
    assert 0 < layers[0] < layers[1] <= layers[2] < 49
    for row in rows:
        assert row.device == "GPU+CPU" and row.gpu_memory < 8_000_000_000
        assert row.decode_rate < planned("rtx_16gb")["14b"].decode_rate


def test_a_laptop_with_8_gb_and_no_gpu_can_have_up_to_3b() -> None:
    rows = planned("laptop_8gb")
    assert {name for name, row in rows.items() if row.fits} == {"0.5b", "1.5b", "3b"}
    assert {row.device for row in rows.values()} == {"CPU"}
    rates = [row.decode_rate for row in rows.values()]
    assert rates == sorted(rates, reverse=True)


def test_an_apple_chip_shares_its_memory_between_both() -> None:
    rows = planned("apple_m2_16gb")
    assert rows["7b"].fits and rows["7b"].device == "GPU"
    assert rows["7b"].ram > rows["7b"].gpu_memory, "the GPU's part is taken from the machine's memory"
    assert not rows["14b"].fits
    assert 8 < rows["7b"].decode_rate < 20


def test_other_quantizations_are_smaller_or_larger_and_so_slower_or_faster() -> None:
    found = machine("laptop_8gb")
    entry = catalogue.load().entry("qwen2.5-coder-7b")
    own, large, small = plans([entry], found, kinds=("Q8_0", "Q2_K"))
    assert [row.kind for row in (own, large, small)] == ["Q4_K_M", "Q8_0", "Q2_K"]
    assert small.ram < own.ram < large.ram and small.decode_rate > own.decode_rate > large.decode_rate


def test_the_catalogue_says_of_a_file_what_its_head_says(small_model: Path) -> None:
    head, entry = Shape.of_header(read_header(small_model)), catalogue.load().entry("qwen2.5-coder-0.5b")
    told = Shape.of_entry(entry)
    assert told is not None and evolve(head, file=0) == evolve(told, file=0)
    assert told.file == pytest.approx(head.file, rel=0.02)
    assert head.body + head.output == pytest.approx(entry.parameters * 1e9, rel=0.02)


def test_all_models_of_the_catalogue_have_the_number_of_weights_they_are_named_after() -> None:
    for entry in catalogue.load().models:
        shape = Shape.of_entry(entry)
        assert shape is not None
        small = entry.width < 3000  # these have one table in the original, counted once
        assert shape.body + shape.output * (1 if small else 2) == pytest.approx(entry.parameters * 1e9, rel=0.01)


def test_a_machine_that_was_not_measured_gets_no_rates() -> None:
    row = next(plans(catalogue.load().models, evolve(machine("laptop_8gb"), bandwidth=0.0, flops=0.0)))
    assert (row.fits, row.decode_rate, row.seconds) == (True, 0.0, 0.0)
    assert "?" in list(table([row]))[-1]


def test_auto_is_the_largest_that_is_soon_and_says_why() -> None:
    known = catalogue.load()
    small, middle, seven = (known.entry(f"qwen2.5-coder-{size}b") for size in ("0.5", "1.5", "7"))
    here = choose([small, middle, seven], machine("rtx_16gb"))
    assert here.entry is seven and "gives an edit soon here" in here.why and "estimated" in here.why
    assert choose([small, middle, seven], machine("laptop_8gb")).entry is middle
    slow = evolve(machine("laptop_8gb"), bandwidth=2e9, flops=5e9)
    assert choose([small, middle], slow).entry is small
    tiny = evolve(machine("laptop_8gb"), ram_free=10**8)
    nothing_fits = choose([middle, small], tiny)
    assert nothing_fits.entry is small and "none fits in the memory that is free" in nothing_fits.why


def test_auto_goes_by_what_fit_has_found_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GREENFINCH_MODELS", str(tmp_path))
    known = catalogue.load()
    for entry in known.models[:2]:
        with (tmp_path / entry.file).open("wb") as file:
            file.write(b"GGUF")
            file.truncate(entry.size)
    assert hardware.kept() is None
    assert "greenfinch models fit" in store.resolve("auto").why
    assert store.resolve("auto").name == "qwen2.5-coder-1.5b"
    mine = evolve(
        machine("laptop_8gb"), cpu=hardware.cpu_name(), cores=hardware.usable_cores(), bandwidth=2e9, flops=1e10
    )
    hardware.keep(mine)
    assert store.resolve("auto").name == "qwen2.5-coder-0.5b"
    hardware.keep(evolve(mine, bandwidth=1e9, flops=1e11))
    kept = hardware.kept()
    assert kept is not None and (kept.bandwidth, kept.flops) == (2e9, 1e11), "the better of both measurements"
    hardware.keep(evolve(mine, cpu="another"))
    assert hardware.kept() is None
    assert store.resolve("qwen2.5-coder-0.5b").why == ""


def test_what_was_kept_counts_with_the_build_that_it_was_measured_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mine = evolve(machine("rtx_16gb"), cpu=hardware.cpu_name(), cores=hardware.usable_cores(), flops=1e12)

    def install(environment: str, size: int) -> None:
        package = tmp_path / environment / "llama_cpp"
        (package / "lib").mkdir(parents=True)
        (package / "__init__.py").write_text("raise AssertionError('it is not imported')")
        (package / "lib" / "libggml.so").write_bytes(b"x" * size)
        monkeypatch.delitem(sys.modules, "llama_cpp", raising=False)
        monkeypatch.syspath_prepend(str(package.parent))

    install("a", 9)
    hardware.keep(mine)
    assert hardware.kept() is not None
    install("b", 5)
    assert hardware.kept() is None, "built otherwise"
    install("c", 9)
    assert hardware.kept() is not None, "the same in another environment, as an editor's server has it"
    install("d", 5)
    hardware.keep(evolve(mine, flops=1e11))
    kept = hardware.kept()
    assert kept is not None and kept.flops == 1e11, "speeds of another build are not its own"


@pytest.fixture
def host_of(request: pytest.FixtureRequest) -> Callable[[Path], subprocess.Popen[bytes]]:
    """Starts what looks like a model host in the list of processes, and ends it after the test."""

    def start(model: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "import time; time.sleep(60)", "engine.host", "--model", str(model)]
        process = subprocess.Popen(command)
        request.addfinalizer(process.wait)
        request.addfinalizer(process.kill)
        return process

    return start


def test_auto_stays_with_a_model_whose_own_host_holds_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host_of: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GREENFINCH_MODELS", str(tmp_path))
    small, middle = catalogue.load().models[:2]
    for entry in (small, middle):
        with (tmp_path / entry.file).open("wb") as file:
            file.write(b"GGUF")
            file.truncate(entry.size)
    hardware.keep(evolve(machine("laptop_8gb"), cpu=hardware.cpu_name(), cores=hardware.usable_cores()))
    left = 8 * 10**9
    monkeypatch.setattr(hardware, "available_bytes", lambda: left)
    assert store.resolve("auto").name == middle.name
    left = 1_500_000_000  # by another program: there is room for the small one alone
    assert store.resolve("auto").name == small.name
    host = host_of(tmp_path / middle.file)
    assert store.resolve("auto").name == middle.name
    left = 10**8
    assert store.resolve("auto").name == middle.name
    host.kill()
    host.wait()
    left = 1_500_000_000
    assert store.resolve("auto").name == small.name


def test_hosts_are_not_looked_for_where_memory_is_plenty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(_entries: object) -> frozenset[str]:
        raise AssertionError

    monkeypatch.setattr(choice, "hosted", look)
    roomy = evolve(machine("laptop_8gb"), ram=64 * 10**9, ram_free=60 * 10**9)
    monkeypatch.setattr(hardware, "kept", lambda: roomy)
    assert choose(catalogue.load().models[:2]).entry is catalogue.load().models[1]


def test_what_was_kept_is_told_with_the_memory_that_cards_have_free_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = evolve(machine("rtx_16gb"), cpu=hardware.cpu_name(), cores=hardware.usable_cores(), gpu_build=True)
    card = evolve(found.gpus[0], free=10**9)  # as a host has left it while `fit` ran
    other = Gpu("Radeon", "AMD", 8 * 10**9, 10**9)
    hardware.keep(evolve(found, gpus=(card, card, other)))
    monkeypatch.setattr(gpus, "_nvidia", lambda: iter([evolve(card, free=2 * 10**9), evolve(card, free=3 * 10**9)]))
    kept = hardware.kept()
    assert kept is not None and [gpu.free for gpu in kept.gpus] == [2 * 10**9, 3 * 10**9, 8 * 10**9]


def test_fit_plans_for_a_machine_in_a_file_and_prints_it_as_such_a_file(tmp_path: Path) -> None:
    file = MACHINES / "rtx_16gb.json"
    shown = CliRunner().invoke(models, ["fit", "--machine", str(file), "--all"]).stdout
    assert "RTX 4060 Ti" in shown and "estimated" in shown and "Q8_0" in shown
    told = json.loads(CliRunner().invoke(models, ["fit", "--machine", str(file), "--json"]).stdout)
    (tmp_path / "again.json").write_text(json.dumps(told["machine"]))
    assert load((tmp_path / "again.json").read_text()) == machine("rtx_16gb")
    assert [row["device"] for row in told["plans"]] == ["GPU"] * 5
    (tmp_path / "bad.json").write_text("{}")
    error = CliRunner().invoke(models, ["fit", "--machine", str(tmp_path / "bad.json")]).exception
    assert "no description of hardware" in str(error)


@pytest.fixture
def two_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the 0.5B and the 7B model's names and heads, on a laptop that was read just now."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GREENFINCH_MODELS", str(tmp_path))
    monkeypatch.setattr(hardware, "read", lambda: machine("laptop_8gb"))
    for name in ("0.5b", "7b"):
        entry = catalogue.load().entry(f"qwen2.5-coder-{name}")
        shape = {"block_count": entry.layers, "embedding_length": entry.width, "feed_forward_length": entry.inner,
                 "attention.head_count": entry.heads, "attention.head_count_kv": entry.kv_heads,
                 "context_length": entry.context}  # fmt: skip
        with (tmp_path / entry.file).open("wb") as file:
            file.write(head(shape))
            file.truncate(entry.size)
    return tmp_path


def head(numbers: dict[str, int]) -> bytes:
    """Of a GGUF file of the architecture `qwen2` without tensors."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    made = b"GGUF" + struct.pack("<IQQ", 3, 0, 1 + len(numbers))
    made += text("general.architecture") + struct.pack("<I", 8) + text("qwen2")
    for key, number in numbers.items():
        made += text(f"qwen2.{key}") + struct.pack("<II", 4, number)
    return made


class Meter:
    """In place of a measurement."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, int]] = []
        self.broken = ""
        monkeypatch.setattr(raw, "measure", self)

    def __call__(self, file: Path, *, context: int, n: int, **_: int) -> Raw:
        if self.broken in file.name and self.broken:
            raise ModelError(f"{file.name} could not be measured: it broke.")
        self.asked.append((file.name, n))
        return Raw(80.0, 30.0, 60.0, 10**9, 0)


def test_what_does_not_fit_is_not_loaded_to_be_measured(two_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(monkeypatch)
    done = CliRunner().invoke(models, ["fit", "--measure", "--rounds", "1"])
    assert done.exit_code == 0, done.output
    assert [name for name, _ in meter.asked] == ["qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"]
    assert "qwen2.5-coder-7b is left out: It does not fit" in done.stderr
    assert "decode tokens/s, 8 at once" in done.stdout


def test_a_model_that_cannot_be_measured_takes_nothing_from_the_others(
    two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "read", lambda: evolve(machine("laptop_8gb"), ram_free=10**11))
    meter = Meter(monkeypatch)
    meter.broken = "0.5b"
    done = CliRunner().invoke(models, ["fit", "--measure", "--rounds", "1"])
    assert done.exit_code == 0, done.output
    assert "estimated, with a context" in done.stdout and len(meter.asked) == 1
    assert "it broke" in done.stderr
    (two_models / catalogue.load().entry("qwen2.5-coder-7b").file).open("r+b").write(b"GGUF\xff\xff")
    told = json.loads(CliRunner().invoke(models, ["fit", "--measure", "--rounds", "1", "--json"]).stdout)
    assert len(told["plans"]) == 5 and told["measured"] == []
    assert list(told["not_measured"]) == ["qwen2.5-coder-0.5b", "qwen2.5-coder-7b"]


def test_no_more_candidates_are_measured_than_the_context_has_cells_for(
    two_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(monkeypatch)
    done = CliRunner().invoke(models, ["fit", "--measure", "--rounds", "1", "--context", "512"])
    assert [n for _, n in meter.asked] == [3], "400 tokens of prompt and 32 of each are no more than 512"
    assert "decode tokens/s, 3 at once" in done.stdout


def test_another_machine_cannot_be_measured() -> None:
    done = CliRunner().invoke(models, ["fit", "--machine", str(MACHINES / "rtx_16gb.json"), "--measure"])
    assert done.exit_code == 2 and "--measure is of this machine" in done.stderr


def test_memory_is_asked_for_before_a_model_is_measured(two_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.machine.memory.available_bytes", lambda: 10**9)
    with pytest.raises(ModelError, match=r"1,000 MB are available"):
        raw._load(two_models / catalogue.load().entry("qwen2.5-coder-7b").file, 2048, 1)
    with pytest.raises(ModelError, match=r"too short for a context of 32768"):
        raw._load(two_models / catalogue.load().entry("qwen2.5-coder-0.5b").file, 32768, 1)


def test_without_resource_the_peak_is_what_windows_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    told = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=5, peak_wset=7))
    monkeypatch.setattr(raw.psutil, "Process", lambda: told)
    assert raw._peak() == 7


def test_this_machine_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = hardware.read()
    assert found.cores >= 1 and 0 < found.ram_free <= found.ram
    assert found.bandwidth > 1e8 and found.flops > 1e8 and found.batch_flops > 1e8
    assert found.vectors
    assert load(json.dumps(found.as_json())) == found


def test_speeds_follow_from_the_times_of_one_row_of_a_few_and_of_many() -> None:
    weights = 2048 * 8192 * 6
    found = speed.speed(0.010, 0.045, 0.128)
    assert found.bandwidth == pytest.approx(weights * 4.5 / 8 / 0.010)
    assert found.flops == pytest.approx(2 * weights / 0.005), "seven further rows took 35 ms"
    assert found.batch_flops == pytest.approx(2 * weights * 64 / 0.128)
    assert speed.speed(0.010, 0.009, 0.1).flops > 0, "noise"


def test_one_candidate_is_as_fast_as_one_row_and_prompts_go_by_their_own_speed() -> None:
    shape = Shape.of_entry(catalogue.load().entry("qwen2.5-coder-7b"))
    assert shape is not None
    quick = machine("laptop_8gb")
    one, many = plan("7b", shape, quick, sequences=1), plan("7b", shape, quick, sequences=8)
    assert one.decode_rate == pytest.approx(one.decode_rate_n) == pytest.approx(many.decode_rate)
    assert many.decode_rate < many.decode_rate_n < 8 * many.decode_rate
    faster = plan("7b", shape, evolve(quick, batch_flops=2 * quick.batch_flops))
    assert faster.prompt_rate > 1.8 * one.prompt_rate and faster.decode_rate == one.decode_rate


def test_llama_cpp_is_asked_in_a_process_of_its_own() -> None:
    build = ask()
    assert not build.problem and build.version
    assert build.gpu or build.devices == ()


def test_nvidia_cards_tell_their_memory_bandwidth_and_speed() -> None:
    class NVMLError(Exception):
        pass

    def unknown(_handle: object) -> int:
        raise NVMLError

    nvml = SimpleNamespace(
        NVMLError=NVMLError, NVML_CLOCK_MEM=2, NVML_CLOCK_SM=1, nvmlInit=lambda: None, nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: 1, nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda handle: "NVIDIA GeForce RTX 4060 Ti",
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=17_175_674_880, free=16_000_000_000),
        nvmlDeviceGetMemoryBusWidth=lambda handle: 128, nvmlDeviceGetNumGpuCores=lambda handle: 4352,
        nvmlDeviceGetMaxClockInfo=lambda handle, kind: {2: 9001, 1: 3105}[kind],
    )  # fmt: skip
    (card,) = nvidia(nvml)
    assert card.bandwidth == pytest.approx(288e9, rel=0.01)
    assert card.flops == pytest.approx(27.0e12, rel=0.01)
    nvml.nvmlDeviceGetMemoryBusWidth = unknown
    (card,) = nvidia(nvml)
    assert card.bandwidth == 0.0 and card.total == 17_175_674_880


def test_what_llama_cpp_names_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_nvidia", lambda: iter(()))
    build = Build("1", True, (), (Device("Vulkan0", "AMD Radeon RX 7800 XT (RADV NAVI32)", 17 * 10**9, 16 * 10**9),))
    (card,) = gpus.find(build)
    assert (card.maker, card.total, card.shared) == ("AMD", 17 * 10**9, False)
    assert gpus.apple_bandwidth("Apple M2 Pro") == 200e9


@pytest.mark.parametrize(
    ("maker", "flag", "tool"),
    [("NVIDIA", "-DGGML_CUDA=on", "nvcc"), ("AMD", "-DGGML_HIP=on", "ROCm"), ("Intel", "-DGGML_VULKAN=on", "Vulkan"),
     ("Apple", "-DGGML_METAL=on", "Xcode")],
)  # fmt: skip
def test_doctor_names_the_command_that_rebuilds_llama_cpp_for_an_idle_gpu(maker: str, flag: str, tool: str) -> None:
    gpu = Gpu("A card", maker, 16 * 10**9, 15 * 10**9)
    (finding,) = gpu_finding(Build("0.3.16", False), [gpu])
    assert finding.ok and "built for the CPU alone" in finding.found and tool in finding.remedy
    command = finding.remedy.partition(": ")[2]
    assert command.startswith(f'CMAKE_ARGS="{flag}" ')
    for option in ("--force-reinstall", "--no-cache-dir", "--no-deps", "--no-binary llama-cpp-python"):
        assert option in command, "or pip takes the wheel for the CPU that it keeps"
    (used,) = gpu_finding(Build("0.3.16", True), [gpu])
    assert used.remedy == "" and "used by the installed llama.cpp" in used.found
    (none,) = gpu_finding(Build("0.3.16", False), [])
    assert none.ok and none.remedy == ""
