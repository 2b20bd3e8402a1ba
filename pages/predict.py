"""Predict: a sound in, an emotion out, with what it rests on."""

import dataclasses

import streamlit as st

from core.audio.decode import Waveform
from core.audio.sound import Sound
from core.config import DecodeLimits
from core.errors import AudioError
from core.serving.exports import prediction_table, spreadsheet_csv
from core.serving.timeline import summarize_windows
from pages.ui.predict.verdict import ask_verdict
from pages.ui.shared import answer, cache, state
from pages.ui.shared.baseline import note_baseline, personal_shift
from pages.ui.shared.frame import DOMAIN_NOTICE, shown_errors
from pages.ui.shared.sounds import choose_sounds
from pages.ui.shared.timeline import show_upload_timeline


def main() -> None:
    """Show the page: sound and answer above, what they rest on below."""
    st.title("Emotion in a voice")
    with shown_errors():
        cache.predictor()
    sound_place, answer_place = st.columns([5, 4], gap="large")
    with sound_place, shown_errors():
        sounds = choose_sounds()
        sound = _choose_among(sounds) if len(sounds) > 1 else next(iter(sounds), None)
        duration = cache.duration(sound) if sound else 0.0
        is_long = duration > DecodeLimits().max_duration
        waveform = cache.waveform(sound) if sound and not is_long else None
        if sound and waveform and waveform.parts:
            sound = _choose_part(sound, waveform)
            waveform = cache.waveform(sound)
        if sound and waveform:
            answer.show_player(sound, waveform)
    if sound and is_long:
        with shown_errors():
            st.audio(sound.data)
            place = st.container()
            windows = show_upload_timeline(sound, duration)
            if any(window.prediction for window in windows):
                with place:
                    answer.show_answer(summarize_windows(windows, cache.predictor().model.name))
        return
    with answer_place, shown_errors():
        if sound is None or waveform is None:
            _show_empty()
            return
        prediction = cache.prediction(sound, cache.predictor(), personal_shift())
        answer.show_answer(prediction)
        note_baseline()
        ask_verdict(sound, waveform, prediction)
    sound_place, answer_place = st.columns([5, 4], gap="large")
    with sound_place:
        answer.show_waveform(waveform, prediction)
    with answer_place:
        answer.show_probabilities(prediction.probabilities)
    if len(prediction.pieces) > 1:
        with shown_errors():
            show_upload_timeline(sound, waveform.duration)


def _show_empty() -> None:
    """Tell what will stand here."""
    with st.container(border=True):
        st.markdown("#### :material/graphic_eq: No sound yet")
        st.markdown(
            "Upload a file, record two to four seconds, or pick a sample. The answer appears here: the emotion, how "
            "confident the model is, and the probability of each."
        )
        st.caption(DOMAIN_NOTICE)


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


def _choose_among(sounds: list[Sound]) -> Sound:
    """Answer for all files, show the table, and return the one whose row is chosen."""
    answers = []
    bar = st.progress(0.0, text="Listening ...")
    for done, sound in enumerate(sounds, start=1):
        try:
            answers.append((sound.name, cache.prediction(sound, cache.predictor(), personal_shift())))
        except AudioError as error:
            answers.append((sound.name, error))
        bar.progress(done / len(sounds), text=f"{done} of {len(sounds)} files")
    bar.empty()
    table = prediction_table(answers).fillna({"emotion": ""})
    event = st.dataframe(
        table[["file", "emotion", "confidence", "is_uncertain", "error"]],
        hide_index=True,
        column_config={
            "file": "File",
            "emotion": "Emotion",
            "confidence": st.column_config.ProgressColumn("Confidence", min_value=0, max_value=1, format="%.2f"),
            "is_uncertain": st.column_config.CheckboxColumn("Unsure"),
            "error": "Not answered because",
        },
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [0]}},
        key=state.CHOSEN_FILE,
    )
    st.download_button("Download table", spreadsheet_csv(table), "emotions.csv", "text/csv", icon=":material/download:")
    rows = event["selection"]["rows"]
    return sounds[rows[0] if rows and rows[0] < len(sounds) else 0]


main()
