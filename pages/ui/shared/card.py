"""A model's card: as a page where it is one of ours, as plain text where it could do more than be read."""

import re
from typing import Final

import streamlit as st

_ACTIVE: Final = re.compile(r"!\[|\]\s*[(\[:]|://|www\.|@|<")
"""Marks of pictures, links and tags, none of which our cards hold: a picture would tell its host who looks."""


def show_card(card: str) -> None:
    """Show a card; models can come from elsewhere, and their cards too."""
    if _ACTIVE.search(card):
        st.text(card)
    else:
        st.markdown(card)
