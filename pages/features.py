"""Features: what a sound is made of, and what the model reads of it."""

import streamlit as st

from core.audio.analysis import MAX_STRETCH, analysis_archive, analysis_table
from core.audio.sound import Sound
from core.plots import features as plots
from core.plots.features import common_ranges
from core.plots.style import SAVING
from core.plots.timeline import clock
from core.serving.exports import file_stem
from pages.ui.features.explanation import show_explanation
from pages.ui.features.voice import DOWNLOAD, show_numbers
from pages.ui.shared import cache, links, state
from pages.ui.shared.corpus import plain
from pages.ui.shared.frame import shown_errors
from pages.ui.shared.player import describe_sound, show_player
from pages.ui.shared.sounds import choose_sound

VOICE, SPECTRUM, CEPSTRUM, HARMONY, LOUDNESS, MODEL = (
    "Voice",
    "Spectrum",
    "MFCC",
    "Chroma and contrast",
    "Loudness",
    "Model",
)
FIGURES = {
    VOICE: plots.voice,
    SPECTRUM: plots.spectrum,
    CEPSTRUM: plots.cepstrum,
    HARMONY: plots.harmony,
    LOUDNESS: plots.loudness,
}
HELP = {
    VOICE: "The fundamental frequency (F0) is the pitch that is heard; it stops where no voice sounds. Intensity "
    "is how loud. Formants are the resonances of mouth and throat, which tell vowels apart. The table sums them up, "
    "with how regular the voice is: jitter for its periods, shimmer for their strength, and harmonics over noise.",
    SPECTRUM: "Time runs to the right, frequency upwards; bright is loud. Voiced sounds show as ladders of lines, hiss "
    "as bright haze. The white line is the fundamental frequency, red dots are formants.",
    CEPSTRUM: "Mel-frequency cepstral coefficients sum up the shape of the spectrum: the first how loud, the second "
    "how bright, higher ones finer detail. Deltas tell how fast they change, delta-deltas how fast that changes.",
    HARMONY: "Chroma folds all octaves into the twelve notes. Contrast compares the peaks of a band with its valleys: "
    "high for clear voices, low for noise.",
    LOUDNESS: "RMS follows loudness. The zero-crossing rate is high for hissing sounds and low for vowels. Bandwidth "
    "tells how far the spectrum spreads around its centre.",
    MODEL: "Left out one by one, stretches of the sound and groups of features show what the answer rests on: the more "
    "its probability falls, the more they mattered.",
}


def main() -> None:
    """Show the page: a sound, or two side by side, in tabs of which only the open one is computed."""
    st.title("Features")
    compare = st.toggle("Compare two sounds", **links.linked(state.FEATURES_COMPARE, links.switch()))
    columns = st.columns(2 if compare else 1, gap="large")
    sounds = []
    for column, keys in zip(columns, (state.SOUND, state.OTHER_SOUND), strict=False):
        with column, shown_errors():
            sound = choose_sound(keys)
            if sound:
                show_player(sound, key=keys.source)
                describe_sound(sound, cache.waveform(sound))
                sounds.append(sound)
    if not sounds:
        _show_empty()
        return
    tabs = st.tabs(list(HELP), **links.linked(state.FEATURES_TAB, links.one_of(HELP, VOICE)))
    for tab, name in zip(tabs, HELP, strict=True):
        if tab.open:
            with tab, shown_errors():
                _show_tab(name, sounds)


def _show_empty() -> None:
    """Tell what will stand here."""
    with st.container(border=True):
        st.markdown("#### No sound yet")
        st.markdown(
            "Upload a file, record, or pick a sample. Here appear its pitch, intensity and formants with their "
            "numbers, its spectrogram, MFCC, chroma, contrast and loudness, and what the model reads of it."
        )


def _show_tab(name: str, sounds: list[Sound]) -> None:
    """Show one tab for each sound, side by side and on the same scales."""
    with st.popover("How to read this", icon=":material/help:"):
        st.markdown(HELP[name])
    if name == MODEL:
        columns = st.columns(len(sounds), gap="large")
        for k, (column, sound) in enumerate(zip(columns, sounds, strict=True)):
            with column:
                show_explanation(sound, _own(state.FEATURES_MODEL, k), _own(state.FEATURES_EMOTION, k))
        return
    starts = [_start(sound, k) for k, sound in enumerate(sounds)]
    columns = st.columns(len(sounds), gap="large")
    analyses = [cache.analysis(sound, start) for sound, start in zip(sounds, starts, strict=True)]
    ranges = common_ranges(analyses)
    for k, (column, sound, start) in enumerate(zip(columns, sounds, starts, strict=True)):
        with column:
            chart, rest = st.columns([3, 2], gap="large") if name == VOICE and len(sounds) == 1 else (column, column)
            with chart:
                st.plotly_chart(
                    FIGURES[name](analyses[k], ranges),
                    config=SAVING,
                    alt=f"{name} of the sound over time",
                    key=f"{name}-{k}",
                )
            with rest:
                if name == VOICE:
                    show_numbers(analyses[k], file_stem(sound.name), k)
                else:
                    _show_downloads(sound, start, k)


def _start(sound: Sound, k: int) -> float:
    """Return where the shown stretch of a sound begins, in seconds: chosen where the sound is long."""
    duration = cache.waveform(sound).duration
    if duration <= MAX_STRETCH:
        return 0.0
    last = duration - MAX_STRETCH
    start = float(
        st.slider(
            f"Beginning of the {MAX_STRETCH:g} s that are shown, in seconds",
            0.0,
            last,
            step=1.0,
            **links.linked(_own(state.FEATURES_START, k), links.number(0.0, last)),
        )
    )
    st.caption(
        f"Curves and numbers are those of {clock(start)} to {clock(start + MAX_STRETCH)}, of {clock(duration)} of "
        f"{plain(sound.name)}."
    )
    return start


def _own(key: str, k: int) -> str:
    """Return the key of a widget of one of the sounds."""
    return f"{key}-{k + 1}" if k else key


def _show_downloads(sound: Sound, start: float, k: int) -> None:
    """Offer the figures behind the charts; files are made when asked for."""

    def table() -> bytes:
        return analysis_table(cache.analysis(sound, start)).to_csv(index=False).encode()

    def archive() -> bytes:
        return analysis_archive(cache.analysis(sound, start))

    stem = file_stem(sound.name)
    with st.container(horizontal=True):
        st.download_button("CSV", table, f"{stem}-features.csv", "text/csv", icon=DOWNLOAD, key=f"csv-{k}")
        st.download_button("NPZ", archive, f"{stem}-features.npz", icon=DOWNLOAD, key=f"npz-{k}")


main()
