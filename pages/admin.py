"""Admin: training, models in use, feedback, and what was done here."""

import streamlit as st

from pages.ui.admin.feedback import show_feedback
from pages.ui.admin.jobs import show_training
from pages.ui.admin.models import show_models
from pages.ui.admin.programs import show_programs
from pages.ui.admin.settings import show_audit, show_settings
from pages.ui.admin.sign_in import ensure_signed_in
from pages.ui.admin.words import show_done
from pages.ui.shared import state
from pages.ui.shared.frame import shown_errors
from pages.ui.shared.links import linked, one_of

TABS = {
    "Training": show_training,
    "Models": show_models,
    "Feedback": show_feedback,
    "Programs": show_programs,
    "Audit": show_audit,
    "Settings": show_settings,
}


def main() -> None:
    """Show the page to who is signed in; only the open tab is computed."""
    st.title("Admin")
    with shown_errors():
        token = ensure_signed_in()
    show_done()
    tabs = st.tabs(list(TABS), **linked(state.ADMIN_TAB, one_of(TABS, next(iter(TABS)))))
    for tab, show in zip(tabs, TABS.values(), strict=True):
        if tab.open:
            with tab, shown_errors():
                show(token)


main()
