"""The page: one HTML file from a story.  All that the record holds is text here, and escaped wherever it is put in."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources

from engine.reporting.story import Story, Told
from engine.reporting.timeline import timeline
from engine.wording import some_of

_DECIDED = {
    "split": "tests and implementation ran in two sandboxes, so nothing the implementation did could help it pass",
    "twin": "it also failed twins of the tests that expect other values, as an honest implementation must",
    "tests": "by its tests alone: neither a split run nor twins applied",
}
_ENDINGS = {"passed": "verified", "failed": "nothing passed"}
_LEGEND = (
    ("--stage", "judge, model"), ("--sample", "sampling"), ("--wait", "waiting for its tests"),
    ("--good", "tests, passed"), ("--bad", "tests, failed"), ("--confirm", "confirmation"),
)  # fmt: skip
_SHOWN_SETTINGS = ("candidates", "temperature", "max_tokens", "context_tokens", "threads", "cpu_watts", "sandbox_least")


def render(story: Story) -> str:
    """The whole page."""
    style = resources.files(__package__).joinpath("page.css").read_text("utf-8")
    title = escape(f"{story.target or story.path}: {_ENDINGS.get(story.ending, story.ending)}")
    body = "\n".join(part for section in _SECTIONS for part in section(story))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _header(story: Story) -> Iterator[str]:
    kind = story.ending.replace(" ", "-")
    badge = f'<span class="badge {kind}">{escape(_ENDINGS.get(story.ending, story.ending))}</span>'
    yield f"<header><h1><code>{escape(story.target or story.path)}</code>{badge}</h1>"
    yield f'<p class="where">{escape(story.path)} · {escape(story.started[:19].replace("T", " "))} UTC</p>'
    if story.said:
        yield f'<p class="lead">{escape(story.said)}</p>'
    if story.remedy:
        yield f"<p>{escape(story.remedy)}</p>"
    yield "</header>"


def _facts(story: Story) -> Iterator[str]:
    if story.ending not in _ENDINGS:
        return
    rejected = sum(told.status == "rejected" for told in story.candidates)
    facts = [
        (f"{story.seconds:.1f} s", f"of {story.budget_seconds:g} s allowed"),
        (str(len(story.candidates)), f"candidates, {rejected} rejected untested"),
        (f"{story.tokens:,}", "tokens sampled"),
        (f"{story.energy_wh:.3g} Wh", f"energy, {story.energy_label}"),
    ]
    if story.cost is not None:
        facts.append((f"{story.cost:.2g} {story.currency}", "for that energy"))
    yield '<ul class="facts">'
    for value, what in facts:
        yield f"<li><b>{escape(value)}</b><span>{escape(what)}</span></li>"
    yield "</ul>"


def _winner(story: Story) -> Iterator[str]:
    if not story.edit:
        return
    if story.ending == "passed":
        yield f"<h2>The winner: candidate {story.winner}</h2>"
        if why := _DECIDED.get(story.decided_by, story.decided_by):
            yield f"<p>Every test that reaches the target passes, confirmed on the final text: {escape(why)}.</p>"
    else:
        yield f"<h2>The best attempt: candidate {story.best}</h2>"
        yield "<p>It was not applied.</p>"
    if story.suspect:
        yield f'<p class="warn"><b>Overfit suspect.</b> {escape(story.suspect)}</p>'
    if story.doubt:
        yield f'<p class="warn"><b>In doubt:</b> {escape(story.doubt)}.</p>'
    if story.untested:
        yield f'<p class="warn">Left alone, since no test reaches them: {escape(", ".join(story.untested))}</p>'
    yield _diff(story.edit)


def _times(story: Story) -> Iterator[str]:
    if drawn := timeline(story):
        yield f'<h2>What happened when</h2>\n<div class="scroll">{drawn}</div>'
        items = "".join(f'<span><i style="background:var({colour})"></i>{what}</span>' for colour, what in _LEGEND)
        yield f'<div class="legend">{items}</div>'


def _matrix(story: Story) -> Iterator[str]:
    tested = [told for told in story.candidates if told.results]
    if not tested:
        return
    yield '<h2>Test by test</h2>\n<div class="scroll"><table class="matrix"><thead><tr><th>test</th>'
    for told in tested:
        yield f'<th class="cell{_win(story, told)}" title="{escape(told.how)}">{told.number}</th>'
    yield "</tr></thead><tbody>"
    shown = _telling(story.tests, tested)
    for test in shown:
        cells = "".join(_cell(told, test, _win(story, told)) for told in tested)
        yield f'<tr><td class="id">{escape(test)}</td>{cells}</tr>'
    yield "</tbody></table></div>"
    if left := len(story.tests) - len(shown):
        yield f'<p class="soft">{left:,} more tests are in the record.</p>'


def _telling(tests: Sequence[str], tested: Sequence[Told]) -> list[str]:
    """The tests that the page shows, in their order: if they are too many, first those that tell candidates apart."""
    if len(tests) <= _MOST_ROWS:
        return list(tests)
    alike = {test: len({told.results.get(test, ("", ""))[0] for told in tested}) == 1 for test in tests}
    chosen = set(sorted(tests, key=lambda test: alike[test])[:_MOST_ROWS])
    return [test for test in tests if test in chosen]


def _win(story: Story, told: Told) -> str:
    return " win" if told.number == story.winner else ""


def _cell(told: Told, test: str, win: str) -> str:
    outcome, message = told.results.get(test, ("not run", ""))
    kind, sign = {"passed": ("ok", "✓"), "not run": ("na", "·"), "missing": ("na", "·")}.get(outcome, ("no", "✗"))
    title = escape(f"candidate {told.number}: {outcome}{': ' + message if message else ''}")
    return f'<td class="cell{win}" title="{title}"><span class="{kind}">{sign}</span></td>'


def _candidates(story: Story) -> Iterator[str]:
    if not story.candidates:
        return
    yield "<h2>All candidates</h2>"
    for told in story.candidates:
        kind = {"passed": "ok", "failed": "no"}.get(told.status, "na")
        name = f"<b>{told.number}</b> {escape(told.how)}" + (f", {told.tokens} tokens" if told.tokens else "")
        reason = f' <span class="reason">{escape(told.reason)}</span>' if told.reason else ""
        is_open = " open" if told.number == story.winner and len(story.candidates) == 1 else ""
        yield f'<details{is_open}><summary>{name} · <span class="{kind}">{escape(told.score)}</span>{reason}</summary>'
        parent = next((other for other in story.candidates if other.number == told.parent), None)
        for qualname, body in told.bodies.items():
            if len(told.bodies) > 1:
                yield f"<p><code>{escape(qualname)}</code></p>"
            before = parent.bodies.get(qualname) if parent is not None else None
            yield f"<pre>{escape(body)}</pre>" if before is None else _changes(before, body, told.parent)
        if told.detail:
            yield f'<p class="soft">First failure</p><pre>{escape(told.detail)}</pre>'
        yield "</details>"


def _changes(before: str, after: str, parent: int | None) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"candidate {parent}", "this", lineterm="", n=99
    )
    return _diff("\n".join(lines)) if before != after else f'<p class="soft">The same text as candidate {parent}.</p>'


def _energy(story: Story) -> Iterator[str]:
    known = {phase: wh for phase, wh in story.energy_phases.items() if wh > 0}
    if not known:
        return
    whole = max(story.energy_wh, sum(known.values()))
    yield "<h2>Energy</h2>"
    parts = "".join(f'<i class="{escape(phase)}" style="width:{wh / whole:.1%}"></i>' for phase, wh in known.items())
    yield f'<div class="split">{parts}</div>'
    words = ", ".join(f"{phase} {wh:.3g} Wh ({wh / whole:.0%})" for phase, wh in known.items())
    rest = whole - sum(known.values())
    waiting = f", waiting {rest:.3g} Wh" if rest > whole / 100 else ""
    said = f"<p>{escape(words + waiting)}; {story.energy_wh:.3g} Wh in all, <b>{escape(story.energy_label)}</b>"
    if story.energy_label == "estimated":
        cpu, gpu = (float(story.settings.get(name) or 0) for name in ("cpu_watts", "gpu_watts"))
        said += f" from CPU time at {cpu:g} W a busy core, and a GPU's, if it held the model, at {gpu:g} W"
    if story.cost is not None:
        said += f" · {story.cost:.2g} {escape(story.currency)} at {story.settings.get('price_per_kwh')} a kWh"
    yield f"{said}.</p>"


def _setup(story: Story) -> Iterator[str]:
    rows: list[tuple[str, str]] = [
        ("model", ", ".join(filter(None, (story.model, story.where)))),
        *(("went on", how) for how in story.went_on),
        ("search", f"{story.strategy}, at most {story.budget_seconds:g} s"),
    ]
    if judge := story.judge:
        rows.append(("judge", f"{judge.get('tests')} tests in {', '.join(some_of(judge.get('files') or ()))}"))
        rows.append(("failing before", str(judge.get("failing"))))
        rows.append(("tests run in", f"{judge.get('python')}, sandbox: {judge.get('sandbox')}"))
        left_out = {**(judge.get("blocked") or {}), **(judge.get("excluded") or {})}
        rows += [("left out", line) for line in some_of(f"{test} ({reason})" for test, reason in left_out.items())]
        rows += [("note", str(warning)) for warning in judge.get("warnings") or ()]
    shown = (f"{name} {story.settings[name]}" for name in _SHOWN_SETTINGS if name in story.settings)
    rows.append(("settings", ", ".join(shown)))
    rows.append(("versions", ", ".join(f"{name} {version}" for name, version in story.versions.items())))
    yield "<h2>Set-up</h2>\n<table>"
    for what, value in rows:
        if value:
            yield f"<tr><th>{escape(what)}</th><td>{escape(value)}</td></tr>"
    yield "</table>"


def _footer(story: Story) -> Iterator[str]:
    what = "Made on this machine from its record; nothing in it is fetched."
    yield f"<footer>Greenfinch, run {escape(story.run)}.  {what}</footer>"


def _diff(text: str) -> str:
    marks = (("+++", "soft"), ("---", "soft"), ("@@", "hunk"), ("+", "add"), ("-", "del"))
    return f'<pre class="diff">{"".join(_diff_lines(text.splitlines(), marks))}</pre>'


def _diff_lines(lines: Sequence[str], marks: Sequence[tuple[str, str]]) -> Iterator[str]:
    for line in lines:
        kind = next((kind for mark, kind in marks if line.startswith(mark)), "")
        yield f'<span class="{kind}">{escape(line)}</span>'


_MOST_ROWS = 300  # of tests
_SECTIONS = (_header, _facts, _winner, _times, _matrix, _candidates, _energy, _setup, _footer)
