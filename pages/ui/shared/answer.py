"""Showing an answer and the sound it rests on."""

from collections.abc import Mapping

import streamlit as st

from core.audio.decode import Waveform
from core.audio.sound import Sound
from core.plots import sound as sound_plots
from core.serving.exports import heard_text, to_int16, wav_bytes
from core.serving.known import KnownClip
from core.serving.prediction import Prediction
from pages.ui.shared import cache
from pages.ui.shared.corpus import plain
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
    if prediction.known:
        _show_unheard(prediction.known)
        st.caption("The answer of the model in use beneath tells how well it remembers, not how well it recognises:")
    if prediction.is_uncertain:
        st.markdown(f"## :material/help: Unsure · perhaps {prediction.emotion}")
    else:
        st.markdown(f"## {icon_of(prediction.emotion)} {prediction.emotion.capitalize()}")
    if len(prediction.pieces) > 1:
        shares = " · ".join(f"{label} **{share:.0%}**" for label, share in prediction.shares.items())
        st.markdown(f"Of {prediction.speech_duration:.1f} s of speech: {shares}")
        st.caption(
            f"{len(prediction.pieces)} stretches of voice in {prediction.duration:.1f} s of sound, each answered by "
            f"itself; {prediction.silence:.0%} of the sound is without a voice."
        )
    else:
        st.markdown(f"**{prediction.confidence:.1%}** confident")
        st.caption(f"Heard: {heard_text(prediction)}.")
    for reason in prediction.reasons:
        st.caption(f":material/info: {reason[0].upper()}{reason[1:]}.")
    st.caption(DOMAIN_NOTICE)


def _show_unheard(known: KnownClip) -> None:
    """Show the honest answer for a clip that the model was trained on."""
    words = f"Unsure · perhaps {known.answer}" if known.is_uncertain else known.answer.capitalize()
    with st.container(border=True):
        st.markdown(f"#### {icon_of(known.answer)} {words}")
        st.markdown(f"**{known.confidence:.1%}** confident, by models that never heard this speaker")
        clip = known.clip.replace("`", "")
        st.caption(
            f"This is a recording that the model in use was trained on: {plain(known.corpus)}, `{clip}`, labelled "
            f"{plain(known.emotion)}."
        )


def show_probabilities(probabilities: Mapping[str, float]) -> None:
    """Show the probabilities of all emotions."""
    st.plotly_chart(
        sound_plots.probability_bars(probabilities),
        config={"displayModeBar": False},
        alt=", ".join(f"{emotion} {p:.2f}" for emotion, p in probabilities.items()),
    )


def show_player(sound: Sound, waveform: Waveform) -> None:
    """Show the player and what the file was."""
    if _is_playable(waveform):
        st.audio(sound.data, format=_mime(waveform))
    else:
        st.audio(wav_bytes(to_int16(waveform.y)), format="audio/wav")
    channels = {1: "mono", 2: "stereo"}.get(waveform.channels, f"{waveform.channels} channels")
    st.caption(
        f"{waveform.container} · {waveform.file_rate / 1000:g} kHz · {channels} · {waveform.duration:.1f} s · "
        f"level {cache.assessment(sound).level:.0f} dBFS"
    )


def show_waveform(waveform: Waveform, prediction: Prediction) -> None:
    """Show the waveform with the stretches that the answer rests on."""
    stretches = [(piece.start, piece.end) for piece in prediction.pieces]
    st.plotly_chart(
        sound_plots.waveform(waveform.y, waveform.sr, stretches),
        config={"displayModeBar": False},
        alt=f"Waveform of {waveform.duration:.1f} s; {heard_text(prediction)}",
    )
    st.caption("Shaded: what the answer rests on.")


def _is_playable(waveform: Waveform) -> bool:
    """Tell whether browsers play a file themselves."""
    container, codec = waveform.container.split(maxsplit=1)
    if container == "WAV":
        return codec.startswith(("PCM", "FLOAT", "DOUBLE", "ULAW", "ALAW"))
    return container in ("WAVEX", "FLAC", "OGG", "MP3", "MOV", "MATROSKA", "AAC")


def _mime(waveform: Waveform) -> str:
    kind = waveform.container.split()[0]
    return {"MATROSKA": "audio/webm", "MOV": "audio/mp4", "AAC": "audio/aac", "MP3": "audio/mpeg"}.get(
        kind, f"audio/{kind.lower()}"
    )
