"""Sounds that were chosen, and the answer for the one that is looked at."""

import dataclasses

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.audio.decode import Waveform
from core.audio.sound import Sound
from core.config import DecodeLimits
from core.errors import SoundWebError
from core.plots.timeline import NO_EMOTION_COLORS
from core.serving.exports import file_stem, prediction_json, prediction_table, spreadsheet_csv
from core.serving.prediction import Prediction
from core.serving.segments import NO_SPEECH, find_segments, smooth
from core.serving.timeline import summarize_windows
from pages.ui.predict.answers import choose_among, note_answer, show_answers
from pages.ui.predict.verdict import ask_verdict
from pages.ui.shared import answer, cache, state
from pages.ui.shared.baseline import note_baseline, personal_shift
from pages.ui.shared.frame import shown_errors
from pages.ui.shared.player import Region, describe_sound, regions_of, show_player
from pages.ui.shared.sounds import named_sound
from pages.ui.shared.timeline import known_windows, levels_of, show_upload_timeline

DOWNLOAD = ":material/download:"


def show_answered(sounds: list[Sound], sound_place: DeltaGenerator, answer_place: DeltaGenerator) -> None:
    """Show the sound that is looked at in one place and its answer in another, and beneath how it goes over time."""
    with sound_place, shown_errors():
        sound = choose_among(sounds) if len(sounds) > 1 else sounds[0]
        duration = cache.duration(sound)
        is_long = duration > DecodeLimits().max_duration
        waveform = None if is_long else cache.waveform(sound)
        if waveform and waveform.parts:
            sound = _choose_part(sound, waveform)
            waveform = cache.waveform(sound)
        if waveform:
            show_player(sound, key="predict", regions=_answered(sound))
            describe_sound(sound, waveform)
    if waveform is None:
        with shown_errors():
            _show_long(sound, duration)
    else:
        _show_answer(sound, waveform, answer_place)


def _show_answer(sound: Sound, waveform: Waveform, place: DeltaGenerator) -> None:
    """Show the answer for a sound in a place, and beneath the page's columns what takes their width."""
    with place, shown_errors():
        prediction = cache.prediction(sound, cache.predictor(), personal_shift())
        answer.show_answer(prediction)
        note_baseline()
        note_answer(sound, prediction)
        why = st.container()
        _show_ways_on(sound, prediction)
        if answer.is_answered(prediction):
            ask_verdict(sound, waveform, prediction)
    if len(prediction.pieces) > 1:
        with shown_errors():
            show_upload_timeline(sound, waveform.duration)
    show_answers()
    if not prediction.has_voice:
        return
    with why:
        # Last: the answer and all that stands around it wait for nothing.
        grounds = cache.grounds(sound, cache.predictor(), personal_shift(), prediction.told_emotion)
        answer.show_grounds(grounds, prediction)


def _answered(sound: Sound) -> list[Region]:
    """Return the stretches that the answer rests on; none where there is no answer, whose place says why."""
    try:
        prediction = cache.prediction(sound, cache.predictor(), personal_shift())
    except SoundWebError:
        return []
    pieces, known = prediction.pieces, prediction.unheard
    if not answer.is_answered(prediction):
        color = NO_EMOTION_COLORS[NO_SPEECH]
        return [Region(piece.start, piece.end, NO_SPEECH, color) for piece in pieces]
    if known is not None:  # as the page's answer says
        pieces = (dataclasses.replace(pieces[0], emotion=known.answer, doubts=known.doubts),)
    return regions_of(pieces)


def _show_long(sound: Sound, duration: float) -> None:
    """Show a sound that is only followed over time: its player, the answer when it was, the timeline."""
    windows = known_windows(sound)
    regions = regions_of(find_segments(smooth(windows, cache.predictor().model.threshold, 0.0)))
    show_player(sound, key="predict", regions=regions, levels=levels_of(windows))
    place = st.container()
    windows = show_upload_timeline(sound, duration)
    if any(window.prediction for window in windows):
        with place:
            notes = cache.assessment(sound).warnings
            answer.show_answer(summarize_windows(windows, cache.predictor().model.name, notes=notes))


def _show_ways_on(sound: Sound, prediction: Prediction) -> None:
    """Offer what moved the answer, and the answer as files."""
    stem = file_stem(sound.name)

    def as_json() -> str:
        return prediction_json(sound.name, prediction)

    def as_csv() -> bytes:
        return spreadsheet_csv(prediction_table([(sound.name, prediction)]))

    with st.container(horizontal=True, vertical_alignment="center"):
        if answer.is_answered(prediction):
            st.page_link(
                "pages/features.py",
                label="Why this answer",
                icon=":material/troubleshoot:",
                query_params=named_sound() | {state.FEATURES_TAB: "Model"},
            )
        st.page_link(
            "pages/features.py",
            label="Pitch and voice",
            icon=":material/graphic_eq:",
            query_params=named_sound() | {state.FEATURES_TAB: "Voice"},
        )
        st.download_button("JSON", as_json, f"{stem}.json", "application/json", icon=DOWNLOAD, on_click="ignore")
        st.download_button("CSV", as_csv, f"{stem}.csv", "text/csv", icon=DOWNLOAD, on_click="ignore")


def _choose_part(sound: Sound, waveform: Waveform) -> Sound:
    """Ask which of the voices on a file's channels or tracks is meant, and return the sound of that one."""
    part = st.segmented_control(
        "Voice",
        waveform.parts,
        default=waveform.part,
        required=True,
        key=f"{state.PART}-{sound.sha256}",
        help="The channels or tracks of this file hold different voices. Each is answered by itself.",
    )
    return dataclasses.replace(sound, part=part or waveform.part)
