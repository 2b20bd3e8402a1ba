"""What was done here, and where everything is."""

import dataclasses

import streamlit as st

from core.operations.access.audit import list_entries
from core.operations.health import Installation, describe_installation
from core.operations.retention import rule
from pages.ui.admin.words import size
from pages.ui.shared.corpus import plain


def show_audit(token: str) -> None:
    """Show every sign-in and action, the newest first."""
    st.dataframe(
        [dataclasses.asdict(entry) for entry in list_entries(token)],
        hide_index=True,
        column_config={
            "time": st.column_config.DatetimeColumn("When (UTC)", format="YYYY-MM-DD HH:mm:ss"),
            "actor": "Who",
            "action": "What",
            "subject": "To what",
            "detail": "How",
        },
    )
    st.caption(f"The last 1,000 entries. Nothing here can be changed or removed from this page. Kept are: {rule()}")


def show_settings(token: str) -> None:
    """Show whether everything works, where it is, and what it takes."""
    found = describe_installation(token)
    with st.container(horizontal=True):
        for check in found.checks:
            icon, color = (":material/error:", "red") if check.problem else (":material/check_circle:", "green")
            st.badge(check.name.capitalize(), icon=icon, color=color)
    for check in found.checks:
        if check.problem:
            st.text(check.problem)
    _show_use(found)
    st.markdown("**Places**")
    places = {
        "Data folder (`SOUNDWEB_DATA`)": found.data.absolute(),
        "Models (`SOUNDWEB_ARTIFACTS`)": found.artifacts.absolute(),
        **{f"Corpus {plain(title)}": root for title, root in found.corpora.items()},
        "Database (`DATABASE_URL`)": found.database,
    }
    for name, place in places.items():
        st.caption(name)
        st.code(str(place), language=None, wrap_lines=True)
    st.markdown("**Versions**")
    st.dataframe(
        [{"what": name, "version": version} for name, version in found.versions.items()],
        hide_index=True,
        column_config={"what": "Library", "version": "Version"},
        width="content",
    )


def _show_use(found: Installation) -> None:
    """Show what disk and memory are left."""
    plain = {"delta_color": "off", "delta_arrow": "off"}
    with st.container(horizontal=True, gap="medium"):
        st.metric("Disk free", size(found.disk_free), f"of {size(found.disk_total)}", **plain)
        st.metric("Data folder", size(found.data_size))
        st.metric("Memory of the server", size(found.memory_process))
        st.metric("Memory available", size(found.memory_available), f"of {size(found.memory_total)}", **plain)
