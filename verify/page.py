"""The report as one page for people, with nothing to load from anywhere."""

from __future__ import annotations

import html
from typing import Any, Final

MARKS: Final = {"passed": "✓", "failed": "✗", "not applicable": "-"}
CLASSES: Final = {"passed": "ok", "failed": "bad", "not applicable": "na", "": "bad"}
WORDS: Final = {"passed": "kept", "failed": "broken", "not applicable": "not applicable"}

UNKNOWN: Final = "not examined"

STYLE: Final = r"""
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2330;--soft:#5b6577;--line:#dfe3ea;
--ok:#17703f;--okbg:#e2f4e9;--bad:#b3261e;--badbg:#fde8e6;--na:#5b6577;--nabg:#eceff4}
@media (prefers-color-scheme:dark){:root{--bg:#12161d;--card:#1b212b;--ink:#e6eaf1;--soft:#9aa5b8;--line:#2d3644;
--ok:#6fd39a;--okbg:#173524;--bad:#ff9a90;--badbg:#431d1a;--na:#9aa5b8;--nabg:#262e3a}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem}
h2{font-size:1.25rem;margin:0}
.soft{color:var(--soft);font-size:.9rem}
.verdict{border-radius:.75rem;padding:1.25rem 1.5rem;margin:1.25rem 0;border:1px solid var(--line)}
.verdict.ok{background:var(--okbg)}.verdict.bad{background:var(--badbg)}
.verdict.ok h1{color:var(--ok)}.verdict.bad h1{color:var(--bad)}
.counts{display:flex;flex-wrap:wrap;gap:.5rem;margin:.5rem 0 0;padding:0;list-style:none}
.pill{border-radius:1rem;padding:.1rem .75rem;font-size:.9rem;font-weight:600;white-space:nowrap}
.pill.ok{background:var(--okbg);color:var(--ok)}.pill.bad{background:var(--badbg);color:var(--bad)}
.pill.na{background:var(--nabg);color:var(--na)}
.verdict .pill{border:1px solid currentColor;background:none}
.hosts{list-style:none;margin:.75rem 0 0;padding:.75rem 0 0;border-top:1px solid var(--line)}
.hosts a{color:inherit;font-weight:600;overflow-wrap:anywhere}
section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;margin:1.25rem 0;overflow:hidden}
header.host{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;justify-content:space-between;
padding:1rem 1.25rem;border-bottom:1px solid var(--line)}
.problem{padding:.75rem 1.25rem;background:var(--badbg);color:var(--bad);font-weight:600}
details{border-bottom:1px solid var(--line)}
details:last-child{border-bottom:0}
summary{display:grid;grid-template-columns:1.75rem 1fr auto;gap:.5rem;align-items:start;padding:.65rem 1.25rem;
cursor:pointer;list-style:none}
summary::-webkit-details-marker{display:none}
summary:hover{background:var(--bg)}
summary:focus-visible{outline:2px solid var(--ink);outline-offset:-2px}
.mark{font-weight:700;text-align:center;border-radius:.4rem}
.ok>.mark,.ok>summary .mark{color:var(--ok)}.bad>.mark,.bad>summary .mark{color:var(--bad)}
.na>.mark,.na>summary .mark{color:var(--na)}
.bad>summary .title{font-weight:600}
.state{font-size:.85rem;color:var(--soft);white-space:nowrap}
.bad>summary .state{color:var(--bad)}
.state::after{content:" \25be"}details[open] .state::after{content:" \25b4"}
.reason{display:block;color:var(--soft);font-size:.9rem;font-weight:400}
ul.checks{list-style:none;margin:0;padding:0 1.25rem 1rem 3.5rem}
ul.checks li{display:grid;grid-template-columns:1.25rem 1fr;gap:.4rem;margin:.25rem 0;font-size:.95rem}
pre{grid-column:2;margin:.25rem 0 .5rem;padding:.6rem .8rem;background:var(--badbg);border-radius:.4rem;
font-size:.85rem;white-space:pre-wrap;overflow-wrap:anywhere;font-family:ui-monospace,SFMono-Regular,Consolas,monospace}
.notes{padding:.75rem 1.25rem;border-top:1px solid var(--line);font-size:.9rem}
.notes ul{margin:.25rem 0 0;padding-left:1.25rem}
code{font-family:ui-monospace,SFMono-Regular,Consolas,monospace;font-size:.85em;overflow-wrap:anywhere}
@media (max-width:34rem){ul.checks{padding-left:1.25rem}summary{padding:.65rem .9rem}.state{display:none}}
@media print{details:not([open])>ul{display:block}body{background:#fff}}
"""


def page(data: dict[str, Any]) -> str:
    """Build the page from what results.json holds."""
    say = html.escape
    bad = data["summary"]["failed"] or data["problems"]
    hosts = "One host" if len(data["hosts"]) == 1 else f"{len(data['hosts'])} hosts"
    # Of a host that was not examined nothing is known: it would drown what is broken elsewhere.
    summary = {key: sum(one["summary"][key] for one in data["hosts"] if one["examined"]) for key in data["summary"]}
    kept, broken = summary["passed"], summary["failed"]
    headline = (
        f"{broken} of {kept + broken} promises are broken"
        if broken
        else "The verification is incomplete"
        if bad
        else f"All {kept} promises are kept"
    )
    overview = "".join(_overview(one) for one in data["hosts"]) if len(data["hosts"]) > 1 else ""
    since = "from another network and from inside" if data["outsider"] else "from the controller and from inside"
    problems = "".join(f"<li>{say(one)}</li>" for one in data["problems"])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{say(headline)} · holdfast</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<div class="soft">holdfast verification report</div>
<div class="verdict {"bad" if bad else "ok"}">
<h1>{say(headline)}</h1>
<div>{hosts}, looked at {since}. Nothing was changed.</div>
{f"<ul>{problems}</ul>" if problems else ""}
<ul class="counts">{_counts(summary)}</ul>
{f'<ul class="hosts">{overview}</ul>' if overview else ""}
</div>
<div class="soft">{say(data["date"].replace("T", " ").replace("+00:00", " UTC"))} · {data["duration"]:.0f} s
{" · by " + say(data["operator"]) if data["operator"] else ""} · inventory <code title="{say(data["catalogue"])}">
{say(data["catalogue"][:12])}</code></div>
{"".join(_host(one) for one in data["hosts"])}
</main>
</body>
</html>
"""


def _counts(summary: dict[str, int]) -> str:
    return "".join(
        f'<li class="pill {CLASSES[key]}">{MARKS[key]} {summary[key]} {WORDS[key]}</li>'
        for key in ("failed", "passed", "not applicable")
        if summary[key]
    )


def _overview(host: dict[str, Any]) -> str:
    """One host on one line, which leads to its section."""
    say = html.escape
    broken = host["summary"]["failed"]
    words = f"{broken} broken" if broken else "all kept"
    mark = "failed" if broken else "passed"
    return (
        f'<li class="{CLASSES[mark]}"><span class="mark" aria-hidden="true">{MARKS[mark]}</span> '
        f'<a href="#host-{say(host["name"])}">{say(host["name"])}</a>: {words if host["examined"] else UNKNOWN}</li>'
    )


def _host(host: dict[str, Any]) -> str:
    say = html.escape
    about = " · ".join(one for one in (host["address"], host["release"]) if one)
    order = {"failed": 0, "passed": 1, "not applicable": 2}
    promises = sorted(host["promises"], key=lambda one: order[one["outcome"]]) if host["examined"] else []
    counts = _counts(host["summary"]) if host["examined"] else f'<li class="pill bad">{UNKNOWN}</li>'
    notes = "".join(f"<li>{say(one)}</li>" for one in host["notes"])
    return f"""<section id="host-{say(host["name"])}">
<header class="host"><div><h2>{say(host["name"])}</h2><div class="soft">{say(about)}</div></div>
<ul class="counts">{counts}</ul></header>
{f'<div class="problem">It {say(host["problem"])}</div>' if host["problem"] else ""}
{"".join(_promise(one, opened=one["outcome"] == "failed" and not host["problem"]) for one in promises)}
{f'<div class="notes">Worth knowing<ul>{notes}</ul></div>' if notes else ""}
</section>
"""


def _promise(promise: dict[str, Any], *, opened: bool) -> str:
    say = html.escape
    outcome = promise["outcome"]
    reason = ""
    if outcome == "not applicable":
        reasons = dict.fromkeys(one["detail"] for one in promise["checks"])
        reason = f'<span class="reason">{say("; ".join(reasons))}</span>'
    return f"""<details class="{CLASSES[outcome]}"{" open" if opened else ""}>
<summary><span class="mark" aria-hidden="true">{MARKS[outcome]}</span>
<span class="title">{say(promise["title"])}{reason}</span><span class="state">{WORDS[outcome]}</span></summary>
<ul class="checks">{"".join(_check(one) for one in promise["checks"])}</ul>
</details>
"""


def _check(check: dict[str, Any]) -> str:
    say = html.escape
    outcome = check["outcome"] or "failed"
    detail = ""
    if outcome == "failed":
        detail = f"<pre>{say(check['detail'] or 'did not run')}</pre>"
    elif check["detail"]:
        detail = f'<span class="reason">{say(check["detail"])}</span>'
    says, mark = say(check["says"]), MARKS[outcome]
    body = f"<span>{says}{detail if outcome != 'failed' else ''}</span>{detail if outcome == 'failed' else ''}"
    return f'<li class="{CLASSES[outcome]}"><span class="mark">{mark}</span>{body}</li>'
