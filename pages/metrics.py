"""Metrics: how far a model can be trusted."""

import streamlit as st

from core.settings import PROGRAM
from pages.ui.metrics import evidence, papers
from pages.ui.metrics.confusion import show_confusion
from pages.ui.metrics.evaluated import Evaluated, choose_evaluated, show_headline, show_not_evaluated
from pages.ui.shared import state
from pages.ui.shared.frame import shown_errors
from pages.ui.shared.links import linked, one_of

TABS = {
    "Groups": evidence.show_groups,
    "Calibration": evidence.show_calibration,
    "Protocols": evidence.show_protocols,
    "Robustness and parts": evidence.show_studies,
    "Models": papers.show_models,
    "Curves": evidence.show_curves,
    "Card and files": papers.show_papers,
}
NEED_ROWS = {"Groups", "Calibration"}


def main() -> None:
    """Show the page: the choice, its headline, the confusions, and the evidence in tabs."""
    st.title("Metrics")
    with shown_errors():
        evaluated = choose_evaluated()
        if evaluated is None:
            _show_empty()
            return
        if evaluated.rows.empty:
            show_not_evaluated(evaluated)
        else:
            show_headline(evaluated)
            show_confusion(evaluated)
        _show_tabs(evaluated)


def _show_tabs(evaluated: Evaluated) -> None:
    """Show the evidence, of which the open tab alone is computed."""
    tabs = st.tabs(list(TABS), **linked(state.METRICS_TAB, one_of(TABS, next(iter(TABS)))))
    for tab, (name, show) in zip(tabs, TABS.items(), strict=True):
        if tab.open:
            with tab:
                if name in NEED_ROWS and evaluated.rows.empty:
                    st.caption("There are no answers to draw here. Choose another protocol or other clips above.")
                else:
                    show(evaluated)


def _show_empty() -> None:
    """Say that there is nothing to evaluate yet, and how that changes."""
    with st.container(border=True):
        st.markdown("#### No model is stored")
        st.markdown(
            "Here stands how often a model is right on unseen speakers, what it confuses, and how far its "
            f"confidence can be taken at its word. Train one with `{PROGRAM} train`."
        )


main()
