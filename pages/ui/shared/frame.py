"""What stands around every screen: navigation, the model in use, the one place where errors are shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import streamlit as st

from core.errors import ModelError, SoundWebError
from core.learning.reports.cards import percent
from core.serving.registry import StoredModel
from pages.ui.shared import cache
from pages.ui.shared.baseline import show_baseline
from pages.ui.shared.card import show_card
from pages.ui.shared.corpus import describe_corpora
from pages.ui.shared.navigation import mend_navigation

HASH_NAME: Final = "admin_password_hash"
"""Secret that holds the hash of the administrator's password."""
ADMINS_NAME: Final = "admins"
"""Secret that lists the addresses of administrators who sign in with an account."""
STYLE: Final = Path(__file__).with_name("frame.css")
DOMAIN_NOTICE = "Trained on acted speech and song. It hears how a voice sounds, not what a person feels."


def secret(name: str) -> Any:
    """Return a secret of the installation; None where it has none of this name."""
    return st.secrets.get(name) if st.secrets.load_if_toml_exists() else None


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show an error that a user can act on as a sentence, and end the run; anything else is a bug and shows as one."""
    try:
        yield
    except SoundWebError as error:
        st.error(str(error), icon=":material/error:")
        st.stop()


def show_sidebar() -> None:
    """Show what belongs to the whole visit: the model in use and how far it can be trusted."""
    st.html(STYLE)
    mend_navigation()
    with st.sidebar:
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
