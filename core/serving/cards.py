"""Model cards and tables of figures, written from a model's own files.

References
----------
Mitchell M et al. (2019). Model cards for model reporting. FAT* 2019, arXiv:1810.03993.
"""

from collections.abc import Mapping
from typing import Any, Final

PROTOCOL_MEANING: Final = {
    "reference": "each clip twice, random split: clips stand on both sides",
    "random": "each clip once, random split: voices stand on both sides",
    "speaker-luna": "unheard speakers, 5 folds of actors (Luna-Jimenez et al. 2021)",
    "speaker-emobox": "unheard speakers, 6 folds of actors (EmoBox, Ma et al. 2024)",
}


def percent(figure: Mapping[str, Any]) -> str:
    """Return a figure with its interval in per cent.

    >>> percent({"mean": 0.5012, "interval": [0.45, 0.551]})
    '50.1 [45.0, 55.1]'
    """
    low, high = figure["interval"]
    return f"{figure['mean']:.1%} [{low:.1%}, {high:.1%}]".replace("%", "")


def results_table(metrics: Mapping[str, Any]) -> str:
    """Return the figures of all protocols as a Markdown table.

    Parameters
    ----------
    metrics : mapping
        As in a model's ``metrics.json``.

    Returns
    -------
    str
        A row for each protocol and channel: accuracy and UAR in per cent with 95 % intervals over actors, and the
        share of judged clips that also stood in training.
    """
    lines = [
        "| protocol | clips | accuracy % | UAR % | ECE | judged clips seen in training % |",
        "|---|---|---|---|---|---|",
    ]
    for protocol, report in metrics.items():
        for subset in ("all", "speech", "song"):
            if subset not in report:
                continue
            figures = report[subset]
            channel = "speech + song" if subset == "all" and "song" in report else subset
            lines.append(
                f"| {protocol}, {channel} | {figures['n_clips']:,} | {percent(figures['accuracy'])} "
                f"| {percent(figures['unweighted_average_recall'])} "
                f"| {figures['expected_calibration_error']:.3f} | {report['twin_share']:.1%} |".replace("% |", " |")
            )
    return "\n".join(lines)


def write_card(manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Return the model card as Markdown.

    Parameters
    ----------
    manifest : mapping
        Recipe, features, corpus, protocol, seed and decision, as in a model's manifest.
    metrics : mapping
        As in a model's ``metrics.json``.

    Returns
    -------
    str
    """
    recipe, corpus = manifest["recipe"], manifest["corpus"]
    meanings = "\n".join(f"- `{name}`: {PROTOCOL_MEANING[name]}." for name in metrics)
    return f"""# Model card: {recipe["name"]}

{recipe["summary"]}

- Input: {manifest["features"]["n_frames"]} frames of `{manifest["features"]["name"]}` features of the first
  {manifest["features"]["duration"]:.0f} s of a sound at {manifest["features"]["sr"]:,} Hz.
- Output: probabilities of {", ".join(manifest["labels"])}.
- Training: {recipe["epochs"]} epochs, batches of {recipe["batch_size"]}, seed {manifest["seed"]}; the deployed network
  is the one of protocol `{manifest["protocol"]}`.
- Corpus: RAVDESS, {corpus["n_clips"]:,} clips of {corpus["n_actors"]} actors ({" and ".join(corpus["channels"])}),
  CC BY-NC-SA 4.0.

## Figures

{results_table(metrics)}

Accuracy and unweighted average recall (UAR; chance is {1 / len(manifest["labels"]):.1%}) over all judged clips, with
95 % intervals by bootstrap over actors; ECE is the expected calibration error.

{meanings}

## When it says "unsure"

{_describe_decision(manifest["decision"])}

## Use and limits

Made to study emotion recognition on acted North American English speech and song. It hears how a voice sounds, not
what a person feels. Not for decisions about people; in the European Union, inferring emotions at work or in education
is prohibited (AI Act, Article 5(1)(f)).
"""


def _describe_decision(decision: Mapping[str, Any]) -> str:
    """Return the rule of the threshold and its worth."""
    if decision["threshold"] is None:
        return f"Always: at no confidence were {decision['precision']:.0%} of the answers on unheard speakers right."
    return f"""An answer is unsure below a confidence of {decision["threshold"]:.4f}, chosen for
{decision["precision"]:.0%} right answers on unheard speakers. With the threshold of each fold chosen on the other
folds, {decision["answered"]:.1%} of the clips got an answer and {decision["answered_precision"]:.1%} of these were
right."""
