"""Showing what a model reads of a sound, and what moved its answer."""

import streamlit as st

from core.audio.sound import Sound
from core.plots import explanation as plots
from core.plots.style import SAVING
from pages.ui.shared import cache
from pages.ui.shared.answer import note_known


def show_explanation(sound: Sound, key: str) -> None:
    """Show the model's picture of a sound and what its answer rests on, for any stored model."""
    in_use = cache.predictor()
    used = in_use.model.name
    names = [used, *(name for name in cache.VerifiedModels().names() if name != used)]
    model = st.selectbox(
        "Model", names, format_func=lambda name: f"{name} (in use)" if name == used else name, key=f"{key}-name"
    )
    predictor = in_use if model == used else cache.predictor(model)
    picture, explanation = cache.explanation(sound, predictor)
    start, end = explanation.most_important_stretch
    group = max(explanation.fall_by_group, key=lambda name: explanation.fall_by_group[name])
    st.markdown(
        f"**{explanation.emotion.capitalize()}** ({explanation.probability:.2f}), most moved by "
        f"**{start:.1f} to {end:.1f} s** and by **{group.lower() if group != 'MFCC' else group}**."
    )
    note_known(cache.known(sound, predictor.model))
    waveform = cache.waveform(sound)
    charts = {
        "time": plots.occlusion_by_time(explanation, waveform.y, waveform.sr),
        "groups": plots.occlusion_by_group(explanation),
        "input": plots.model_input(picture),
    }
    for name, figure in charts.items():
        st.plotly_chart(figure, config=SAVING, key=f"{key}-{name}", alt=figure.layout.title.text)
    st.caption(picture.summary)
