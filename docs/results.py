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
    """Return what the last committed run of ``python -m benchmarks.load`` measured."""
    run = json.loads(LOAD.read_text())
    beside, at_once, crowd = run["beside_follows"], run["at_once"], run["crowd"]
    followed = ", ".join(f"{speed:g}" for speed in beside["followed_at"])
    memory = crowd["memory_mib"]
    parts = {
        f"beside {beside['followers']} visitors who follow an hour each": beside,
        f"{at_once['visitors']} visitors at one moment": at_once,
        f"{crowd['visitors']} visitors for {crowd['minutes']:g} min, with {crowd['pause']:g} s between answers": crowd,
    }
    lines = ["| who asks | answers | median, s | p95, s | p99, s | mixed up | refused | told their number |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    columns = ("answers", "median", "p95", "p99", "mixed_up", "refused", "told_their_number")
    lines += [f"| {name} | {' | '.join(f'{part[column]:g}' for column in columns)} |" for name, part in parts.items()]
    told = (
        f"Those who follow get on {followed} times as fast as the sound plays. Memory of the server in the second "
        f"tenth of the crowd's time: {memory['early']} MiB, in the last: {memory['late']} MiB."
    )
    return "\n".join([where(run), "", *lines, "", told])


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
