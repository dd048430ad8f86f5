"""Energy is read from the machine's meters where it can be, else estimated; the label always says which."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from engine.energy import Account, Energy, Meter, Work
from engine.energy.meter import Opener
from engine.energy.nvml import Nvml
from engine.energy.powermetrics import PowerMetrics, intervals
from engine.energy.rapl import Rapl
from engine.generation.local import _Spent

# As /sys/class/powercap shows them on a machine with one package: the cores lie within it, the memory beside it, and
# psys around it all.
DOMAINS = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:0:1": "dram", "intel-rapl:1": "psys"}
RANGE = 262_143_328_850

# Readings of a package's counter in microjoules, one a second: a machine that begins to work, and a wrap-around.
RAPL_TRACE = (262_101_000_000, 262_113_200_000, 262_127_900_000, 262_142_750_000, 14_521_150, 29_371_150, 36_000_000)
# Readings of a card's counter in millijoules, half a second apart: idle, at work, idle.
NVML_TRACE = (81_204_511, 81_210_011, 81_335_511, 81_460_011, 81_464_511)


def show(powercap: Path, **microjoules: int) -> None:
    """Write the counters, as the kernel would show them at one moment; domains not named read 77 J."""
    for domain, name in DOMAINS.items():
        folder = powercap / domain
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
        (folder / "energy_uj").write_text(f"{microjoules.get(name.replace('-', '_'), 77_000_000)}\n")


def cards(*traces: Sequence[int]) -> Any:
    """NVIDIA's bindings, replaying a trace a card; a card without a trace has no counter."""

    class NVMLError(Exception):
        pass

    left = [list(trace) for trace in traces]

    def counter(index: int) -> int:
        if not left[index]:
            raise NVMLError("Not Supported")
        return left[index].pop(0)

    nothing = lambda: None  # noqa: E731 - two of them
    return SimpleNamespace(
        NVMLError=NVMLError, nvmlInit=nothing, nvmlShutdown=nothing, nvmlDeviceGetCount=lambda: len(traces),
        nvmlDeviceGetHandleByIndex=lambda index: index, nvmlDeviceGetTotalEnergyConsumption=counter,
    )  # fmt: skip


def meter(*openers: Opener, cpu_watts: float = 10.0, gpu_watts: float = 0.0) -> Meter:
    made = Meter(cpu_watts, gpu_watts, openers=openers)
    made.start()
    return made


def rapl(powercap: Path) -> Callable[[], Rapl | None]:
    return lambda: Rapl.open(powercap)


def on_gpu(cpu: float, prompt: float, decode: float) -> Work:
    """Work of a model that is on a GPU."""
    return Work(cpu, prompt, decode, prompt, decode)


def test_the_package_and_its_memory_are_the_measure(tmp_path: Path) -> None:
    show(tmp_path, package_0=1_000_000_000, dram=1_000_000)
    measuring = meter(rapl(tmp_path))
    show(tmp_path, package_0=1_030_000_000, dram=7_000_000, core=500_000_000, psys=900_000_000)
    assert measuring.read(Work(), 5.0) == Energy(
        36 / 3600, "measured (RAPL)", {"prompt": 0.0, "decode": 0.0, "tests": 36 / 3600}
    )


def test_a_recorded_trace_with_a_wrap_around_adds_up(tmp_path: Path) -> None:
    show(tmp_path, package_0=RAPL_TRACE[0])
    measuring = meter(rapl(tmp_path))
    read = []
    for reading in RAPL_TRACE[1:]:
        show(tmp_path, package_0=reading)
        read.append(measuring.read(Work(), 0.0).watt_hours * 3600)
    expected = (RANGE - RAPL_TRACE[0] + RAPL_TRACE[-1]) / 1e6
    assert read[-1] == pytest.approx(expected) == pytest.approx(78.32885)
    assert read == sorted(read) and read[0] == pytest.approx(12.2)


def test_packages_are_added_up(tmp_path: Path) -> None:
    show(tmp_path, package_0=0)
    (tmp_path / "intel-rapl:1" / "name").write_text("package-1\n")
    measuring = meter(rapl(tmp_path))
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("3600000000")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text(str(77_000_000 + 3_600_000_000))
    assert measuring.read(Work(), 0.0).watt_hours == 2.0


def test_without_counters_it_is_estimated_from_cpu_time(tmp_path: Path) -> None:
    energy = meter(rapl(tmp_path / "absent"), cpu_watts=12.0).read(Work(cpu_seconds=240.0, decode_seconds=120.0), 60.0)
    assert (energy.watt_hours, energy.label) == (1.0, "estimated")
    assert energy.phases == pytest.approx({"prompt": 0.0, "decode": 0.8, "tests": 0.2})


def test_counters_that_vanish_midway_leave_the_estimate(tmp_path: Path) -> None:
    show(tmp_path, package_0=5)
    measuring = meter(rapl(tmp_path), cpu_watts=12.0)
    show(tmp_path, package_0=36_000_005)
    assert measuring.read(Work(), 1.0).label == "measured (RAPL)"
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    energy = measuring.read(Work(), 31.0)
    assert (energy.watt_hours, energy.label) == (pytest.approx(0.01 + 0.1), "estimated")


def test_counters_that_cannot_be_read_as_numbers_leave_the_estimate(tmp_path: Path) -> None:
    show(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("")
    assert meter(rapl(tmp_path), cpu_watts=12.0).read(Work(), 30.0).label == "estimated"


def test_what_is_measured_is_split_by_who_worked_since_the_last_reading(tmp_path: Path) -> None:
    show(tmp_path, package_0=0)
    measuring = meter(rapl(tmp_path))
    show(tmp_path, package_0=30_000_000)
    first = measuring.read(Work(cpu_seconds=6.0, prompt_seconds=3.0), 0.0)
    assert first.phases == pytest.approx({"prompt": 30 / 3600, "decode": 0.0, "tests": 0.0})
    show(tmp_path, package_0=90_000_000)
    second = measuring.read(Work(cpu_seconds=10.0, prompt_seconds=3.0, decode_seconds=2.0), 2.0)
    assert second.phases == pytest.approx({"prompt": 30 / 3600, "decode": 40 / 3600, "tests": 20 / 3600})


def test_what_is_drawn_while_nobody_works_belongs_to_whoever_works_next(tmp_path: Path) -> None:
    show(tmp_path, package_0=0)
    measuring = meter(rapl(tmp_path))
    show(tmp_path, package_0=10_000_000)
    idle = measuring.read(Work(), 0.0)
    assert idle.watt_hours == pytest.approx(10 / 3600) and sum(idle.phases.values()) == 0.0
    show(tmp_path, package_0=30_000_000)
    assert measuring.read(Work(), 1.0).phases["tests"] == pytest.approx(30 / 3600)


def test_a_recorded_trace_of_a_card_adds_up_where_the_model_is_on_it(tmp_path: Path) -> None:
    measuring = meter(rapl(tmp_path), lambda: Nvml.over(cards(NVML_TRACE)), cpu_watts=36.0)
    energies = [measuring.read(on_gpu(n, n / 4, n * 3 / 4), 0.0) for n in range(1, len(NVML_TRACE))]
    last = energies[-1]
    assert last.label == "GPU measured (NVML), CPU estimated"
    assert last.watt_hours * 3600 == pytest.approx((NVML_TRACE[-1] - NVML_TRACE[0]) / 1e3 + 4 * 36)
    assert last.phases["decode"] == pytest.approx(3 * last.phases["prompt"])


def test_a_card_that_the_model_is_not_on_does_not_count() -> None:
    energy = meter(lambda: Nvml.over(cards(NVML_TRACE)), cpu_watts=36.0).read(Work(cpu_seconds=100.0), 0.0)
    assert (energy.watt_hours, energy.label) == (1.0, "estimated")


def test_cards_without_a_counter_are_passed_over_and_a_driver_loaded_anew_counts_from_zero(tmp_path: Path) -> None:
    show(tmp_path, package_0=0)
    nvml = cards((), (900_000, 903_600, 3_600))
    measuring = meter(rapl(tmp_path), lambda: Nvml.over(nvml))
    assert measuring.read(on_gpu(0.0, 0.0, 1.0), 0.0).watt_hours == pytest.approx(0.001)
    again = measuring.read(on_gpu(0.0, 0.0, 2.0), 0.0)
    assert (again.watt_hours, again.label) == (pytest.approx(0.002), "measured (RAPL, NVML)")
    assert Nvml.over(cards(())) is None


def test_a_card_without_a_meter_is_estimated() -> None:
    energy = meter(cpu_watts=0.0, gpu_watts=180.0).read(on_gpu(0.0, 5.0, 15.0), 0.0)
    assert (energy.watt_hours, energy.label) == (1.0, "estimated")


def test_a_card_that_was_lost_costs_nothing_more_while_the_model_goes_on_without_it() -> None:
    spent = _Spent(started={5, 6})

    def health(pid: int, seconds: float, device: str) -> dict[str, float | str]:
        return {"pid": pid, "cpu_seconds": 0.0, "decode_seconds": seconds, "prompt_seconds": 0.0, "device": device}

    measuring = meter(cpu_watts=0.0, gpu_watts=180.0)
    spent.learn(health(5, 20.0, "GPU"))
    assert measuring.read(spent.total, 0.0).watt_hours == 1.0
    for seconds in (100.0, 200.0):
        spent.learn(health(6, seconds, "CPU"))
        energy = measuring.read(spent.total, 0.0)
        assert energy.watt_hours == 1.0 and energy.phases["decode"] == 1.0
    assert spent.total.decode_seconds == 220.0


def test_work_that_is_told_as_less_for_a_while_is_not_counted_twice() -> None:
    measuring = meter(cpu_watts=36.0)
    for told, watt_hours in ((100.0, 1.0), (0.0, 1.0), (100.0, 1.0), (200.0, 2.0)):
        assert measuring.read(Work(cpu_seconds=told), 0.0).watt_hours == watt_hours


def test_this_machines_own_cards_are_asked_through_the_real_bindings() -> None:
    """Whatever is here: no card and no driver is an answer, never an error."""
    source = Nvml.open()
    if source is not None:
        assert source.joules() >= 0
        source.close()


def test_work_elsewhere_is_said_to_be_missing() -> None:
    assert meter().read(Work(elsewhere=True), 1.0).label == "estimated, this machine's part alone"


def test_macos_intervals_are_power_times_their_length() -> None:
    """The form that powermetrics prints on Apple's chips, and on Intel's."""
    apple = """Machine model: Mac15,12

*** Sampled system activity (Tue Dec  9 13:28:01 2025 -0600) (1003.37ms elapsed) ***

**** Processor usage ****
E-Cluster HW active frequency: 1044 MHz
CPU Power: 823 mW
GPU Power: 26 mW
ANE Power: 323 mW
Combined Power (CPU + GPU + ANE): 1172 mW

**** GPU usage ****
GPU Power: 26 mW
Combined Power (CPU + GPU + ANE): 1172 mW
*** Sampled system activity (Tue Dec  9 13:28:02 2025 -0600) (500.00ms elapsed) ***
Combined Power (CPU + GPU + ANE): 4000 mW
"""
    intel = """*** Sampled system activity (Fri Nov 15 10:00:00 2024 -0800) (1000ms elapsed) ***
Intel energy model derived package power (CPUs+GT+SA): 4.25W
"""
    assert list(intervals(apple.splitlines())) == pytest.approx([1.172 * 1.00337, 2.0])
    assert list(intervals(intel.splitlines())) == pytest.approx([4.25])


def test_a_meter_that_takes_no_signal_from_us_ends_by_its_closed_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """As powermetrics does under sudo."""
    line = "*** Sampled system activity (now) (1000ms elapsed) ***\\nCombined Power (CPU + GPU + ANE): 1000 mW"
    command = ["sh", "-c", f"while printf '{line}\\n' 2>/dev/null; do sleep 0.05; done"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    metering = PowerMetrics(process)
    while metering.joules() == 0:
        time.sleep(0.01)

    def forbidden() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(process, "terminate", forbidden)
    metering.close()
    assert process.poll() is not None


def test_a_meter_that_cannot_be_closed_does_not_take_the_outcome_along() -> None:
    class Stuck:
        name, covers = "stuck", "cpu"

        def joules(self) -> float:
            return 1.0

        def close(self) -> None:
            raise PermissionError(1, "Operation not permitted")

    meter(Stuck).stop()  # type: ignore[arg-type] # a meter like any other


def test_what_a_host_had_done_before_this_run_met_it_is_not_this_runs() -> None:
    spent = _Spent(started={7})

    def health(pid: int, cpu: float) -> dict[str, float]:
        return {"pid": pid, "cpu_seconds": cpu, "prompt_seconds": cpu / 2, "decode_seconds": cpu}

    spent.learn(health(5, 7200.0))  # a host of another window's
    spent.learn(health(5, 7203.0))
    assert spent.total.cpu_seconds == pytest.approx(3.0)
    spent.learn(health(7, 4.0))  # one that was started in its place: its loading counts
    assert spent.total.cpu_seconds == pytest.approx(7.0)
    spent.learn(health(9, 100.0))
    spent.learn(health(9, 101.0))
    assert spent.total.cpu_seconds == pytest.approx(8.0)


def test_money_is_energy_times_price() -> None:
    assert Energy(500.0, "estimated").cost(0.30) == pytest.approx(0.15)


def test_an_account_counts_the_models_work_from_when_it_was_attached() -> None:
    done = [Work(cpu_seconds=1000.0, decode_seconds=500.0), Work(cpu_seconds=1036.0, decode_seconds=518.0), None]

    async def ask() -> Work | None:
        return done.pop(0)

    async def books() -> tuple[Energy, Energy]:
        account = Account(Meter(100.0, openers=()))
        await account.attach(ask)
        first = await account.read(36.0)
        second = await account.read(72.0)  # the host does not answer just now: what is known stays
        account.close()
        return first, second

    first, second = anyio.run(books)
    assert first.phases == pytest.approx({"prompt": 0.0, "decode": 1.0, "tests": 1.0})
    assert second.phases == pytest.approx({"prompt": 0.0, "decode": 1.0, "tests": 2.0})
