"""A pool of servers: two real hosts share a run's samples, and one of them finishes it when the other is killed."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from attrs import evolve
from chat_server import ChatServer, chunk
from host.host_process import HostProcess

from engine.config import Settings
from engine.energy import Work
from engine.errors import ConfigError, GenerationError, ModelMissingError
from engine.generation import pool
from engine.generation.base import GeneratorInfo, LostError, Message, Piece, RefusedError, SampleRequest
from engine.generation.factory import make_generator
from engine.generation.pool import Member, PoolGenerator

pytestmark = pytest.mark.anyio

ASKED = SampleRequest(
    (Message("user", "Count from 1 to 1000, one number a line."),), prefill="1\n2\n3\n", max_tokens=40
)
NOWHERE = "http://127.0.0.1:9/v1"


class Idle:
    """A server that is only looked at."""

    async def prepare(self) -> GeneratorInfo:
        return GeneratorInfo("m", "here")

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        yield Piece(request.prefill, 1, "stop")

    async def work(self) -> Work | None:
        return None

    async def aclose(self) -> None: ...


async def text(generator: PoolGenerator, request: SampleRequest, notes: list[str] | None = None) -> str:
    async with aclosing(generator.sample(request)) as pieces:
        said = [piece async for piece in pieces]
    if notes is not None:
        notes += [piece.note for piece in said if piece.note]
    return "".join(piece.text for piece in said)


async def test_a_run_goes_on_elsewhere_when_its_server_breaks_off(server: ChatServer) -> None:
    """The first one that is asked loses its stream; the pool's other member is the same machine by another name."""
    server.stream = [chunk("a "), chunk("b ")]
    named = server.url.replace("127.0.0.1", "localhost")

    def repair() -> Iterator[bytes]:
        yield chunk("a ")
        server.stream = [chunk("a "), chunk("b "), chunk("c"), chunk(None, "stop")]

    server.stream = repair()  # type: ignore[assignment] # blocks, one after the other
    generator = PoolGenerator.of(Settings(endpoints=(server.url, named), last_resort="none"))
    async with aclosing(generator):
        await generator.prepare()
        assert await text(generator, evolve(ASKED, prefill="")) == "a b c"
        assert len(server.requests) == 2
        assert [bool(member.problem) for member in generator._members] == [True, False]


async def test_without_any_server_the_error_names_them_all_with_their_reasons() -> None:
    generator = make_generator(Settings(endpoints=(NOWHERE, "unix:/nowhere/host.sock"), last_resort="none"))
    async with aclosing(generator):
        with pytest.raises(GenerationError, match=r"127\.0\.0\.1:9.*unix:/nowhere/host\.sock"):
            await generator.prepare()


async def test_the_last_resort_samples_when_no_server_can_and_is_named() -> None:
    generator = PoolGenerator([Member("far", _Gone())], Idle())
    info = await generator.prepare()
    assert info.where == "this machine, as the last resort; not usable now: far"
    assert await text(generator, ASKED) == ASKED.prefill


class _Gone(Idle):
    async def prepare(self) -> GeneratorInfo:
        raise LostError("gone")


async def test_all_servers_are_named_with_those_that_cannot_be_used() -> None:
    generator = PoolGenerator([Member("far", _Gone()), Member("near", Idle()), Member("b", Idle())], Idle())
    assert (await generator.prepare()).where == "near, b; not usable now: far; last resort: this machine"


async def test_the_next_sample_goes_where_it_should_be_done_first() -> None:
    members = [Member("slow", Idle(), rate=10.0), Member("fast", Idle(), rate=35.0)]
    generator = PoolGenerator(members, None)
    taken = []
    for _ in range(9):
        best = await generator._best(set())
        best.outstanding += 1
        taken.append(best.where)
    assert taken.count("fast") == 7
    assert taken[0] == "fast"


async def test_a_server_that_is_up_again_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "RECHECK_SECONDS", 0.2)
    up, down = Member("a", Idle()), Member("b", Idle())
    generator = PoolGenerator([up, down], None)
    down.lose(LostError("gone"))
    assert await text(generator, ASKED) == ASKED.prefill
    assert down.problem, "nobody has asked it yet"
    await anyio.sleep(0.2)
    assert await text(generator, ASKED) == ASKED.prefill
    assert not down.problem


class Away(Idle):
    """A server that is away, or busy, for so many calls of each kind, and then serves."""

    def __init__(self, *, probes: int = 0, samples: int = 0, retry_after: float = 0.0) -> None:
        self.probes, self.samples = probes, samples
        self.error = LostError("it is away")
        self.error.retry_after = retry_after
        self.asked: list[float] = []

    async def prepare(self) -> GeneratorInfo:
        self.asked.append(time.monotonic())
        self.probes -= 1
        if self.probes >= 0:
            raise self.error
        return await super().prepare()

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        self.samples -= 1
        if self.samples >= 0:
            raise self.error
        async for piece in super().sample(request):
            yield piece


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "FIRST_RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(pool, "_LOOK_AGAIN", 0.01)


async def test_where_nothing_else_is_left_a_server_is_waited_for_with_growing_patience(impatient: None) -> None:
    away = Away(probes=3, samples=1)
    generator = PoolGenerator([Member("a", away)], None)
    begun = time.monotonic()
    assert await text(generator, ASKED) == ASKED.prefill
    waits = [after - before for before, after in itertools.pairwise([begun, *away.asked])]
    assert len(waits) == 4
    for wait, least in zip(waits, (0.05, 0.1, 0.2, 0.4), strict=True):
        assert wait >= least - 0.01


async def test_a_server_is_not_asked_before_the_time_that_it_named(impatient: None) -> None:
    away = Away(samples=1, retry_after=0.4)
    begun = time.monotonic()
    assert await text(PoolGenerator([Member("a", away)], None), ASKED) == ASKED.prefill
    assert [at - begun >= 0.4 for at in away.asked] == [True]


async def test_an_outage_is_waited_for_only_so_long(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "OUTAGE_SECONDS", 0.3)
    for away in (Away(probes=10**9, samples=1), Away(samples=10**9)):  # the other one answers, and serves nothing
        begun = time.monotonic()
        with pytest.raises(LostError, match="it is away"):
            await text(PoolGenerator([Member("a", away)], None), ASKED)
        assert 0.3 <= time.monotonic() - begun < 3


class NoModel(Idle):
    """A last resort without its model."""

    asked = 0

    async def prepare(self) -> GeneratorInfo:
        self.asked += 1
        raise ModelMissingError("The model m is not on this machine.", remedy="Pull it.")


async def test_a_last_resort_that_cannot_be_used_takes_no_patience_from_samples(impatient: None) -> None:
    away, none = Away(samples=1, probes=1), NoModel()
    generator = PoolGenerator([Member("a", away)], none)
    with anyio.fail_after(5):
        assert await text(generator, ASKED) == ASKED.prefill
    assert (len(away.asked), none.asked) == (2, 1), "nor is it tried each time that somebody looks"


async def test_a_last_resort_that_can_be_used_after_all_is_used(
    impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "RECHECK_SECONDS", 0.2)
    here = Away(probes=1)
    member = Member("a", Away(probes=10**9, samples=1))
    with anyio.fail_after(5):
        assert await text(PoolGenerator([member], here), ASKED) == ASKED.prefill
    assert member.problem and len(here.asked) == 2


async def test_without_hope_the_error_names_the_last_resort_too() -> None:
    member = Member("a", Idle())
    member.lose(GenerationError("no such model"))
    with anyio.fail_after(0.5), pytest.raises(GenerationError, match=r"a: no such model; this machine: The model m"):
        await text(PoolGenerator([member], NoModel()), ASKED)


class Refusing(Idle):
    """A server that takes no request, or none of these."""

    def __init__(self, *, lasting: bool) -> None:
        self.error = RefusedError("it refused")
        self.error.lasting = lasting
        self.asked = 0

    async def sample(self, request: SampleRequest) -> AsyncGenerator[Piece, None]:
        self.asked += 1
        raise self.error
        yield Piece()


@pytest.mark.parametrize("lasting", [True, False])
async def test_what_one_server_refuses_another_samples(lasting: bool) -> None:
    refusing, notes = Refusing(lasting=lasting), []
    first = Member("a", refusing)
    generator = PoolGenerator([first, Member("b", Idle())], None)
    for _ in range(3):
        assert await text(generator, ASKED, notes) == ASKED.prefill
    assert (bool(first.problem), refusing.asked) == ((True, 1) if lasting else (False, 3))
    assert notes == ["b, in place of a, which refused a request"] * refusing.asked


@pytest.mark.parametrize("lasting", [True, False])
async def test_what_all_servers_refuse_is_left_to_the_last_resort_or_is_an_error_with_all_reasons(
    lasting: bool,
) -> None:
    def members() -> list[Member]:
        return [Member(name, Refusing(lasting=lasting)) for name in "ab"]

    assert await text(PoolGenerator(members(), Idle()), ASKED) == ASKED.prefill
    with anyio.fail_after(0.5), pytest.raises(GenerationError, match="a: it refused; b: it refused"):
        await text(PoolGenerator(members(), None), ASKED)
    notes: list[str] = []
    alone = Refusing(lasting=lasting)
    generator = PoolGenerator([Member("a", alone)], None)
    for _ in range(2):
        with anyio.fail_after(0.5), pytest.raises(RefusedError, match=r"^it refused$"):
            await text(generator, ASKED, notes)
    assert (alone.asked, notes) == (2, []), "one that is alone is asked for each sample"


async def test_what_refuses_is_not_waited_for() -> None:
    member = Member("a", Idle())
    member.lose(GenerationError("no such model"))
    with anyio.fail_after(0.5), pytest.raises(GenerationError, match="no such model"):
        await text(PoolGenerator([member], None), ASKED)


async def test_a_single_endpoint_that_is_busy_or_restarts_costs_no_sample(server: ChatServer, impatient: None) -> None:
    server.refusals = [(429, {"error": "slow down"}), (503, {"error": "starting"})]
    server.headers = {"Retry-After": "1"}
    generator = make_generator(Settings(endpoint=server.url))
    begun, notes, said = time.monotonic(), [], ""
    async with aclosing(generator):
        info = await generator.prepare()
        async with aclosing(generator.sample(evolve(ASKED, prefill=""))) as pieces:
            async for piece in pieces:
                said += piece.text
                notes += [piece.note] if piece.note else []
    assert said == "hi"
    assert time.monotonic() - begun >= 2
    assert server.url == f"http://{info.where}/v1"
    assert notes == [f"{info.where} was lost"], "by the second refusal; who is busy is not lost"


async def test_a_single_endpoint_that_is_not_there_is_told_at_once_and_has_no_last_resort() -> None:
    generator = make_generator(Settings(endpoint=NOWHERE))
    async with aclosing(generator):
        with anyio.fail_after(5), pytest.raises(LostError, match=r"^127\.0\.0\.1:9 cannot be reached"):
            await generator.prepare()


@pytest.mark.parametrize(
    "endpoint",
    ["gpu-box", "unix:relative/path", "ftp://a/v1", "http://gpu-box:800O/v1", "http://gpu-box:80000/v1",
     "http://[::1:8000/v1", "http://a\x00/v1", "unix:~nobody-here/host.sock"],
)  # fmt: skip
async def test_endpoints_that_cannot_be_used_are_refused_at_once(endpoint: str) -> None:
    with pytest.raises(ConfigError):
        make_generator(Settings(endpoints=(endpoint,)))


@pytest.fixture
def two_hosts(small_model: Path) -> Iterator[list[HostProcess]]:
    folders = [Path(tempfile.mkdtemp(prefix="gf-")) for _ in range(2)]
    both = [HostProcess(small_model, folder / "host.sock", "--context", "1024") for folder in folders]
    for each in both:
        each.wait_for(lambda health: health["status"] == "ok", seconds=120)
    yield both
    for each in both:
        each.end()
        shutil.rmtree(each.socket.parent)


Interrupt = Callable[[], None]


@pytest.mark.model
@pytest.mark.slow
async def test_a_host_killed_in_mid_stream_leaves_its_samples_to_the_other(two_hosts: list[HostProcess]) -> None:
    first, second = two_hosts
    endpoints = tuple(f"unix:{each.socket}" for each in two_hosts)
    generator = make_generator(Settings(endpoints=endpoints, last_resort="none"))
    assert isinstance(generator, PoolGenerator)
    finished: dict[int, str] = {}

    async def sample(seed: int) -> None:
        said = ""
        async with aclosing(generator.sample(evolve(ASKED, seed=seed, temperature=0.8))) as pieces:
            async for piece in pieces:
                said += piece.text
                if piece.finish:
                    finished[seed] = said

    async with aclosing(generator), anyio.create_task_group() as tasks:
        info = await generator.prepare()
        assert all(endpoint in info.where for endpoint in endpoints)
        for seed in range(6):
            tasks.start_soon(sample, seed)
        end = time.monotonic() + 60
        while not all((each.health() or {}).get("tokens_sampled", 0) > 6 for each in two_hosts):
            assert time.monotonic() < end
            await anyio.sleep(0.05)  # both are in mid-stream
        first.process.kill()
    assert sorted(finished) == list(range(6)) and all(finished.values())
    assert (second.health() or {})["samples"] == 6, "three of its own, and three that the other had begun"
