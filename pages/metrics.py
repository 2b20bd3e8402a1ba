"""Metrics: how far a model can be trusted."""

import streamlit as st

from pages.ui.frame import ensure_frame


def main() -> None:
    """Show the page."""
    st.title("Metrics")


ensure_frame()
main()
