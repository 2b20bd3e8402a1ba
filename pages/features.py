"""Features: what a sound is made of, and what the model hears in it."""

import streamlit as st

from pages.ui.frame import ensure_frame


def main() -> None:
    """Show the page."""
    st.title("Features")


ensure_frame()
main()
