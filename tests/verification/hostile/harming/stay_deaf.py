"""Works for ever and ignores every signal that can be ignored."""

import signal

SECONDS = 1.0


def f(world):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except OSError:
            continue
    while True:
        pass
