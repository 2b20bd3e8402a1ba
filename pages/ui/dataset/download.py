"""Without a corpus: what it is, and the ways to it."""

import streamlit as st

from core.corpus.base import Corpus
from core.corpus.catalogue import FOLDERS_VARIABLE, download_command, download_folder
from core.corpus.download import has_kaggle, missing_channels, source_of
from core.corpus.known import default_corpus
from core.corpus.sources import LooseFiles, Source
from core.operations.downloads import begin_download, stop_download
from core.work.background import WorkState
from pages.ui.admin.sign_in import administrator, own_token
from pages.ui.shared import cache, state
from pages.ui.shared.frame import toasted_errors

FROM_RECORD, FROM_KAGGLE = "record", "Kaggle"


def show_first_visit() -> None:
    """Show what the default corpus is, its download, and how to name a folder that is there."""
    corpus = default_corpus()
    texts = corpus.texts
    with st.container(border=True):
        st.markdown("#### No corpus yet")
        st.markdown(
            f"{corpus.title}: {texts.about} The shipped model works without it; browsing, listening and training "
            "need a corpus."
        )
        st.caption(
            f"{texts.citation}, [{texts.link.removeprefix('https://')}]({texts.link}). "
            f"Licence: [{corpus.licence}]({corpus.licence_link})."
        )
    show_download(corpus, tuple(source_of(corpus).counts))
    with st.expander("A folder that is there already", icon=":material/folder_open:"):
        st.markdown(
            "Name it to the server before it starts. Any layout is found, as WAV or FLAC. The "
            "folder is not asked for here, since everybody who reaches this page could then look for folders."
        )
        st.code(f"export {corpus.root_variable}=/path/to/{corpus.name}", language="bash")
        st.markdown(
            "Other corpora: folders with a table `manifest.csv` (columns `file`, `emotion`, `speaker`) or an "
            f"audformat database, listed in `{FOLDERS_VARIABLE}`."
        )


def show_download(corpus: Corpus, channels: tuple[str, ...]) -> None:
    """Show the download of some channels: its form, or how far it is."""
    work, known = cache.st_download(), source_of(corpus)
    if work.state.is_running:
        _follow()
        return
    _show_end(work.state)
    with st.container(border=True):
        st.markdown("##### Download")
        chosen = st.pills(
            "Clips",
            channels,
            selection_mode="multi",
            default=channels,
            format_func=lambda channel: _describe_channel(known, channel),
            key=state.DOWNLOAD_CHANNELS,
        )
        sources = [FROM_RECORD, *([FROM_KAGGLE] if known.is_on_kaggle and has_kaggle() else [])]
        source = st.segmented_control(
            "From",
            sources,
            default=FROM_RECORD,
            required=True,
            format_func=lambda name: known.title if name == FROM_RECORD else name,
            key=state.DOWNLOAD_FROM,
        )
        if known.is_on_kaggle and not has_kaggle():
            st.caption("Kaggle is offered too where its package is installed: `pip install kagglehub`.")
        if chosen:
            unpacking = ""
            if isinstance(known, Source):
                unpacking = f", {known.size(chosen) / 1e9:.1f} GB of it until the clips are unpacked"
            st.caption(f"Needs {known.room(chosen) / 1e9:.1f} GB of room{unpacking}. The checksum is verified.")
        if administrator() is None:
            st.caption("An administrator starts it here, or anybody who is at the server:")
            st.page_link("pages/admin.py", label="Sign in to download", icon=":material/login:")
            st.code(download_command(corpus), language="bash")
            return
        st.button(
            "Download",
            type="primary",
            icon=":material/download:",
            disabled=not chosen,
            on_click=_start,
            args=(corpus, tuple(chosen), source),
        )
        st.caption(f"On the command line: `{download_command(corpus)}`. Both go on where they were cut off.")


def _describe_channel(source: Source | LooseFiles, channel: str) -> str:
    return f"{channel.capitalize()} · {source.counts[channel]:,} clips · {source.size([channel]) / 1e6:.0f} MB"


def _start(corpus: Corpus, channels: tuple[str, ...], source: str) -> None:
    with toasted_errors():
        begin_download(own_token(), cache.st_download(), corpus, channels, from_kaggle=source == FROM_KAGGLE)


def _stop() -> None:
    with toasted_errors():
        stop_download(own_token(), cache.st_download())


@st.fragment(run_every=1.0)
def _follow() -> None:
    """Show how far the download is, and the whole page anew at its end."""
    work = cache.st_download()
    found = work.state
    if not found.is_running:
        cache.st_corpus.clear()
        st.rerun()
    with st.container(border=True):
        st.markdown("##### Downloading")
        st.progress(found.progress.overall, text=str(found.progress))
        st.caption("It goes on when you leave this page. What was fetched is kept when it stops.")
        if administrator() is not None:
            st.button("Stop", icon=":material/stop:", on_click=_stop)


def _show_end(progress: WorkState) -> None:
    """Tell why the last download ended early, if it did."""
    if progress.failure is not None:
        st.error(progress.failure.told, icon=":material/error:")


def show_completion(corpus: Corpus) -> None:
    """Offer what is missing in the downloaded corpus."""
    known = tuple(source_of(corpus).counts)
    channels = missing_channels(corpus, known, download_folder(corpus))
    if channels or cache.st_download().state.is_running:
        show_download(corpus, tuple(channels) or known)
