"""Feedback on the Admin page: how far users agree, what they said, what they let us keep."""

import streamlit as st

from core.audio.sound import Sound
from core.errors import SoundWebError
from core.operations.feedback.entries import Feedback, agreement, delete, list_feedback
from core.plots.operations import agreement_lines
from pages.ui.admin.words import say_done, size
from pages.ui.shared import state
from pages.ui.shared.charts import show_chart
from pages.ui.shared.player import show_player


def show_feedback(token: str) -> None:
    """Show how often users confirm answers, and each thing they said."""
    entries = list_feedback(token)
    if not entries:
        st.info(
            "Nobody has said anything yet. Under each answer on Predict, visitors can say what the sound was.",
            icon=":material/info:",
        )
        return
    table = agreement(token)
    show_chart(
        agreement_lines(table),
        "agreement",
        "Share of answers that users confirm, by day and model",
        table,
        agreement="Confirmed",
    )
    st.caption("Who answers chooses to: this is no measure of how often a model is right.")
    chosen = st.dataframe(
        [_row(entry) for entry in entries],
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        # Another list has another key: the rows that are chosen here would be others there.
        key=f"{state.ADMIN_FEEDBACK}-{entries[0].id}-{len(entries)}",
        column_config={
            "number": st.column_config.NumberColumn("No.", width="small"),
            "time": st.column_config.DatetimeColumn("When (UTC)", format="YYYY-MM-DD HH:mm"),
            "label": "It was",
            "answer": "The model said",
            "confidence": st.column_config.NumberColumn("Confidence", format="%.2f"),
            "model": "Model",
            "sound": "Sound kept",
        },
    )
    _delete_chosen(token, [entries[row].id for row in chosen["selection"]["rows"]])
    _show_entry(token, entries)


def _delete_chosen(token: str, numbers: list[int]) -> None:
    """Offer to delete the rows that are chosen in the table."""
    if not numbers:
        return
    what = "the chosen one" if len(numbers) == 1 else f"the {len(numbers)} chosen"
    if st.button(f"Delete {what}, with what was kept of the sound", icon=":material/delete:"):
        for number in numbers:
            delete(token, number)
        say_done(f"{len(numbers)} deleted.")


def _show_entry(token: str, entries: list[Feedback]) -> None:
    """Play the sound of one piece of feedback where it was kept, and offer to delete both."""
    by_number = {entry.id: entry for entry in entries}
    number = st.selectbox(
        "Look at one",
        list(by_number),
        format_func=lambda number: f"{number} · it was {by_number[number].label}",
        key=state.ADMIN_FEEDBACK,
        width=320,
    )
    entry = by_number[number]
    if entry.path is not None:
        try:
            show_player(Sound.read(entry.path), key="feedback")
        except OSError as error:
            st.warning(f"The sound cannot be read here: {error.strerror}.", icon=":material/warning:")
        except SoundWebError as error:
            st.warning(error.told, icon=":material/warning:")
    if st.button("Delete, with its sound" if entry.path else "Delete", icon=":material/delete:"):
        delete(token, number)
        say_done(f"Feedback {number} is deleted.")


def _row(entry: Feedback) -> dict[str, object]:
    """Return what the table shows."""
    return {
        "number": entry.id,
        "time": entry.time,
        "label": entry.label,
        "answer": entry.answer if entry.confidence is not None else "cannot be read",
        "confidence": entry.confidence,
        "model": entry.model,
        "sound": f"{entry.container}, {size(entry.size)}" if entry.container else "",
    }
