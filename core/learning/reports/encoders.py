"""The card of an encoder."""

import textwrap
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

WIDTH: Final = 118
"""Longest line, in characters."""


def encoder_card(manifest: Mapping[str, Any], history: pd.DataFrame) -> str:
    """Return what an encoder is, what it was taught on, and how well it learned that, as Markdown.

    Parameters
    ----------
    manifest : mapping
        As ``core.operations.pretraining`` stores it.
    history : pandas.DataFrame
        A row an epoch, with columns ``accuracy`` and ``val_accuracy``.

    Returns
    -------
    str
    """
    recipe, last = manifest["recipe"], history.iloc[-1]
    widths, n_kinds = ", ".join(map(str, recipe["widths"])), sum(len(corpus["kinds"]) for corpus in manifest["corpora"])
    taught_on = "\n".join(map(_describe, manifest["corpora"]))
    what = (
        f"A network of convolutions ({widths} channels) on the mel spectrogram. It describes a voice by "
        f"{sum(manifest['widths']):,} numbers: mean and deviation over time of each map, in each channel and band. "
        "It is frozen: recipes read it as they read other features."
    )
    how = (
        f"{len(history)} epochs, batches of {recipe['batch_size']}, AdamW at {recipe['learning_rate']:g} at most, seed "
        f"{recipe['seed']}. Sounds are cut to {recipe['n_frames']} frames, warped in time and frequency, filtered, "
        "reverberated, covered with noise and mixed in pairs, anew in every epoch."
    )
    how_well = (
        f"Of sounds of people that it was not taught on, {last['val_accuracy']:.1%} are put into the right one of "
        f"{n_kinds} kinds (chance is {1 / n_kinds:.1%}). What that is worth for emotions, the cards of the models that "
        "read it tell."
    )
    return f"""# {manifest["name"]}

{textwrap.fill(what, WIDTH)}

## What it was taught on

{taught_on}

A model that reads it is not evaluated on any of these corpora.

## How

{textwrap.fill(how, WIDTH)}

## How well

{textwrap.fill(how_well, WIDTH)}
"""


def _describe(corpus: Mapping[str, Any]) -> str:
    """Return what an encoder heard of a corpus, as an item of a list."""
    text = (
        f"{corpus['n_clips']:,} sounds of {corpus['n_speakers']:,} people from {corpus['title']} (licence: "
        f"{corpus['licence']}), of the kinds {', '.join(corpus['kinds'])}."
    )
    return textwrap.fill(text, WIDTH, initial_indent="- ", subsequent_indent="  ")
