"""The sidebar: what belongs to the whole visit."""

import streamlit as st

from core.errors import ModelError, SoundWebError
from core.learning.metrics import percent
from core.serving.registry import StoredModel
from pages.ui.shared import cache
from pages.ui.shared.baseline import show_baseline
from pages.ui.shared.card import show_card
from pages.ui.shared.corpus import describe_corpora
from pages.ui.shared.frame import shown_errors


def show_sidebar() -> None:
    """Show what belongs to the whole visit: the model in use and how far it can be trusted."""
    try:
        found = cache.in_use()
    except SoundWebError:
        st.caption("No model in use")
        return
    model = found.predictor.model
    st.caption("Model in use")
    st.markdown(f"`{model.name}`")
    if found.problem:
        st.caption(":material/warning: What should be in use cannot be loaded; this one answers until it can.")
    try:
        speaker = model.metrics().get(model.main_protocol, {}).get("speech")
    except ModelError:
        st.caption(":material/warning: The file with its figures cannot be read.")
        speaker = None
    if speaker:
        recall = speaker["unweighted_average_recall"]
        st.metric(
            "Right on unseen speakers",
            f"{recall['mean']:.1%}",
            help=f"Unweighted average recall over {len(model.manifest.labels)} emotions, speech, protocol "
            f"`{model.main_protocol}`: {percent(recall)} %, 95 % interval over speakers. "
            f"Guessing gives {1 / len(model.manifest.labels):.1%}.",
        )
    if st.button("Model card", icon=":material/description:", width="stretch"):
        _show_model_card(model)
    st.caption(f":material/library_music: {describe_corpora()}")
    show_baseline()


@st.dialog("Model card", width="large")
def _show_model_card(model: StoredModel) -> None:
    """Show the card of a model."""
    with shown_errors():
        show_card(model.card())
