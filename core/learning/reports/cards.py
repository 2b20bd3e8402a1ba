"""Model cards and tables of figures, written from a model's own files.

References
----------
Mitchell M et al. (2019). Model cards for model reporting. FAT* 2019, arXiv:1810.03993.
"""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from core.corpus.base import CORPUS_PREFIX, Corpus
from core.labels import order_channels
from core.learning.evaluation import (
    ALL_CLIPS,
    accuracy_at_coverage,
    compare,
    subsets_of,
    summarize,
    summarize_study,
)
from core.learning.manifest import Decision, Manifest
from core.learning.metrics import percent
from core.learning.recipes.base import get_recipe
from core.learning.reports.tables import apply_threshold, select

STUDIES: Final = {
    "robustness": ("condition", "as recorded", "On degraded sound"),
    "ablations": ("variant", "the recipe", "What each part brings"),
    "baseline": ("baseline", "none, all clips", "With a personal baseline"),
}
"""File, column of the cases, name of the unchanged case, and heading of each study."""
PAIRED: Final = """Difference in UAR on the same clips, means over seeds, with 95 % intervals by a bootstrap that draws
the same speakers for both; p by flipping the signs of the speakers' differences."""
LEAKING: Final = ("reference", "random")
"""Protocols whose evaluated speakers, or even clips, also stand in training."""


def results_table(metrics: Mapping[str, Any]) -> str:
    """Return the figures of all protocols as a Markdown table.

    Parameters
    ----------
    metrics : mapping
        As in a model's ``metrics.json``.

    Returns
    -------
    str
        A row for each protocol and channel: accuracy and UAR in per cent with 95 % intervals over speakers, and the
        share of evaluated clips that also stood in training.
    """
    lines = [
        "| protocol | clips | accuracy % | UAR % | ECE | evaluated clips seen in training % |",
        "|---|---|---|---|---|---|",
    ]
    for protocol, report in metrics.items():
        channels = [subset for subset in subsets_of(report) if subset != ALL_CLIPS]
        for subset in subsets_of(report):
            figures = report[subset]
            channel = " + ".join(channels) if subset == ALL_CLIPS and len(channels) > 1 else subset
            lines.append(
                f"| {protocol}, {channel} | {figures['n_clips']:,} | {percent(figures['accuracy'])} "
                f"| {percent(figures['unweighted_average_recall'])} "
                f"| {figures['expected_calibration_error']:.3f} | {report['twin_share']:.1%} |".replace("% |", " |")
            )
    return "\n".join(lines)


def describe_studies(studies: Mapping[str, pd.DataFrame], predictions: pd.DataFrame) -> list[str]:
    """Return the figures of a model's studies as Markdown.

    Parameters
    ----------
    studies : mapping of str to pandas.DataFrame
        As from ``core.serving.registry.StoredModel.studies``; may be empty.
    predictions : pandas.DataFrame
        The model's predictions by its protocols.

    Returns
    -------
    list of str
        Lines; empty without studies.
    """
    lines = []
    for name, (key, unchanged, heading) in STUDIES.items():
        if name not in studies:
            continue
        figures, channels = summarize_study(studies[name], key, predictions), order_channels(studies[name]["channel"])
        titles = [key, *(f"{channel} UAR %" for channel in channels), "accuracy %", "mean confidence %"]
        lines += ["", f"## {heading}", "", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
        for label, row in figures.items():
            values = [row.get(column) for column in (*channels, "accuracy", "mean_confidence")]
            cells = " | ".join("-" if value is None else f"{100 * value:.1f}" for value in values)
            lines.append(f"| {label or unchanged} | {cells} |")
    return lines


def describe_comparison(predictions: pd.DataFrame, others: pd.DataFrame) -> list[str]:
    """Return the difference between two models on the speaker-independent protocols as Markdown lines."""
    lines = []
    for protocol in dict.fromkeys(predictions.loc[~predictions["protocol"].isin(LEAKING), "protocol"]):
        for channel in order_channels(predictions["channel"]):
            tables = [select(table, protocol, channel) for table in (predictions, others)]
            if any(table.empty for table in tables) or set(tables[0]["clip"]) != set(tables[1]["clip"]):
                continue
            found = compare(*tables)
            low, high = (100 * bound for bound in found["interval"])
            lines.append(
                f"- {protocol}, {channel}: UAR {100 * found['difference']:+.1f} points "
                f"[{low:+.1f}, {high:+.1f}], p = {found['p_value']:.5f}."
            )
    return lines


def write_card(
    manifest: Manifest,
    corpus: Corpus,
    metrics: Mapping[str, Any],
    predictions: pd.DataFrame,
    studies: Mapping[str, pd.DataFrame],
    baseline: pd.DataFrame | None,
) -> str:
    """Return the model card as Markdown.

    Parameters
    ----------
    manifest : Manifest
        What the model is.
    corpus : Corpus
        What it was trained on.
    metrics : mapping
        As in a model's ``metrics.json``.
    predictions : pandas.DataFrame
        The model's predictions by its protocols.
    studies : mapping of str to pandas.DataFrame
        Predictions of its studies; may be empty.
    baseline : pandas.DataFrame or None
        Predictions of a reference model to compare with.

    Returns
    -------
    str
    """
    recipe, trained = manifest.recipe, manifest.corpus
    meanings = "\n".join(f"- `{name}`: {trained.protocols[name]}." for name in metrics)
    domain = f" on {corpus.texts.domain}" if corpus.texts.domain else ""
    compared = describe_comparison(predictions, baseline) if baseline is not None else []
    if compared:
        compared = ["", "## Against the reference network", "", *compared, "", PAIRED]
    besides = _describe_others(trained.others) + _describe_feedback(trained.n_feedback)
    known = get_recipe(recipe["name"])
    left_out = ["", "## What was left out", "", known.notes] if known.notes else []
    return f"""# Model card: {recipe["name"]}

{recipe["summary"]}

{known.describe(manifest)}
- Output: probabilities of {", ".join(manifest.labels)}.
- Corpus: {trained.title}, {trained.n_clips:,} clips of {trained.n_speakers} speakers
  ({" and ".join(trained.channels)}); licence: {trained.licence}.{besides}

## Figures

{results_table(metrics)}

Accuracy and unweighted average recall (UAR; chance is {1 / len(manifest.labels):.1%}) over all evaluated clips, with
95 % intervals by bootstrap over speakers; ECE is the expected calibration error.

{meanings}

## When it says "unsure"

{_describe_decision(manifest.decision)}
{_describe_surest(predictions, trained.main_protocol)}
{describe_elsewhere(predictions, manifest.decision.threshold)}
{"".join(f"{line}{chr(10)}" for line in [*compared, *describe_studies(studies, predictions), *left_out])}
## Use and limits

Made to study emotion recognition{domain}. It hears how a voice sounds, not what a person feels.
Not for decisions about people; in the European Union, inferring emotions at work or in education is prohibited
 (AI Act, Article 5(1)(f)).
"""


def _describe_others(others: Mapping[str, int]) -> str:
    """Return which other corpora were trained on, as a list item."""
    if not others:
        return ""
    names = ", ".join(f"{name} ({n:,} clips)" for name, n in others.items())
    return f"""
- Besides: {names}, as far as their emotions are its own. Every fold was trained on them, but for those that
  evaluate one of them whole."""


def _describe_feedback(n_clips: int) -> str:
    """Return what was trained on besides the corpus, as a list item."""
    if not n_clips:
        return ""
    return f"""
- Besides: sounds from feedback ({n_clips:,}) of unknown people, labelled by their senders. Every fold was trained on
  them, none was evaluated by them."""


def _describe_surest(predictions: pd.DataFrame, protocol: str) -> str:
    """Return the accuracy on the surer half of the unseen speakers' speech."""
    rows = select(predictions, protocol, "speech")
    if rows.empty:
        return ""
    return f"""
Of the half of the unseen speakers' speech clips that it is surest of, {accuracy_at_coverage(rows, 0.5):.1%} are right
(protocol `{protocol}`, mean over seeds).
"""


def describe_elsewhere(predictions: pd.DataFrame, threshold: float | None) -> str:
    """Return how sure a model is of people from other corpora, and how often it is right then, as a Markdown table.

    Parameters
    ----------
    predictions : pandas.DataFrame
        A model's predictions by its protocols.
    threshold : float or None
        Confidence below which it is unsure.

    Returns
    -------
    str
        Empty where no other corpus was evaluated.
    """
    rows = []
    for protocol in dict.fromkeys(predictions["protocol"]):
        if not protocol.startswith(CORPUS_PREFIX):
            continue
        found = select(predictions, protocol)
        figures, given = summarize(found), apply_threshold(found, threshold)
        accuracy, confidence, risk = figures["accuracy"]["mean"], figures["mean_confidence"], given["risk"]
        cells = (accuracy, figures["unweighted_average_recall"]["mean"], confidence, given["answered"])
        right = "-" if risk is None else f"{100 * (1 - risk):.1f}"
        shown = " | ".join(f"{100 * cell:.1f}" for cell in cells if cell is not None)
        rows.append(f"| {protocol.removeprefix(CORPUS_PREFIX)} | {figures['n_clips']:,} | {shown} | {right} |")
    if not rows:
        return ""
    lines = "\n".join(rows)
    return f"""
## On other corpora

None of the corpus in a row was trained on. Its emotions are those of the same name; an answer with one that it lacks
counts as wrong.

| corpus | clips | accuracy % | UAR % | mean confidence % | answered surely % | of these right % |
|---|---|---|---|---|---|---|
{lines}
"""


def _describe_decision(decision: Decision) -> str:
    """Return the rule of the threshold and its worth."""
    if decision.threshold is None:
        return f"Always: at no confidence were {decision.precision:.0%} of the answers on unseen speakers right."
    return f"""An answer is unsure below a confidence of {decision.threshold:.4f}, chosen for
{decision.precision:.0%} right answers on unseen speakers. With the threshold of each fold chosen on the other
folds, {decision.answered:.1%} of the clips got an answer and {decision.answered_precision:.1%} of these were
right."""
