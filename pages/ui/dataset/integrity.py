"""Integrity: what is missing or odd in the folder, and what doubled clips do to a random split."""

import streamlit as st

from core.config import download_folder
from core.corpus.integrity import Integrity, check_integrity
from core.learning.reports.cards import PROTOCOL_MEANING
from core.learning.reports.leakage import figures_by_protocol
from core.serving.registry import StoredModel
from pages.ui.dataset.download import show_completion
from pages.ui.shared import cache
from pages.ui.shared.corpus import Corpus

FINDINGS = {
    "missing": ("Missing", "Clips of the release without a readable file."),
    "unreadable": ("Unreadable", "Files that cannot be decoded; they are left out everywhere."),
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
    with st.container(horizontal=True, gap="medium"):
        st.metric("Files", f"{found.n_files:,}", width="content")
        for field, (title, meaning) in FINDINGS.items():
            st.metric(title, f"{len(getattr(found, field)):,}", width="content", help=meaning)
    for field, (title, meaning) in FINDINGS.items():
        rows = getattr(found, field)
        if rows:
            with st.expander(f"{title}: {len(rows):,}"):
                st.caption(meaning)
                names = [" = ".join(row) if isinstance(row, tuple) else row for row in rows]
                st.dataframe({"name": names}, hide_index=True, height=min(38 * len(names) + 38, 300))


def _show_twins(corpus: Corpus) -> None:
    """Show how many evaluated clips have a twin in training, counted on this corpus."""
    try:
        twins = cache.st_twins(corpus.digest, corpus.clips)
    except ValueError:
        st.info("This corpus is too small to be split by chance.", icon=":material/info:")
        return
    doubled = twins.iloc[0]
    st.markdown(
        f"Kaggle's archives hold every clip twice. Split at random, **{doubled['twin_share']:.1%}** of the evaluated "
        f"files ({doubled['twins']:,} of {doubled['evaluated']:,}) have their twin in training: the model has "
        "heard them, and the figure tells how well it remembers."
    )
    st.dataframe(
        twins.assign(twin_share=100 * twins["twin_share"]),
        hide_index=True,
        column_config={
            "split": "80 and 20 % at random",
            "evaluated": "Evaluated files",
            "twins": "With a twin in training",
            "twin_share": st.column_config.NumberColumn("Share", format="%.1f %%"),
        },
    )


def _show_figures() -> None:
    """Show a stored model's figures by all protocols."""
    model = _reference_model()
    if model is None:
        st.info("No model is stored, so there are no figures to compare.", icon=":material/info:")
        return
    figures = figures_by_protocol(model.metrics())
    if figures.empty:
        st.info("The stored model was evaluated by none of these protocols.", icon=":material/info:")
        return
    recalls = dict(zip(figures["protocol"], figures["recall"], strict=True))
    if {"reference", "speaker-emobox"} <= set(recalls):
        doubled, unseen = recalls["reference"], recalls["speaker-emobox"]
        st.markdown(
            f"The stored model `{model.name}` gets **{doubled:.1%}** right in the doubled split and **{unseen:.1%}** "
            f"with speakers it never heard: **{100 * (doubled - unseen):.1f} points** less."
        )
    st.dataframe(
        figures.assign(twin_share=100 * figures["twin_share"]),
        hide_index=True,
        column_order=["protocol", "n_clips", "twin_share", "recall_text", "accuracy_text"],
        column_config={
            "protocol": "Protocol",
            "n_clips": st.column_config.NumberColumn("Evaluated clips", format="localized"),
            "twin_share": st.column_config.NumberColumn("Heard in training", format="%.1f %%"),
            "recall_text": st.column_config.TextColumn("UAR %", help="Unweighted average recall, 95 % interval."),
            "accuracy_text": st.column_config.TextColumn("Accuracy %", help="With 95 % interval."),
        },
    )
    st.caption("  \n".join(f"`{name}`: {PROTOCOL_MEANING[name]}." for name in figures["protocol"]))


def _reference_model() -> StoredModel | None:
    """Return a stored model of the reference recipe, else the one in use, else None."""
    registry = cache.VerifiedModels()
    names = registry.names_of("reference") or ([registry.champion()] if registry.has_champion() else [])
    return registry.load(names[-1]) if names else None
