"""Integrity: what is missing or odd in the folder, and what doubled clips do to a random split."""

import pandas as pd
import streamlit as st

from core.config import download_folder
from core.corpus.integrity import Integrity, check_integrity
from core.errors import CorpusError
from core.serving.cards import PROTOCOL_MEANING
from core.serving.leakage import figures_by_protocol
from core.serving.registry import Registry, StoredModel
from pages.ui import cache
from pages.ui.corpus import Corpus
from pages.ui.dataset.download import show_completion

FINDINGS = {
    "missing": ("Missing", "Clips of the release without a readable file."),
    "unreadable": ("Unreadable", "Files that can not be decoded; they are left out everywhere."),
    "stereo": ("Stereo", "Six clips of the release are; both channels are averaged."),
    "odd_rate": ("Other rate", "Clips at another rate than 48 kHz; they are resampled like all."),
    "doubled": ("Doubled", "Clips with several files, as in Kaggle's archives; each is used once."),
    "same_recording": ("Same recording", "Different names, one sound. The release has one such pair."),
}


def show_integrity(corpus: Corpus) -> None:
    """Show the tab."""
    found = check_integrity(corpus.index)
    if found.is_complete:
        st.success(f"Complete: all {found.n_clips:,} clips are there and readable.", icon=":material/verified:")
    else:
        st.warning(f"{len(found.missing):,} clips of the release are missing or unreadable.", icon=":material/warning:")
        if corpus.root == download_folder():
            show_completion()
    _show_findings(found)
    st.markdown("#### What doubling does")
    _show_twins(corpus)
    _show_figures()


def _show_findings(found: Integrity) -> None:
    """Show the number of each finding, and its list on demand."""
    with st.container(horizontal=True):
        st.metric("Files", f"{found.n_files:,}", border=True, width=150)
        for field, (title, meaning) in FINDINGS.items():
            st.metric(title, f"{len(getattr(found, field)):,}", border=True, width=150, help=meaning)
    for field, (title, meaning) in FINDINGS.items():
        rows = getattr(found, field)
        if rows:
            with st.expander(f"{title}: {len(rows):,}"):
                st.caption(meaning)
                names = [" = ".join(row) if isinstance(row, tuple) else row for row in rows]
                st.dataframe({"name": names}, hide_index=True, height=min(38 * len(names) + 38, 300))


def _show_twins(corpus: Corpus) -> None:
    """Show how many judged clips have a twin in training, counted on this corpus."""
    try:
        twins = cache.st_twins(corpus.digest, corpus.clips)
    except ValueError:
        st.info("This corpus is too small to be split by chance.", icon=":material/info:")
        return
    doubled = twins.iloc[0]
    st.markdown(
        f"Kaggle's archives hold every clip twice. Split at random, **{doubled['twin_share']:.1%}** of the judged files "
        f"({doubled['twins']:,} of {doubled['judged']:,}) have their twin in training: the model has heard them, and "
        "the figure tells how well it remembers."
    )
    st.dataframe(
        twins,
        hide_index=True,
        column_config={
            "split": "80 and 20 % at random",
            "judged": "Judged files",
            "twins": "With a twin in training",
            "twin_share": st.column_config.NumberColumn("Share", format="percent"),
        },
    )


def _show_figures() -> None:
    """Show a stored model's figures by all protocols."""
    model = _reference_model()
    if model is None:
        st.info("No model is stored, so there are no figures to compare.", icon=":material/info:")
        return
    figures = figures_by_protocol(model)
    if figures.empty:
        st.info("The stored model was judged by none of these protocols.", icon=":material/info:")
        return
    by_protocol = figures.set_index("protocol")["uar"]
    if {"reference", "speaker-emobox"} <= set(by_protocol.index):
        loss = by_protocol["reference"] - by_protocol["speaker-emobox"]
        st.markdown(
            f"The stored model `{model.name}` gets **{by_protocol['reference']:.1%}** right in the doubled split and "
            f"**{by_protocol['speaker-emobox']:.1%}** with speakers it never heard: **{100 * loss:.1f} points** less."
        )
    st.dataframe(
        figures.assign(meaning=figures["protocol"].map(PROTOCOL_MEANING)),
        hide_index=True,
        column_config={
            "protocol": "Protocol",
            "n_clips": "Judged clips",
            "twin_share": st.column_config.NumberColumn("Heard in training", format="percent"),
            "accuracy": st.column_config.NumberColumn("Accuracy", format="percent"),
            "uar": st.column_config.NumberColumn("UAR", format="percent", help="Unweighted average recall."),
            "uar_low": st.column_config.NumberColumn("95 % from", format="percent"),
            "uar_high": st.column_config.NumberColumn("to", format="percent"),
            "meaning": "What stands on both sides",
        },
    )


def _reference_model() -> StoredModel | None:
    """Return a stored model of the reference recipe, else the one in use, else None."""
    registry = Registry()
    names = registry.names_of("reference") or ([registry.champion()] if registry.has_champion() else [])
    return registry.load(names[-1]) if names else None
