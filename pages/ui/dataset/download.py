"""Without a corpus: what it is, and the ways to it."""

import streamlit as st

from core.config import download_folder
from core.corpus import download
from core.corpus.download import ZENODO, has_kaggle, missing_channels
from core.errors import SoundWebError
from core.work.background import WorkState
from pages.ui.shared import cache, state

FROM_ZENODO, FROM_KAGGLE = "Zenodo", "Kaggle"


def show_first_visit() -> None:
    """Show what RAVDESS is, its download, and how to name a folder that is there."""
    with st.container(border=True):
        st.markdown("#### :material/library_music: No corpus yet")
        clips = sum(archive.n_clips for archive in ZENODO.archives.values())
        st.markdown(
            f"RAVDESS holds {clips:,} short recordings of 24 actors who speak and sing two sentences in eight "
            "emotions. The shipped model works without it; browsing, listening and training need it."
        )
        st.caption(
            "Livingstone & Russo (2018), [doi.org/10.5281/zenodo.1188976](https://doi.org/10.5281/zenodo.1188976). "
            "Licence: [CC BY-NC-SA 4.0](https://creativecommons.org/licenses/by-nc-sa/4.0/): free to use and share "
            "with attribution, not for profit, changes under the same licence."
        )
    show_download(tuple(ZENODO.archives))
    with st.expander("A folder that is there already", icon=":material/folder_open:"):
        st.markdown(
            "Name it to the server before it starts. Any layout is found, from Zenodo or Kaggle, as WAV or FLAC. The "
            "folder is not asked for here, since everybody who reaches this page could then look for folders."
        )
        st.code("export RAVDESS_ROOT=/path/to/ravdess\nstreamlit run soundwebapp.py", language="bash")


def show_download(channels: tuple[str, ...]) -> None:
    """Show the download of some channels: its form, or how far it is."""
    work = cache.st_download()
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
            format_func=_describe_archive,
            key=state.DOWNLOAD_CHANNELS,
        )
        sources = [FROM_ZENODO, *([FROM_KAGGLE] if has_kaggle() else [])]
        source = st.segmented_control("From", sources, default=FROM_ZENODO, required=True, key=state.DOWNLOAD_FROM)
        if not has_kaggle():
            st.caption("Kaggle is offered too where its package is installed: `pip install kagglehub`.")
        archives = [ZENODO.archives[channel] for channel in chosen]
        if archives:
            packed, unpacked = (sum(sizes) for sizes in zip(*((a.size, a.unpacked) for a in archives), strict=True))
            st.caption(
                f"Needs {(packed + unpacked) / 1e9:.1f} GB of room, {packed / 1e9:.1f} GB of it until the clips are "
                "unpacked. The checksum is verified."
            )
        st.button(
            "Download",
            type="primary",
            icon=":material/download:",
            disabled=not archives,
            on_click=_start,
            args=(tuple(chosen), source),
        )
        st.caption("On the command line: `python -m core download`. Both go on where they were cut off.")


def _describe_archive(channel: str) -> str:
    archive = ZENODO.archives[channel]
    return f"{channel.capitalize()} · {archive.n_clips:,} clips · {archive.size / 1e6:.0f} MB"


def _start(channels: tuple[str, ...], source: str) -> None:
    fetch = download.download_from_kaggle if source == FROM_KAGGLE else download.download_corpus
    cache.st_download().start(lambda report: fetch(channels, download_folder(), report=report))


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
        st.button("Stop", icon=":material/stop:", on_click=work.stop)


def _show_end(progress: WorkState) -> None:
    """Tell why the last download ended early, if it did."""
    if isinstance(progress.failure, SoundWebError):
        st.error(str(progress.failure), icon=":material/error:")
    elif progress.failure is not None:
        raise progress.failure


def show_completion() -> None:
    """Offer what is missing in the downloaded corpus."""
    channels = missing_channels(ZENODO.archives, download_folder())
    if channels or cache.st_download().state.is_running:
        show_download(tuple(channels) or tuple(ZENODO.archives))
