"""What the host has done and does, in the text format that Prometheus and its like collect.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from engine.host.samples import Stats

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(stats: Stats, *, cells: int, cpu_seconds: float) -> str:
    """The metrics; `cells` is how many tokens the KV cache holds, `cpu_seconds` what the process has used."""
    rows: list[tuple[str, str, float, str]] = [
        ("ready", "gauge", stats.state == "ready", "1 when the model is loaded."),
        ("samples_total", "counter", stats.samples, "Samples asked for; a request asks for n."),
        ("samples_waiting", "gauge", stats.waiting, "Samples in the queue, or waiting for their prompt."),
        ("samples_running", "gauge", stats.running, "Samples being decoded together."),
        ("tokens_evaluated_total", "counter", stats.tokens_evaluated, "Prompt tokens evaluated."),
        ("tokens_cached_total", "counter", stats.tokens_cached, "Prompt tokens that the cache already held."),
        ("tokens_sampled_total", "counter", stats.tokens_sampled, "Tokens sampled."),
        ("steps_total", "counter", stats.steps, "Decode steps."),
        ("decode_seconds_total", "counter", stats.decode_seconds, "Time spent in decode steps."),
        ("prompt_seconds_total", "counter", stats.prompt_seconds, "Of it, spent on prompts."),
        ("step_seconds", "gauge", stats.step_seconds, "Time of the last decode step."),
        ("step_age_seconds", "gauge", stats.step_age, "Time since the step under way began; 0 between steps."),
        ("threads", "gauge", stats.threads, "Threads of the last decode step."),
        ("context_cells", "gauge", cells, "Tokens that the KV cache holds at most."),
        ("context_cells_used", "gauge", stats.cells_used, "Tokens in the KV cache, kept prompts included."),
        ("prompts_kept", "gauge", stats.prompts_kept, "Prompts kept in the cache for later."),
        ("cpu_seconds_total", "counter", cpu_seconds, "CPU time of the host's process."),
    ]
    lines = []
    for name, kind, value, help in rows:
        full = f"greenfinch_host_{name}"
        lines += [f"# HELP {full} {help}", f"# TYPE {full} {kind}", f"{full} {float(value):.17g}"]
    return "\n".join(lines) + "\n"
