"""The run as a plot of who worked when, in SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from engine.reporting.story import Story, Told

_LEFT, _WIDTH, _RIGHT = 150, 720, 20
_ROW, _BAR, _TOP = 24, 14, 26
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_MOST_LABELS = 10


def timeline(story: Story) -> str:
    """The `<svg>` element; empty for a run without any length."""
    total = story.seconds
    if total <= 0:
        return ""
    rows = [*_stages(story), *((f"candidate {told.number}", _bars(story, told)) for told in story.candidates)]
    height = _TOP + len(rows) * _ROW + 8
    width = _LEFT + _WIDTH + _RIGHT
    parts = [
        f'<svg class="timeline" viewBox="0 0 {width} {height}" role="img" aria-label="Timeline of the run in seconds">'
    ]
    parts += _axis(total, height)
    for index, (name, bars) in enumerate(rows):
        y = _TOP + index * _ROW
        parts.append(f'<text class="lane" x="{_LEFT - 10}" y="{y + _BAR - 2}">{escape(name)}</text>')
        for kind, begin, end, title in bars:
            x = _x(begin, total)
            length = max(1.5, _x(end, total) - x)
            parts.append(
                f'<rect class="bar {kind}" x="{x:.1f}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2">'
                f"<title>{escape(title)}</title></rect>"
            )
    return "".join([*parts, "</svg>"])


Bar = tuple[str, float, float, str]


def _stages(story: Story) -> Iterator[tuple[str, list[Bar]]]:
    """Finding the judge, making the model ready, and confirming the winner."""
    if story.judged:
        yield "judge", [("stage", 0.0, story.judged, f"the judge was found after {story.judged:.1f} s")]
    if story.model_ready:
        yield "model", [("stage", 0.0, story.model_ready, f"the model was ready after {story.model_ready:.1f} s")]
    span = story.confirmed.get(story.winner) if story.winner is not None else None
    if span is None and story.confirming is not None and story.ending in {"passed", "failed"}:
        span = story.confirming, story.seconds
    if span is not None:
        begin, end = span
        yield "confirmation", [("confirm", begin, end, f"confirming the winner: {end - begin:.1f} s")]


def _bars(story: Story, told: Told) -> list[Bar]:
    end = told.sampled if told.sampled is not None else told.tested or told.dropped or story.seconds
    sampling = f"candidate {told.number}: sampled in {max(0.0, end - told.began):.1f} s, {told.tokens} tokens"
    bars: list[Bar] = []
    if told.origin != "existing":
        bars.append(("sample" if told.status != "rejected" else "sample rejected", told.began, end, sampling))
    if told.tested is not None:
        begun = max(end, told.tested - told.test_seconds) if told.test_seconds else end
        if begun - end > 0.05:
            bars.append(("wait", end, begun, f"waited {begun - end:.1f} s for its tests"))
        passed = f"{told.score} in {told.tested - begun:.1f} s"
        bars.append((f"test {told.status.replace(' ', '-')}", begun, told.tested, passed))
    return bars


def _axis(total: float, height: int) -> Iterator[str]:
    step = next((step for step in _STEPS if total / step <= _MOST_LABELS), _STEPS[-1])
    for index in range(int(total / step) + 1):
        x = _x(index * step, total)
        yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{height - 4}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{_TOP - 11}">{index * step:g} s</text>'


def _x(seconds: float, total: float) -> float:
    return _LEFT + _WIDTH * min(seconds, total) / total
