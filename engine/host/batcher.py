"""Continuous batching: many samples, one decode step for all of them.

Each step evaluates one token of every running sample and a chunk of the prompts that are still being read.  Samples
join and leave between steps.  A prompt is evaluated once: equal requests that arrive meanwhile wait for it, later ones
fork it from the cache, and one with a long common beginning evaluates the rest only.  A sample is admitted when all
the cells it may need are there, so that it is never cut off; until then it queues, first come first served.

The same request with the same seed gives the same sample as long as llama.cpp computes the same sums: their last bits
depend on how many tokens a step holds, and on where in the cache they lie.  So chunks have a fixed size, and a
prompt's last token is always evaluated apart from those before it, whether these came from the cache or not.  What
remains is the company: other samples in the same steps, and prompts that lie elsewhere in the cache, can tip a draw
that is nearly even.  A sample that is to be distinct (see `distinct`) hangs on those that ended before it, too.

A sample of no tokens has its prompt read for those to come, while nothing else is to be done: it waits while anything
else is under way, is put back when anything else comes, with what was read so far, and becomes like any other when
somebody asks for a sample of just that prompt.

`Batcher` owns a thread in which llama.cpp runs; it speaks to the outside by `submit`, `cancel` and the sinks.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from attrs import define

from engine.host.avoided import Avoided
from engine.host.backend import Backend, BackendError, Sampler
from engine.host.distinct import Trees
from engine.host.governor import ThreadGovernor
from engine.host.kv import KVCache
from engine.host.loading import FAILED
from engine.host.others import OthersLoad
from engine.host.padding import Padding
from engine.host.reading import Prompt, Reading
from engine.host.run import Run
from engine.host.samples import Chunk, Sample, Stats
from engine.host.text import TextStream
from engine.machine.cpus import physical_cores

log = logging.getLogger("greenfinch.host")

MAX_RUNNING = 32  # samples in one step
MAX_KEPT = 16  # prompts kept for later
PADDING = MAX_RUNNING + 2 * MAX_KEPT  # the id of what only fills up a step; prompts in evaluation need ids, too
SEQUENCES = PADDING + 1


@define(eq=False)
class _Totals:
    samples: int = 0
    steps: int = 0
    evaluated: int = 0
    cached: int = 0
    sampled: int = 0
    step_seconds: float = 0.0
    decode_seconds: float = 0.0
    prompt_seconds: float = 0.0


class Batcher:
    """Runs samples on a backend in a thread of its own.

    Args:
        load: makes the backend; called in the thread, since loading takes seconds.
        post: hands a call over to the event loop (`loop.call_soon_threadsafe`).
        steady: use the backend's threads for every step, whatever else the machine does.
        give_up: ends the process; called when a GPU has failed, after which no call to it can be trusted.
    """

    def __init__(
        self,
        load: Callable[[], Backend],
        post: Callable[[Callable[[], None]], object],
        *,
        steady: bool = False,
        give_up: Callable[[], object] = lambda: None,
    ) -> None:
        self._load = load
        self._post = post
        self._steady = steady
        self._give_up = give_up
        self._thread = threading.Thread(target=self._main, name="decode", daemon=True)
        self._wake = threading.Condition()
        self._queue: list[Sample] = []
        self._reading = Reading()
        self._runs: list[Run] = []
        self._outbox: list[tuple[Sample, Chunk]] = []
        self._closing = False
        self._totals = _Totals()
        self._others = OthersLoad()
        self._trees = Trees()
        self._padding = Padding()
        self._backend: Backend | None = None
        self._cache: KVCache | None = None
        self._idle_since: float | None = None
        self._step_began: float | None = None
        self.error = ""
        self.error_code = ""

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float) -> bool:
        """Drop all work and end the thread.  False: it is still in a call to llama.cpp after `timeout` seconds."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def backend(self) -> Backend | None:
        """The backend once it is loaded."""
        return self._backend

    @property
    def idle_seconds(self) -> float:
        """Time since the last sample ended; 0 while loading or at work."""
        since = self._idle_since
        return 0.0 if since is None else time.monotonic() - since

    def stats(self) -> Stats:
        if self.error:
            return Stats("failed")
        if self._backend is None or self._cache is None:
            return Stats("loading")
        waiting = len(self._queue) + self._reading.waiting
        totals, began = self._totals, self._step_began
        return Stats(
            "ready",
            running=len(self._runs),
            waiting=waiting,
            cells_used=self._cache.used,
            prompts_kept=self._cache.kept,
            steps=totals.steps,
            tokens_evaluated=totals.evaluated,
            tokens_sampled=totals.sampled,
            tokens_cached=totals.cached,
            samples=totals.samples,
            step_age=0.0 if began is None else time.monotonic() - began,
            step_seconds=totals.step_seconds,
            decode_seconds=totals.decode_seconds,
            prompt_seconds=totals.prompt_seconds,
            threads=self._backend.threads,
        )

    def submit(self, sample: Sample) -> None:
        """Queue a sample.  Its prompt and `max_tokens` together must fit the backend's context."""
        with self._wake:
            self._idle_since = None
            self._queue.append(sample)
            self._totals.samples += 1
            self._wake.notify()

    def cancel(self, sample: Sample) -> None:
        """End a sample with the step under way, if it has not ended yet; its sink hears no more."""
        with self._wake:
            sample.cancelled = True
            self._wake.notify()

    # From here on: the thread.

    def _main(self) -> None:
        try:
            backend = self._load()
            cache = KVCache(backend, capacity=backend.context_tokens, sequences=PADDING, kept=MAX_KEPT)
            governor = ThreadGovernor(backend.threads, physical_cores(), steady=self._steady)
        except BackendError as error:
            self.error, self.error_code = str(error), error.code
            log.error("%s", error)
            return
        except Exception as error:
            self.error, self.error_code = f"The model cannot be loaded: {_named(error)}", FAILED
            log.exception("the model cannot be loaded")
            return
        self._cache, self._backend = cache, backend
        self._idle_since = time.monotonic()
        try:
            self._serve(backend, cache, governor)
        except Exception as error:  # out of the recovery from one, or of the way to the event loop
            self.error, self.error_code = f"The host's decode thread ended: {_named(error)}", FAILED
            self._backend = None
            log.exception("the decode thread ended")

    def _serve(self, backend: Backend, cache: KVCache, governor: ThreadGovernor) -> None:
        while True:
            with self._wake:
                self._queue = [sample for sample in self._queue if not sample.cancelled]
                if not (self._queue or self._reading.prompts or self._runs):
                    if self._idle_since is None:
                        self._idle_since = time.monotonic()
                    if not self._closing:
                        self._wake.wait()
                        continue
                if self._closing:
                    break
            try:
                self._forget_cancelled(cache)
                self._admit(cache)
                if self._reading.prompts or self._runs:
                    self._step_began = time.monotonic()
                    self._step(backend, cache, governor)
            except BackendError as error:
                log.error("%s", error)
                if backend.device != "CPU":
                    self._give_up()
                self._fail_all(cache, str(error))
            except Exception as error:
                log.exception("a decode step failed")
                self._fail_all(cache, f"A decode step failed: {_named(error)}", queued=True)
            finally:
                self._step_began = None
                self._flush()
        for run in self._runs:
            run.sampler.free()
        backend.close()

    def _forget_cancelled(self, cache: KVCache) -> None:
        for run in [run for run in self._runs if run.sample.cancelled]:
            self._end(cache, run)
        self._reading.forget_cancelled(cache)

    def _admit(self, cache: KVCache) -> None:
        """Take from the queue what fits now; the first that does not fit holds up those behind it."""
        put_back = self._reading.make_way(list(self._queue), cache)
        with self._wake:
            self._queue += put_back
        for sample in sorted(self._queue, key=lambda sample: sample.only_reads):
            if sample.only_reads and (self._runs or not self._reading.can_wait):
                return
            promised = sum(run.sample.max_tokens - run.count for run in self._runs)
            admission = self._reading.admit(sample, cache, promised=promised, running=len(self._runs), most=MAX_RUNNING)
            if admission == "full":
                return
            if admission == "admitted":
                self._totals.cached += sample.cached_tokens
                with self._wake:
                    self._queue.remove(sample)

    def _step(self, backend: Backend, cache: KVCache, governor: ThreadGovernor) -> None:
        batch = backend.batch
        batch.clear()
        for run in self._runs:
            run.index = batch.add(run.token, len(run.sequence.tokens), run.sequence.id, logits=True)
        parts = self._reading.put(batch, _chunk_size(backend), busy=bool(self._runs))

        begun = time.monotonic()
        backend.set_threads(governor.threads(len(batch), self._others.cores()))
        tokens = len(batch)
        padded = not parts and self._is_padded(backend, cache)
        if padded:
            batch.add(self._runs[0].token, 0, PADDING, logits=False)
        backend.decode()
        ended = time.monotonic()
        if padded:
            backend.remove(PADDING)
        if not parts:
            self._padding.learn(len(batch), backend.threads, ended - begun)
        governor.learn(len(batch), ended - begun)
        self._totals.steps += 1
        self._totals.step_seconds = ended - begun
        self._totals.decode_seconds += ended - begun
        self._totals.prompt_seconds += (ended - begun) * (1 - len(self._runs) / tokens)

        runs = list(self._runs)
        for run in runs:
            cache.append(run.sequence, [run.token])
        for part in parts:
            prompt = part.prompt
            new = prompt.tokens[len(prompt.sequence.tokens) : part.stop]
            cache.append(prompt.sequence, new)
            self._totals.evaluated += len(new)
            if part.is_last:
                while prompt.waiters:  # each is in one place or the other, should its beginning fail
                    if prompt.waiters[0].only_reads:
                        self._outbox.append((prompt.waiters[0], Chunk(finish="length")))
                    else:
                        runs.append(self._begin(backend, cache, prompt, prompt.waiters[0], part.index))
                    del prompt.waiters[0]
                self._reading.prompts.remove(prompt)
                cache.keep(prompt.sequence)
        for run in runs:
            self._draw(backend, cache, run)

    def _is_padded(self, backend: Backend, cache: KVCache) -> bool:
        if backend.device != "CPU" or cache.used + len(backend.batch) >= cache.capacity:  # the step takes these cells
            return False
        return self._padding.size(len(backend.batch), backend.threads) > len(backend.batch)

    def _begin(self, backend: Backend, cache: KVCache, prompt: Prompt, sample: Sample, index: int) -> Run:
        sequence = cache.fork(prompt.sequence, len(prompt.tokens))
        distinct = sample.distinct
        own = self._trees.sampler(distinct, sample.prompt, sample.sampling) if distinct else Sampler(sample.sampling)
        run = Run(sample, sequence, own, TextStream(sample.stop), index=index)
        if sample.avoid:
            run.avoided = Avoided(backend.tokens_beginning(sample.avoid), at_start=sample.at_line_start)
        self._runs.append(run)
        return run

    def _draw(self, backend: Backend, cache: KVCache, run: Run) -> None:
        """Draw a run's next token and pass on what it brings; end the run if it was the last."""
        before = run.count
        chunk = run.draw(backend)
        self._totals.sampled += run.count - before
        if chunk is not None:
            self._say(run, chunk)
            if chunk.finish is not None:
                self._end(cache, run)

    def _end(self, cache: KVCache, run: Run) -> None:
        self._runs.remove(run)
        run.sampler.free()
        cache.release(run.sequence)

    def _say(self, run: Run, chunk: Chunk) -> None:
        self._outbox.append((run.sample, chunk))

    def _fail_all(self, cache: KVCache, why: str, *, queued: bool = False) -> None:
        """After a failed step nothing in the cache can be trusted: end everything that was under way.

        Args:
            queued: end what waits to be admitted, too: it may be what failed, and would fail again for ever.
        """
        if queued:
            with self._wake:
                waiting, self._queue = self._queue, []
            self._outbox += [(sample, Chunk(error=why)) for sample in waiting]
        for run in self._runs:
            run.sampler.free()
            self._say(run, Chunk(error=why))
        for prompt in self._reading.prompts:
            self._outbox += [(sample, Chunk(error=why)) for sample in prompt.waiters]
        self._runs, self._reading = [], Reading()
        cache.clear()

    def _flush(self) -> None:
        """Deliver what the step brought, all of it in one call to the event loop."""
        if not self._outbox:
            return
        outbox, self._outbox = self._outbox, []

        def deliver() -> None:
            for sample, chunk in outbox:
                if not sample.cancelled:
                    sample.sink(chunk)

        self._post(deliver)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _chunk_size(backend: Backend) -> int:
    """Tokens of a prompt that are read in one step: siblings wait for it, and so does a cancel.

    Larger ones gain little on a CPU: with 0.5B parameters 64 are read at 95 % of the speed of 512, and 32 at 80 %.
    """
    if backend.device == "GPU":
        return 256
    return 64 if backend.parameters < 2e9 else 32
