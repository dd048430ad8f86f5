"""The protocol's edges: errors as objects, and what happens when a client goes away."""

from __future__ import annotations

import json
import math
import threading
from typing import Any

import httpx
import pytest
from host_process import HostProcess

pytestmark = [pytest.mark.model, pytest.mark.slow]

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "oracle", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": HELLO, "temperature": "hot"}, "temperature"),
        ({"messages": HELLO, "top_p": 2}, "top_p"),
        ({"messages": HELLO, "n": 0}, "n"),
        ({"messages": HELLO, "max_tokens": 1.5}, "max_tokens"),
        ({"messages": HELLO, "stop": [""]}, "stop"),
        ({"messages": HELLO, "logprobs": 5}, "logprobs"),
        ({"messages": HELLO, "logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"messages": HELLO, "top_logprobs": 2}, "top_logprobs"),
        ({"messages": HELLO, "tools": [{"type": "function"}]}, "tools"),
        ({"messages": HELLO, "avoid_line_start": " #"}, "avoid_line_start"),
        ({"messages": HELLO, "avoid_line_start": "#" * 9}, "avoid_line_start"),
        ({"messages": HELLO, "distinct": "all"}, "distinct"),
        ({"messages": HELLO, "distinct": {"key": "k", "number": 1}}, "distinct"),
        ({"messages": HELLO, "distinct": {"key": "k", "number": 1, "ended": [[1, "2"]]}}, "distinct"),
    ],
)
def test_a_bad_request_gets_an_error_object_that_names_the_parameter(
    host: HostProcess, body: dict[str, Any], param: str
) -> None:
    reply = host.client.post("/v1/chat/completions", json=body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert error["message"]


def test_what_is_not_json_gets_an_error_object(host: HostProcess) -> None:
    reply = host.client.post("/v1/chat/completions", content=b"{not json")
    assert reply.status_code == 400
    assert "not valid JSON" in reply.json()["error"]["message"]


def test_a_prompt_longer_than_the_context_is_refused_with_both_lengths(host: HostProcess) -> None:
    messages = [{"role": "user", "content": "word " * 3000}]
    reply = host.client.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 10})
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert "2048" in error["message"]


def test_a_path_that_does_not_exist_gets_an_error_object(host: HostProcess) -> None:
    reply = host.client.get("/v1/embeddings")
    assert reply.status_code == 404
    assert reply.json()["error"]["message"]


def test_a_wrong_method_gets_an_error_object(host: HostProcess) -> None:
    reply = host.client.get("/v1/chat/completions")
    assert reply.status_code == 405
    assert reply.json()["error"]["type"] == "invalid_request_error"


def test_logprobs_are_told_for_each_token_and_are_those_of_the_likeliest(host: HostProcess) -> None:
    answer = host.ask("Count: 1, 2, 3,", temperature=0, max_tokens=6, logprobs=True, top_logprobs=3)
    choice = answer["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert len(tokens) == answer["usage"]["completion_tokens"]
    assert b"".join(bytes(token["bytes"]) for token in tokens).decode() == choice["message"]["content"]
    for token in tokens:
        best = token["top_logprobs"]
        assert best[0]["token"] == token["token"], "greedy takes the likeliest"
        assert best[0]["logprob"] == token["logprob"]
        assert 0 >= best[0]["logprob"] >= best[1]["logprob"] >= best[2]["logprob"]
        assert sum(math.exp(each["logprob"]) for each in best) <= 1 + 1e-9


def test_streamed_logprobs_are_all_of_them_and_none_come_unasked(host: HostProcess) -> None:
    body = {"messages": HELLO, "temperature": 0, "max_tokens": 6}
    streamed = streamed_choices(host, {**body, "logprobs": True})
    content = [token for choice in streamed for token in choice["logprobs"]["content"]]
    assert "".join(token["token"] for token in content) == "".join(each["delta"]["content"] for each in streamed)
    assert content[0]["top_logprobs"] == []
    assert all("logprobs" not in choice for choice in streamed_choices(host, body))


def test_several_choices_are_streamed_by_their_index_and_each_ends_once(host: HostProcess) -> None:
    body = {"messages": HELLO, "n": 3, "seed": 5, "temperature": 1, "max_tokens": 8}
    choices = streamed_choices(host, body)
    texts = ["".join(each["delta"]["content"] for each in choices if each["index"] == index) for index in range(3)]
    ends = sorted(each["index"] for each in choices if each["finish_reason"])
    assert ends == [0, 1, 2]
    assert all(texts) and len(set(texts)) > 1


def test_metrics_count_what_was_done(host: HostProcess) -> None:
    before = metrics(host)
    usage = host.ask("Count these: a b c d e f g.", n=2, max_tokens=4)["usage"]
    after = metrics(host)

    def more(name: str) -> float:
        return after[f"greenfinch_host_{name}"] - before[f"greenfinch_host_{name}"]

    assert more("samples_total") == 2
    assert more("tokens_sampled_total") == usage["completion_tokens"]
    assert more("tokens_evaluated_total") + usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"]
    assert more("tokens_cached_total") >= usage["prompt_tokens"], "the second choice shares the first one's prompt"
    assert more("steps_total") >= 4
    assert more("decode_seconds_total") > 0
    assert (after["greenfinch_host_samples_running"], after["greenfinch_host_samples_waiting"]) == (0, 0)
    assert after["greenfinch_host_threads"] >= 1
    assert after["greenfinch_host_step_age_seconds"] == 0
    assert after["greenfinch_host_context_cells"] == 2048


def metrics(host: HostProcess) -> dict[str, float]:
    reply = host.client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = reply.text.splitlines()
    told = dict(line.split(" ") for line in lines if not line.startswith("#"))
    assert all(f"# TYPE {name} " in reply.text for name in told)
    return {name: float(value) for name, value in told.items()}


def streamed_choices(host: HostProcess, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices in all events of a stream."""
    with host.client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as reply:
        events = [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: {")]
    return [choice for event in events for choice in event["choices"]]


def test_the_model_is_listed(host: HostProcess) -> None:
    assert [model["object"] for model in host.client.get("/v1/models").json()["data"]] == ["model"]


def test_health_tells_what_the_host_is_and_has_done(host: HostProcess) -> None:
    health = host.client.get("/health").json()
    assert health["pid"] == host.process.pid
    assert health["state"] == "ready"
    assert health["cpu_seconds"] > 0
    assert health["running"] == 0


def test_the_socket_is_closed_to_others(host: HostProcess) -> None:
    assert host.socket.stat().st_mode & 0o777 == 0o600


def endless(**more: Any) -> dict[str, Any]:
    """A request that samples for as long as anybody would wait."""
    messages = [
        {"role": "user", "content": "Count from 1 to 1000, one number a line."},
        {"role": "assistant", "content": "\n".join(map(str, range(1, 40))) + "\n"},
    ]
    return {"messages": messages, "temperature": 0, "max_tokens": 1500, **more}


def test_a_client_that_closes_its_stream_frees_its_sample_at_the_next_step(host: HostProcess) -> None:
    with host.client.stream("POST", "/v1/chat/completions", json=endless(stream=True)) as reply:
        lines = (line for line in reply.iter_lines() if line.startswith("data: {"))
        assert json.loads(next(lines)[6:])["choices"]
        assert (host.health() or {})["running"] == 1
    before = host.wait_for(lambda health: health["running"] == 0, seconds=5)
    assert before["tokens_sampled"] == (host.health() or {})["tokens_sampled"]


def test_a_client_that_dies_while_it_waits_for_a_whole_answer_frees_its_sample(host: HostProcess) -> None:
    transport = httpx.HTTPTransport(uds=str(host.socket))
    client = httpx.Client(transport=transport, base_url="http://localhost", timeout=1.0, trust_env=False)
    with client, pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json=endless())
    host.wait_for(lambda health: health["running"] == 0 and health["waiting"] == 0, seconds=5)


def test_a_cancelled_sample_leaves_its_siblings_alone(host: HostProcess) -> None:
    answer: dict[str, Any] = {}
    sibling = threading.Thread(target=lambda: answer.update(host.ask("Count: 1, 2, 3,", temperature=0, max_tokens=40)))
    with host.client.stream("POST", "/v1/chat/completions", json=endless(stream=True)) as reply:
        lines = reply.iter_lines()  # held on to: dropped, it would close the stream
        next(lines)
        sibling.start()
        host.wait_for(lambda health: health["running"] == 2, seconds=20)
    sibling.join(60)
    assert answer["usage"]["completion_tokens"] == 40 or answer["choices"][0]["finish_reason"] == "stop"
