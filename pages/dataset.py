"""Dataset: what the models learned from."""

import streamlit as st

from pages.ui.frame import ensure_frame


def main() -> None:
    """Show the page."""
    st.title("Dataset")


ensure_frame()
main()
