"""Entry: ``streamlit run soundwebapp.py``. Page frame and navigation only."""

import streamlit as st

from pages.ui.frame import show_sidebar

st.set_page_config(page_title="Emotion in a voice", page_icon=":material/graphic_eq:", layout="wide")
page = st.navigation(
    {"Recognise": [st.Page("pages/predict.py", title="Predict", icon=":material/graphic_eq:", default=True)]}
)
show_sidebar()
page.run()
