"""Write the tables of README and documentation anew from the stored models: ``python -m docs.results``.

A table stands between ``<!-- results: KIND MODEL ... -->`` and ``<!-- end of results -->``; nobody types figures there.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.batch import read_measured
from benchmarks.load import RESULTS as LOAD
from benchmarks.table import read_rows, spread
from core.config import PROJECT_ROOT
from core.learning.evaluation import ALL_CLIPS
from core.learning.reports.cards import describe_comparison, describe_studies, results_table
from core.serving.publishing import evaluate_again
from core.serving.registry import Registry

DOCUMENTS: Final = ("README.md", "docs/results.md", "docs/speed.md", "docs/growth.md")
"""Documents with tables, relative to the project."""
MARKED: Final = re.compile(
    r"(?<=<!-- results: )([a-z]+)((?: [a-z0-9-]+)*)( -->\n).*?(?=<!-- end of results -->)", re.DOTALL
)
"""A table: its kind, its models, the end of its marker, and what stands there until the next marker."""

_registry = Registry(PROJECT_ROOT / "artifacts")


def summary() -> str:
    """Return the model in use on unseen speakers: a row for speech, a row for song."""
    model = _registry.load()
    report = evaluate_again(model)[model.main_protocol]
    by_channel = {subset: figures for subset, figures in report.items() if subset != ALL_CLIPS}
    return results_table({model.main_protocol: by_channel})


def figures(model: str) -> str:
    """Return a model's figures by all protocols."""
    return results_table(evaluate_again(_registry.load(model)))


def studies(model: str) -> str:
    """Return a model's studies, a table each."""
    stored = _registry.load(model)
    lines = describe_studies(stored.studies(), stored.predictions())
    return "\n".join(f"#{line}" if line.startswith("## ") else line for line in lines).strip()


def comparison(model: str, other: str) -> str:
    """Return the differences between two models on the same clips."""
    return "\n".join(describe_comparison(*(_registry.load(name).predictions() for name in (model, other))))


def speed() -> str:
    """Return what the last committed run of ``make bench`` measured, and on what machine."""
    run, rows = read_rows()
    lines = ["| work | unit | here | reference pipeline | ratio |", "|---|---|---|---|---|"]
    for row in rows:
        theirs = spread(row.reference) if row.reference else ""
        ratio = "" if row.ratio is None else f"{row.ratio:.1f}"
        lines.append(f"| {row.work} | {row.unit} | {spread(row.ours)} | {theirs} | {ratio} |")
    return "\n".join([where(run), "", *lines])


def growth() -> str:
    """Return what the last committed run of ``python -m benchmarks.batch`` measured, and what follows from it."""
    run, measured = read_measured()
    return f"{where(run)}\n\n{measured.describe()}"


def load() -> str:
    """Return what the last committed run of each part of ``python -m benchmarks.load`` measured."""
    run = json.loads(LOAD.read_text())
    columns = ("answers", "median", "p95", "p99", "mixed_up", "refused", "told_their_number")
    lines = ["| who asks | answers | median, s | p95, s | p99, s | mixed up | refused | told their number |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for part, (words, _) in LOAD_WORDS.items():
        if part in run:
            lines.append(
                f"| {words.format(**run[part])} | {' | '.join(f'{run[part][column]:g}' for column in columns)} |"
            )
    told = [words.format(**run[part]) for part, (_, words) in LOAD_WORDS.items() if part in run and words]
    return "\n".join([where(run), "", *lines, "", *told])


LOAD_WORDS: Final = {
    "beside-follows": (
        "one, beside {followers} who follow an hour each",
        "Those who follow get on {followed_at} times as fast as the sound plays.",
    ),
    "at-once": ("{visitors} at one moment", ""),
    "crowd": (
        "{visitors} for {minutes:g} min, {pause:g} s between answers",
        "Memory of the server in the second tenth of the crowd's time: {memory_mib[early]} MiB, in the last: "
        "{memory_mib[late]} MiB. Each sound is a new one: the room that is kept for what is computed of sounds, which "
        "is bounded, fills up in between.",
    ),
}
"""Who asked in each part, and what else was seen."""


def where(run: Mapping[str, Any]) -> str:
    """Return when, with which model and on what machine something was measured."""
    machine = run["machine"]
    return (
        f"Measured on {run['date']} with {run['model']}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}, NumPy {machine['numpy']}, "
        f"Keras {machine['keras']}."
    )


KINDS: Final[dict[str, Callable[..., str]]] = {
    "summary": summary,
    "figures": figures,
    "studies": studies,
    "comparison": comparison,
    "speed": speed,
    "growth": growth,
    "load": load,
}
"""What stands between markers, by the first word of their name; further words are models."""


def renew(text: str) -> str:
    """Return a document with all its tables computed anew.

    Parameters
    ----------
    text : str
        Markdown with marked tables.

    Returns
    -------
    str
    """

    def table(match: re.Match[str]) -> str:
        kind, models, end = match.groups()
        return f"{kind}{models}{end}{KINDS[kind](*models.split())}\n"

    return MARKED.sub(table, text)


def main() -> int:
    """Write all documents anew and name those that changed."""
    for path in (PROJECT_ROOT / name for name in DOCUMENTS):
        old = path.read_text()
        new = renew(old)
        if new != old:
            path.write_text(new)
            sys.stdout.write(f"{Path(path).relative_to(PROJECT_ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
