"""Energy is read from RAPL where it can be, else estimated; the label always says which."""

from pathlib import Path

import pytest

from engine.energy import Energy, Meter

# As /sys/class/powercap shows them on a machine with one package: the core and memory domains lie within it.
DOMAINS = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:0:1": "dram", "intel-rapl:1": "psys"}
RANGE = 262_143_328_850


def show(powercap: Path, **microjoules: int) -> None:
    """Write the counters, as the kernel would show them at one moment; domains not named read 77 J."""
    for domain, name in DOMAINS.items():
        folder = powercap / domain
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
        (folder / "energy_uj").write_text(f"{microjoules.get(name.replace('-', '_'), 77_000_000)}\n")


def test_the_package_counter_is_the_measure(tmp_path: Path) -> None:
    show(tmp_path, package_0=1_000_000_000)
    meter = Meter(10.0, powercap=tmp_path)
    meter.start()
    show(tmp_path, package_0=1_036_000_000, core=500_000_000, psys=900_000_000)
    assert meter.read(cpu_seconds=5.0) == Energy(36 / 3600, "measured (RAPL)")


def test_a_counter_that_wraps_around_goes_on_counting(tmp_path: Path) -> None:
    show(tmp_path, package_0=RANGE - 10_000_000)
    meter = Meter(10.0, powercap=tmp_path)
    meter.start()
    show(tmp_path, package_0=26_000_000)
    assert meter.read(0.0).watt_hours == pytest.approx(36 / 3600)
    show(tmp_path, package_0=62_000_000)
    assert meter.read(0.0).watt_hours == pytest.approx(72 / 3600)


def test_packages_are_added_up(tmp_path: Path) -> None:
    show(tmp_path, package_0=0)
    (tmp_path / "intel-rapl:1" / "name").write_text("package-1\n")
    meter = Meter(10.0, powercap=tmp_path)
    meter.start()
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("3600000000")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text(str(77_000_000 + 3_600_000_000))
    assert meter.read(0.0) == Energy(2.0, "measured (RAPL)")


def test_without_counters_it_is_estimated_from_cpu_time(tmp_path: Path) -> None:
    meter = Meter(12.0, powercap=tmp_path / "absent")
    meter.start()
    assert meter.read(cpu_seconds=300.0) == Energy(1.0, "estimated")


def test_counters_that_vanish_midway_leave_the_estimate(tmp_path: Path) -> None:
    show(tmp_path, package_0=5)
    meter = Meter(12.0, powercap=tmp_path)
    meter.start()
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert meter.read(cpu_seconds=30.0) == Energy(0.1, "estimated")


def test_counters_that_cannot_be_read_as_numbers_leave_the_estimate(tmp_path: Path) -> None:
    show(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("")
    meter = Meter(12.0, powercap=tmp_path)
    meter.start()
    assert meter.read(cpu_seconds=30.0) == Energy(0.1, "estimated")
