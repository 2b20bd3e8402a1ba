"""Entry: ``streamlit run soundwebapp.py``. The server's start, page frame and navigation only."""

# Before anything can load TensorFlow: behind it, this library of the live stream ends the process as it is imported.
import pylibsrtp  # noqa: F401
import streamlit as st
from starlette.middleware import Middleware
from streamlit import runtime

from pages.ui.admin.cookie import session_routes
from pages.ui.shared.start import apologise, program_routes, started
from pages.ui.shared.strangers import Guard


def main() -> None:
    """Show the page that a visitor is at."""
    from pages.ui.shared.frame import show_sidebar  # Streamlit's caches need the server

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
    st.set_page_config(page_title=f"{page.title} · Emotion in a voice", page_icon=page.icon, layout="wide")
    show_sidebar()
    page.run()


# The server imports this file once, to find the app; then it runs it for each visitor.
if runtime.exists():
    main()
else:
    app = st.App(
        __file__,
        lifespan=started,
        routes=[*program_routes(), *session_routes()],
        middleware=[Middleware(Guard)],
        on_script_error=apologise,
    )
