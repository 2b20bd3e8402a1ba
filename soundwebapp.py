"""Entry: ``streamlit run soundwebapp.py``. The server's start, page frame and navigation only."""

from pathlib import Path

# Before anything can load TensorFlow: behind it, this library of the live stream ends the process as it is imported.
import pylibsrtp  # noqa: F401
import streamlit as st
from streamlit import runtime

from core.logs import begin_request
from core.work.imports import imports
from core.work.turns import turns
from pages.ui.shared.start import apologise, drawn, middleware, program_routes, started

# Of a page's own icon, browsers would ask a host of Google's.
ICON = Path(__file__).parent / "pages" / "ui" / "icon.svg"


def main() -> None:
    """Show the page that a visitor is at."""
    begin_request()
    with imports.alone():
        from pages.ui.shared.frame import framed  # Streamlit's caches need the server

    page = st.navigation(
        {
            "Recognise": [
                st.Page("pages/predict.py", title="Predict", icon=":material/graphic_eq:", default=True),
                st.Page("pages/live.py", title="Live", icon=":material/mic:"),
            ],
            "Explore": [
                st.Page("pages/features.py", title="Features", icon=":material/equalizer:"),
                st.Page("pages/dataset.py", title="Dataset", icon=":material/library_music:"),
            ],
            "Trust": [st.Page("pages/metrics.py", title="Metrics", icon=":material/verified:")],
            "Operate": [st.Page("pages/admin.py", title="Admin", icon=":material/admin_panel_settings:")],
        }
    )
    st.set_page_config(page_title=f"{page.title} · Emotion in a voice", page_icon=str(ICON), layout="wide")
    with imports.alone(), framed(), turns.visit():
        page.run()
    drawn.set()


# The server imports this file once, to find the app; then it runs it for each visitor.
if runtime.exists():
    main()
else:
    app = st.App(
        __file__, lifespan=started, routes=program_routes(), middleware=middleware(), on_script_error=apologise
    )
