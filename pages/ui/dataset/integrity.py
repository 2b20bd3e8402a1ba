"""Integrity: what is missing or odd in the folder, and what doubled clips do to a random split."""

import contextlib
from collections.abc import Mapping

import streamlit as st

from core.corpus.catalogue import download_folder
from core.corpus.integrity import Integrity, check_integrity
from core.errors import ModelError
from core.learning.reports.leakage import figures_by_protocol
from core.serving.registry import StoredModel
from pages.ui.dataset.download import show_completion
from pages.ui.shared import cache
from pages.ui.shared.corpus import FoundCorpus, plain

FINDINGS = {
    "missing": ("Missing", "Clips of the corpus without a readable file."),
    "unreadable": ("Unreadable", "Files that cannot be decoded; they are left out everywhere."),
    "stereo": ("Stereo", "Clips of more than one channel; the channels are averaged."),
    "odd_rate": ("Other rate", "Clips at another rate than the others; they are resampled like all."),
    "doubled": ("Doubled", "Clips with several files; each is used once."),
    "same_recording": ("Same recording", "Different names, one sound."),
}


def show_integrity(corpus: FoundCorpus) -> None:
    """Show the tab."""
    found = check_integrity(corpus.index, corpus.corpus)
    if found.is_complete:
        st.success(f"Complete: all {found.n_clips:,} clips are there and readable.", icon=":material/verified:")
    else:
        st.warning(f"{len(found.missing):,} clips of the corpus are missing or unreadable.", icon=":material/warning:")
        if corpus.corpus.source is not None and corpus.root == download_folder(corpus.corpus):
            show_completion(corpus.corpus)
    _show_findings(found, corpus.corpus.texts.notes)
    st.markdown("#### What doubling does")
    _show_twins(corpus)
    _show_figures(corpus)


def _show_findings(found: Integrity, notes: Mapping[str, str]) -> None:
    """Show the number of each finding, and its list on demand."""
    findings = {
        field: (title, f"{meaning} {notes.get(field, '')}".strip()) for field, (title, meaning) in FINDINGS.items()
    }
    with st.container(horizontal=True, gap="medium"):
        st.metric("Files", f"{found.n_files:,}", width="content")
        for field, (title, meaning) in findings.items():
            st.metric(title, f"{len(getattr(found, field)):,}", width="content", help=meaning)
    for field, (title, meaning) in findings.items():
        rows = getattr(found, field)
        if rows:
            with st.expander(f"{title}: {len(rows):,}"):
                st.caption(meaning)
                names = [" = ".join(row) if isinstance(row, tuple) else row for row in rows]
                st.dataframe({"name": names}, hide_index=True, height=min(38 * len(names) + 38, 300))


def _show_twins(corpus: FoundCorpus) -> None:
    """Show how many evaluated clips have a twin in training, counted on this corpus."""
    try:
        twins = cache.st_twins(corpus.digest, corpus.clips)
    except ValueError:
        st.info("This corpus is too small to be split by chance.", icon=":material/info:")
        return
    doubled = twins.iloc[0]
    st.markdown(
        f"Published copies of corpora often hold every clip twice. Split at random, **{doubled['twin_share']:.1%}** of "
        f"the evaluated files ({doubled['twins']:,} of {doubled['evaluated']:,}) have their twin in training: the "
        "model has met them, and the figure tells how well it remembers."
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


def _show_figures(corpus: FoundCorpus) -> None:
    """Show a stored model's figures by all protocols."""
    model = _stored_model(corpus)
    if model is None:
        st.info("No model is stored, so there are no figures to compare.", icon=":material/info:")
        return
    figures = figures_by_protocol(model.metrics())
    if figures.empty:
        st.info("The stored model was evaluated by none of these protocols.", icon=":material/info:")
        return
    recalls = dict(zip(figures["protocol"], figures["recall"], strict=True))
    if {"reference", model.main_protocol} <= set(recalls):
        doubled, unseen = recalls["reference"], recalls[model.main_protocol]
        st.markdown(
            f"The stored model `{model.name}` gets **{doubled:.1%}** right in the doubled split and **{unseen:.1%}** "
            f"with unseen speakers: **{100 * (doubled - unseen):.1f} points** less."
        )
    st.dataframe(
        figures.assign(twin_share=100 * figures["twin_share"]),
        hide_index=True,
        column_order=["protocol", "n_clips", "twin_share", "recall_text", "accuracy_text"],
        column_config={
            "protocol": "Protocol",
            "n_clips": st.column_config.NumberColumn("Evaluated clips", format="localized"),
            "twin_share": st.column_config.NumberColumn("Seen in training", format="%.1f %%"),
            "recall_text": st.column_config.TextColumn("UAR %", help="Unweighted average recall, 95 % interval."),
            "accuracy_text": st.column_config.TextColumn("Accuracy %", help="With 95 % interval."),
        },
    )
    protocols = model.manifest.corpus.protocols
    st.caption("  \n".join(f"`{name}`: {plain(protocols[name])}." for name in figures["protocol"]))


def _stored_model(corpus: FoundCorpus) -> StoredModel | None:
    """Return a stored model of this corpus: the reference recipe's where there is one, else any, else None."""
    registry = cache.VerifiedModels()
    models = []
    for name in [*registry.names(), *registry.names_of("reference")]:
        with contextlib.suppress(ModelError):  # Metrics and Admin say what is wrong with one
            models.append(registry.load(name))
    return next((model for model in reversed(models) if model.manifest.corpus.name == corpus.corpus.name), None)
