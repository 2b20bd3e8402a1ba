"""Answers for several sounds: the uploads of the moment, and all of this visit, side by side."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.audio.sound import Sound
from core.errors import AudioError, SoundWebError
from core.serving.exports import harmless, prediction_json, prediction_table, spreadsheet_csv
from core.serving.prediction import Prediction
from core.serving.segments import NO_SPEECH
from pages.ui.shared import cache, state
from pages.ui.shared.answer import is_answered
from pages.ui.shared.baseline import personal_shift
from pages.ui.shared.links import chosen_row
from pages.ui.shared.sounds import looked_at_among

Answers = Sequence[tuple[str, Prediction | SoundWebError]]
MOST: Final = 100
"""Answers of a visit that are kept."""
ROW: Final = 35
"""Height of a row, in pixels."""
SHARE: Final = {"min_value": 0, "max_value": 1, "format": "%.2f"}
COLUMNS: Final[dict[str, Any]] = {
    "file": st.column_config.TextColumn("File", width=150),
    "answer": st.column_config.TextColumn("Answer", width=170),
    "confidence": st.column_config.ProgressColumn("Confidence", width=96, **SHARE),
    "model": "Model",
}


def choose_among(sounds: list[Sound]) -> Sound:
    """Answer for all files, show the table, and return the one whose row is chosen."""
    answers: list[tuple[str, Prediction | SoundWebError]] = []
    bar = st.progress(0.0, text="Listening ...")
    for done, sound in enumerate(sounds, start=1):
        try:
            prediction = cache.prediction(sound, cache.predictor(), personal_shift())
        except AudioError as error:
            answers.append((sound.name, error))
        else:
            answers.append((sound.name, prediction))
            note_answer(sound, prediction)
        bar.progress(done / len(sounds), text=f"{done} of {len(sounds)} files")
    bar.empty()
    names = [sound.sha256 for sound in sounds]
    shown = looked_at_among(sounds)

    def choose(name: str | None) -> None:
        st.session_state[state.SOUND.file] = name

    st.dataframe(
        _with_verdicts(answers)[["file", "answer", "confidence"]],
        hide_index=True,
        height=min(ROW * len(sounds) + ROW + 3, 6 * ROW),
        column_config=COLUMNS,
        **chosen_row(state.CHOSEN_FILE, names, shown.sha256, choose),
    )
    with st.container(horizontal=True):
        _offer(answers, "uploads")
    return shown


def note_answer(sound: Sound, prediction: Prediction) -> None:
    """Keep an answer for as long as the visit lasts; the sound is not kept with it."""
    told: dict[tuple[str, ...], tuple[str, Prediction]] = st.session_state.setdefault(state.ANSWERS, {})
    shift = personal_shift()
    key = (sound.sha256, sound.part, prediction.model, shift.key if shift else "")
    if key not in told:
        told[key] = (sound.name, prediction)
        while len(told) > MOST:
            del told[next(iter(told))]


def show_answers() -> None:
    """Show the answers of this visit side by side, once there are two, and offer them as files."""
    told: dict[tuple[str, ...], tuple[str, Prediction]] = st.session_state.get(state.ANSWERS, {})
    if len(told) < 2:
        return
    answers = list(told.values())
    with st.expander(f"All {len(told)} answers of this visit", icon=":material/history:"):
        table = _with_verdicts(answers)
        labels = list(answers[0][1].probabilities)
        st.dataframe(
            table[["file", "answer", *labels, *(["model"] if table["model"].nunique() > 1 else [])]],
            hide_index=True,
            placeholder="",
            column_config=COLUMNS
            | {label: st.column_config.NumberColumn(label.capitalize(), format="%.2f", width=66) for label in labels},
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            _offer(answers, "visit")
            st.button("Forget them", icon=":material/close:", type="tertiary", on_click=told.clear)
        st.caption("They are kept in this visit alone, and go with it.")


def _with_verdicts(answers: Answers) -> pd.DataFrame:
    """Return the table of answers with what is said of each first: of a clip of the training, by models without it."""
    said = pd.DataFrame([_verdict(answer) for _, answer in answers])
    # The table can be saved as it is shown, and names of files come from anywhere.
    return prediction_table(answers).assign(**{column: said[column] for column in said}).map(harmless)


def _verdict(answer: Prediction | SoundWebError) -> dict[str, object]:
    """Return what a table says of an answer."""
    if isinstance(answer, SoundWebError):
        return {"answer": "not answered", "confidence": None, "model": ""}
    if not is_answered(answer):
        nothing = dict.fromkeys(answer.probabilities)
        return {"answer": NO_SPEECH, "confidence": None, "model": answer.model, **nothing}
    known, said = answer.unheard, answer.told_emotion
    is_uncertain = known.is_uncertain if known else answer.is_uncertain
    return {
        "answer": f"unsure, perhaps {said}" if is_uncertain else said,
        "confidence": (known or answer).confidence,
        "model": answer.model,
        **(known or answer).probabilities,
    }


def _offer(answers: Answers, key: str) -> None:
    """Offer answers as files, which are made when asked for."""
    files = {
        "CSV": (lambda: spreadsheet_csv(prediction_table(answers)), "text/csv"),
        "JSON": (lambda: _as_json(answers), "application/json"),
    }
    for kind, (make, mime) in files.items():
        st.download_button(
            f"All answers, {kind}", make, f"answers.{kind.lower()}", mime, key=f"{state.ANSWERS}-{key}-{kind}",
            icon=":material/download:", type="tertiary", on_click="ignore",
        )  # fmt: skip


def _as_json(answers: Answers) -> str:
    """Return answers as a JSON array."""
    return "[" + ",\n".join(prediction_json(file, answer) for file, answer in answers) + "]\n"
