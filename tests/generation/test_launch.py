"""What a client makes of a host that has ended."""

import signal

from engine.generation.launch import crashed, reason
from engine.host.loading import EXIT_CODES, FAILED


def test_a_hosts_exit_codes_mean_the_same_to_its_clients():
    for why, code in EXIT_CODES.items():
        assert not crashed(code)
        assert reason(code) == (None if why == FAILED else why)


def test_what_the_system_ends_is_a_crash_on_windows_too():
    for code in (-signal.SIGABRT, -signal.SIGKILL, 3, 0xC0000409):  # the last two: abort() on Windows
        assert crashed(code)
        assert reason(code) is None
