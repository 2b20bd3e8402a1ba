"""The numbers of a voice: a table to read, to copy and to download."""

import math

import pandas as pd
import streamlit as st

from core.audio.analysis import Analysis
from core.audio.phonetics import curves_table
from core.serving.exports import spreadsheet_csv
from pages.ui.shared import state

DOWNLOAD = ":material/download:"
DEFINITIONS = """
Definitions are Praat's, with its usual settings, so that figures can be compared.

- **F0** from 75 to 600 Hz by autocorrelation (Boersma 1993). The range leaves out the lowest and
  highest twentieth. st: semitones; re 100 Hz: counted from there.
- **Intensity** in dBFS: 0 is a square wave of full scale. Praat shows 94 dB more for the same file.
- **Formants**: linear prediction by Burg's method, five below 5,500 Hz; medians over voiced frames.
- **Harmonics-to-noise ratio**: mean over voiced frames, as in Praat's voice report.
- **Jitter and shimmer**: mean difference of neighbouring periods and amplitudes, as a share of their mean. Meant for
  held vowels: in running speech the melody adds to them.
- **Speech** is where the voice detector hears one, **voiced** where there is a pitch.
"""


def show_numbers(analysis: Analysis, stem: str, k: int) -> None:
    """Show the numbers of the ``k``-th sound, with its files named for it."""
    numbers = analysis.voice.numbers
    digits = [_digits(value, unit) for value, unit in numbers[["value", "unit"]].itertuples(index=False)]
    shown = numbers.assign(value=digits)
    if not analysis.voice.f0[analysis.voice.f0 > 0].size:
        st.info("No voice sounds here: there is no pitch, and nothing that rests on it.", icon=":material/info:")
    st.dataframe(
        shown,
        hide_index=True,
        height=35 * (len(shown) + 1) + 3,
        column_config={
            "measure": st.column_config.TextColumn("Measure", width=176),
            "value": st.column_config.TextColumn("Value", width=64, alignment="right"),
            "unit": st.column_config.TextColumn("Unit", width=92),
        },
        key=f"{state.FEATURES_NUMBERS}-{k}",
    )
    with st.container(horizontal=True):
        with st.popover("Copy", icon=":material/content_copy:"):
            st.caption("Tabs between columns, as spreadsheets take them.")
            st.code(shown.to_csv(sep="\t", index=False), language=None)
        _offer("Numbers", numbers, f"{stem}-voice.csv", k)
        _offer("Curves", curves_table(analysis.voice, start=analysis.start), f"{stem}-curves.csv", k)
        with st.popover("Definitions", icon=":material/menu_book:"):
            st.markdown(DEFINITIONS)


def _offer(label: str, table: pd.DataFrame, name: str, k: int) -> None:
    """Offer a table as a file."""
    st.download_button(
        f"{label} (CSV)",
        lambda: spreadsheet_csv(table),
        name,
        "text/csv",
        icon=DOWNLOAD,
        on_click="ignore",
        key=f"{label}-{k}",
    )


def _digits(value: float, unit: str) -> str:
    """Return a number with the digits that its unit deserves; a dash for none."""
    if math.isnan(value):
        return "-"
    n_digits = {"": 0, "Hz": 1, "% of time": 1}.get(unit, 2)
    return f"{value:,.{n_digits}f}"
