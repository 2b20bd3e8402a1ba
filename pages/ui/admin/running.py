"""The running training, which the screen follows by itself."""

import streamlit as st

from core.errors import NotSignedIn
from core.operations.access.sessions import require_admin
from core.operations.jobs.control import cancel
from core.operations.jobs.monitor import read_curves, read_log
from core.operations.jobs.queue import tick
from core.operations.jobs.record import Job, list_jobs
from core.plots.metrics import training_curves
from pages.ui.admin.sign_in import own_token
from pages.ui.admin.words import duration, say_done, size
from pages.ui.shared import state
from pages.ui.shared.charts import picture_button
from pages.ui.shared.frame import shown_errors

INTERVAL = 2.0
"""Seconds between two looks at a running training."""
PHASES = {
    "": "Starting",
    "index": "Reading the corpus",
    "features": "Computing features",
    "folds": "Training",
    "studies": "Trying degraded sound",
    "publish": "Storing the model",
}
States = list[tuple[int, str]]
"""Number and status of each job, as the rest of the page shows them."""


def show_active(token: str, seen: States) -> None:
    """Follow what runs or waits; the page is drawn anew where a job begins or ends."""
    active = any(status in ("queued", "running") for _, status in seen)
    st.fragment(_watch, run_every=INTERVAL if active else None)(token, seen)


def _watch(token: str, seen: States) -> None:
    """Look once, as a screen does that nobody may be sitting at."""
    with shown_errors():
        try:
            require_admin(token if own_token() == token else None, is_active=False)
        except NotSignedIn:
            _draw_anew()
        running = tick()
        jobs = list_jobs()
        if [(job.id, job.status) for job in jobs] != seen:
            _draw_anew()
        waiting = sum(job.status == "queued" for job in jobs)
        if running is not None:
            with st.container(border=True):
                _show_running(token, running)
        if waiting:
            st.caption(f"Waiting in the queue: {waiting}.")


def _draw_anew() -> None:
    st.session_state[state.ADMIN_POLLED] = True
    st.rerun(scope="app")


def _show_running(token: str, job: Job) -> None:
    """Show how far a job is, what it has learned, and what it writes."""
    st.markdown(f"**Training {job.id}** · {job.spec.recipe}")
    words = [f"{PHASES.get(job.phase, job.phase)}{': ' + job.part if job.part else ''}"]
    if job.n_folds:
        words.append(f"{job.folds_done} of {job.n_folds} folds · {job.epochs_done:,} of {job.n_epochs:,} epochs")
    if job.remaining is not None:
        words.append(f"about {duration(job.remaining)} left")
    st.progress(min(max(job.fraction, 0.0), 1.0), text=" · ".join(words))
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Cancel", icon=":material/stop_circle:", key=f"cancel-{job.id}"):
            with st.spinner("Stopping its processes ..."):
                ended = cancel(token, job.id)
            say_done(
                f"Training {job.id} was stopped. Finished folds stay, so that it can be resumed."
                if ended.status == "cancelled"
                else f"Training {job.id} had ended before it could be stopped: {ended.status}."
            )
        st.caption(f"Memory at most {size(job.peak_memory)} · attempt {job.attempt}")
    if job.notes:
        st.text(job.notes)
    _show_curves(job)
    with st.expander("Log", icon=":material/notes:"):
        st.code(read_log(job.id) or "Nothing yet.", language=None, height=300)


def _show_curves(job: Job) -> None:
    """Draw the curves of a fold so far, of the newest unless another one is chosen."""
    curves = read_curves(job)
    if curves.empty:
        return
    folds = {
        f"{protocol}, seed {seed}, fold {fold}": rows
        for (protocol, seed, fold), rows in curves.groupby(["protocol", "seed", "fold"], sort=False)
    }
    if max(map(len, folds.values())) < 2:
        st.caption("Curves appear with the second epoch.")
        return
    names = list(folds)
    name = names[-1]
    if len(names) > 1:
        chosen = st.selectbox("Fold", ["the newest", *names], key=f"{state.ADMIN_FOLD}-{job.id}", width=320)
        name = chosen if chosen in folds else names[-1]
    st.plotly_chart(
        training_curves(folds[name]),
        config=picture_button(f"training-{job.id}"),
        alt=f"Loss and accuracy by epoch of {name}",
        key=f"curves-{job.id}",
    )
