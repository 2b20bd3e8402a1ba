"""Showing what a model reads of a sound, and what moved its answer."""

import streamlit as st

from core.audio.sound import Sound
from core.plots import explanation as plots
from core.plots.style import SAVING
from core.serving.grounds import Grounds, grounds_table
from pages.ui.shared import cache
from pages.ui.shared.answer import headline, note_known
from pages.ui.shared.baseline import personal_shift
from pages.ui.shared.links import linked, one_of


def show_explanation(sound: Sound, key: str, emotion_key: str) -> None:
    """Show the model's picture of a sound and what its answer rests on, for any stored model and emotion."""
    in_use = cache.predictor()
    used = in_use.model.name
    names = [used, *(name for name in cache.VerifiedModels().names() if name != used)]
    model = st.selectbox(
        "Model",
        names,
        format_func=lambda name: f"{name} (in use)" if name == used else name,
        **linked(key, one_of(names, used)),
    )
    predictor = in_use if model == used else cache.predictor(model)
    shift = personal_shift() if model == used else None
    prediction = cache.prediction(sound, predictor, shift)
    if not prediction.has_voice:
        st.info("No speech or song was found in this sound: there is no answer to explain.", icon=":material/info:")
        return
    # Of a recording that it learned from, a model's own answer is memory: what is asked is why others hear it so.
    answered = prediction.told_emotion
    whose = "answered by models that never heard the speaker" if prediction.unheard else "the answer"
    emotion = st.selectbox(
        "What speaks for",
        predictor.labels,
        format_func=lambda label: f"{label} ({whose})" if label == answered else label,
        **linked(emotion_key, one_of(predictor.labels, answered)),
    )
    st.markdown(f"This model answers **{headline(prediction)}** ({prediction.confidence:.2f}).")
    note_known(prediction.known)
    if prediction.unheard and emotion != prediction.emotion:
        st.caption(
            f"Those models are not kept. What follows is what this one, which remembers the recording, hears for "
            f"{emotion}: a hint at what they went by, no more."
        )
    if len(prediction.pieces) > 1:
        piece = prediction.pieces[prediction.main_piece]
        st.caption(
            f"Looked at is the longest stretch that it answers so, from {piece.start:.1f} to {piece.end:.1f} s: "
            f"{piece.emotion}, {piece.confidence:.2f}."
        )
    picture, explanation = cache.explanation(sound, predictor, shift, emotion)
    most = explanation.most_important_stretch
    what = (
        f"most of all the sound from **{most[0]:.1f} to {most[1]:.1f} s**"
        if most
        else "no single moment; without any of them its probability is as high, or higher"
    )
    st.markdown(f"What speaks for **{emotion}**, which this model gives {explanation.probability:.2f}: {what}.")
    place = st.container()
    waveform = cache.waveform(sound)
    charts = {
        "time": plots.occlusion_by_time(explanation, waveform.y, waveform.sr),
        "groups": plots.occlusion_by_group(explanation),
        "input": plots.model_input(picture),
    }
    for name, figure in charts.items():
        st.plotly_chart(figure, config=SAVING, key=f"{key}-{name}", alt=figure.layout.title.text)
    st.caption(picture.summary)
    grounds = cache.grounds(sound, predictor, shift, emotion)
    if grounds:
        with place:
            _show_grounds(grounds, key)


def _show_grounds(grounds: Grounds, key: str) -> None:
    """Show what moved the answer in words, and the measures behind them."""
    st.markdown(f"What a person hears of that: {grounds.sentence}")
    if not grounds.heard:
        return
    st.dataframe(
        grounds_table(grounds),
        hide_index=True,
        column_config={
            "trait": "Heard",
            "here": st.column_config.NumberColumn("Here", format="%.2f"),
            "usual": st.column_config.NumberColumn("Usual", format="%.2f"),
            "unit": "Unit",
            "probability": st.column_config.ProgressColumn(
                f"{grounds.emotion.capitalize()} if usual", min_value=0, max_value=1, format="%.2f"
            ),
        },
        key=f"{key}-grounds",
    )
    told = ""
    if grounds.told:
        before, after = grounds.probability, grounds.probability_without
        told = f" With all that is told above as usual, it falls from {before:.2f} to {after:.2f}."
    st.caption(
        "The usual is the mean of the recordings that the model learned from. Each line is the same voice made usual "
        f"in that alone, or nearer to it, and answered again.{told} What is left is its overall sound: the shape of "
        "its spectrum from moment to moment, which has no name in everyday words."
    )
