"""Showing an answer and the sound it rests on."""

from collections.abc import Mapping

import streamlit as st

from core.audio.decode import Waveform
from core.audio.sound import Sound
from core.plots import sound as sound_plots
from core.serving.predictor import Prediction
from pages.ui.shared import cache
from pages.ui.shared.frame import DOMAIN_NOTICE

EMOTION_ICONS = {
    "angry": ":material/sentiment_extremely_dissatisfied:",
    "calm": ":material/sentiment_calm:",
    "disgust": ":material/sick:",
    "fearful": ":material/sentiment_worried:",
    "happy": ":material/sentiment_very_satisfied:",
    "neutral": ":material/sentiment_neutral:",
    "sad": ":material/sentiment_sad:",
    "surprised": ":material/sentiment_excited:",
}


def icon_of(emotion: str) -> str:
    """Return the icon of an emotion; one for all that have none of their own."""
    return EMOTION_ICONS.get(emotion, ":material/graphic_eq:")


def show_answer(prediction: Prediction) -> None:
    """Show the emotion large, its confidence, and what speaks against it."""
    if prediction.is_uncertain:
        st.markdown(f"## :material/help: Unsure · perhaps {prediction.emotion}")
    else:
        st.markdown(f"## {icon_of(prediction.emotion)} {prediction.emotion.capitalize()}")
    st.markdown(f"**{prediction.confidence:.1%}** confident")
    for reason in prediction.reasons:
        st.caption(f":material/info: {reason[0].upper()}{reason[1:]}.")
    st.caption(DOMAIN_NOTICE)


def show_probabilities(probabilities: Mapping[str, float]) -> None:
    """Show the probabilities of all emotions."""
    st.plotly_chart(
        sound_plots.probability_bars(probabilities),
        config={"displayModeBar": False},
        alt=", ".join(f"{emotion} {p:.2f}" for emotion, p in probabilities.items()),
    )


def show_player(sound: Sound, waveform: Waveform) -> None:
    """Show the player and what the file was."""
    st.audio(sound.data, format=_mime(waveform))
    channels = {1: "mono", 2: "stereo"}.get(waveform.channels, f"{waveform.channels} channels")
    st.caption(
        f"{waveform.container} · {waveform.file_rate / 1000:g} kHz · {channels} · {waveform.duration:.1f} s · "
        f"level {cache.assessment(sound).level:.0f} dBFS"
    )


def show_waveform(waveform: Waveform) -> None:
    """Show the waveform with the part that is analysed."""
    analysed = cache.predictor().analysed_duration
    st.plotly_chart(
        sound_plots.waveform(waveform.y, waveform.sr, analysed),
        config={"displayModeBar": False},
        alt=f"Waveform of {waveform.duration:.1f} s; the first {min(analysed, waveform.duration):.1f} s are analysed",
    )


def _mime(waveform: Waveform) -> str:
    kind = waveform.container.split()[0]
    return {"MATROSKA": "audio/webm", "MOV": "audio/mp4", "AAC": "audio/aac", "MP3": "audio/mpeg"}.get(
        kind, f"audio/{kind.lower()}"
    )
