"""Training on the Admin page: the running job, all jobs, and what can be done about them."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core import parts
from core.errors import JobError, SoundWebError
from core.learning.recipes import get_recipe
from core.operations.jobs.control import cancel, resume
from core.operations.jobs.monitor import read_log
from core.operations.jobs.queue import tick
from core.operations.jobs.record import Job, list_jobs
from core.operations.spec import TrainingSpec, check_clips, check_spec
from pages.ui.admin.form import fill_form, show_form
from pages.ui.admin.running import show_active
from pages.ui.admin.runs import show_runs
from pages.ui.admin.words import duration, say_done
from pages.ui.shared import state
from pages.ui.shared.corpus import find_corpus, plain
from pages.ui.shared.links import linked, some_of

RESUMABLE = ("lost", "cancelled", "failed")
ACTIVE = ("queued", "running")
MOST_RUNS = 4
"""Trainings that are set side by side."""


def show_training(token: str) -> None:
    """Show what runs, what can be started, and what was."""
    tick()
    jobs = list_jobs()
    show_active(token, [(job.id, job.status) for job in jobs])
    st.session_state.setdefault(state.ADMIN_FORM, not jobs)
    with st.expander("Start a training", icon=":material/model_training:", on_change="rerun", key=state.ADMIN_FORM):
        show_form(token)
    _show_jobs(token, jobs)


def _show_jobs(token: str, jobs: list[Job]) -> None:
    """Show all jobs, and one of them with what can be done about it, or several side by side."""
    st.markdown("**Trainings**")
    if not jobs:
        st.caption("None was started from here yet. What is started stands here, with what became of it.")
        return
    st.dataframe([describe_job(job) for job in jobs], hide_index=True, column_config=COLUMNS)
    by_number = {job.id: job for job in jobs}
    numbers = st.multiselect(
        "Look at trainings",
        list(by_number),
        format_func=lambda number: f"{number} · {by_number[number].spec.recipe}",
        placeholder=f"{jobs[0].id} · {jobs[0].spec.recipe}, the newest",
        max_selections=MOST_RUNS,
        help="One to act on, or several to set their settings, figures and curves side by side.",
        width=460,
        **linked(state.ADMIN_JOB, some_of(by_number)),
    )
    chosen = [by_number[number] for number in numbers] or jobs[:1]
    if len(chosen) == 1:
        _show_job(token, chosen[0])
    else:
        show_runs({f"Training {job.id}": (job, describe_job(job)) for job in chosen}, TITLES)


def _show_job(token: str, job: Job) -> None:
    """Show what became of a job, and what can be done about it."""
    for text in (job.problem, job.message, job.notes):
        if text:
            st.text(text)
    objection = _object(job.spec)
    obstacle = (objection or _object_to_clips(job.spec)) if job.status in RESUMABLE else ""
    if obstacle:
        st.caption(f":material/block: It cannot be resumed with the clips that are here. {plain(obstacle)}")
    with st.container(horizontal=True):
        can_resume = job.status in RESUMABLE and not obstacle
        if can_resume and st.button("Resume", icon=":material/resume:", key=f"resume-{job.id}"):
            resume(token, job.id)
            say_done(f"Training {job.id} goes on from what is done.")
        if job.status == "queued" and st.button("Take out of the queue", icon=":material/close:"):
            cancel(token, job.id)
            say_done(f"Training {job.id} will not start.")
        st.button(
            "Use its settings",
            disabled=bool(objection),
            icon=":material/content_copy:",
            on_click=fill_form,
            args=(job.spec, job.notes),
            help=plain(objection) or "Fills the form above with what this training was asked for.",
        )
    log = read_log(job.id)
    if log and job.status not in ACTIVE:
        with st.expander("Log", icon=":material/notes:"):
            st.code(log, language=None, height=300)


def _object_to_clips(spec: TrainingSpec) -> str:
    """Return why a training would fail with the clips that are here; empty where it would not, or there are none."""
    try:
        corpus = find_corpus(spec.corpus)
        if corpus is not None:
            check_clips(spec, corpus.clips)
    except SoundWebError as error:
        return str(error)
    return ""


def _object(spec: TrainingSpec) -> str:
    """Return why a training would not be started with these settings; empty where it would."""
    try:
        check_spec(spec)
    except JobError as error:
        return str(error)
    return ""


TITLES: Mapping[str, str] = {
    "number": "No.",
    "status": "State",
    "fraction": "Done",
    "message": "What came of it",
    "recipe": "Recipe",
    "corpus": "Corpus",
    "tried": "Tried on",
    "protocols": "Evaluated by",
    "channels": "Clips of",
    "seeds": "Seeds",
    "epochs": "Epochs",
    "studies": "Degraded sound",
    "took": "Took",
    "memory": "Memory, MiB",
    "model": "Model",
    "created": "Asked for (UTC)",
    "actor": "Asked for by",
    "notes": "Notes",
}
WISHES = ("recipe", "corpus", "tried", "protocols", "channels", "seeds", "epochs", "studies")
"""What a training was asked for."""
COLUMNS: dict[str, Any] = {
    **TITLES,
    "number": st.column_config.NumberColumn(TITLES["number"], width=50),
    "status": st.column_config.TextColumn(TITLES["status"], width=80),
    "fraction": st.column_config.ProgressColumn(
        TITLES["fraction"], min_value=0, max_value=100, format="%.0f %%", width=90
    ),
    "message": st.column_config.TextColumn(TITLES["message"], width=260),
    "created": st.column_config.DatetimeColumn(TITLES["created"], format="YYYY-MM-DD HH:mm"),
    "memory": st.column_config.NumberColumn(TITLES["memory"], format="%.0f"),
}


def describe_job(job: Job) -> dict[str, Any]:
    """Return what the tables show of a job; without what was asked for where that cannot be read."""
    return {
        "number": job.id,
        "status": job.status,
        "fraction": 100 * job.fraction,
        "message": job.problem or job.message or job.model,
        **dict.fromkeys(WISHES),
        **({} if job.problem else _describe_spec(job.spec)),
        "took": duration(job.elapsed) if job.elapsed else "",
        "memory": job.peak_memory / 2**20,
        "model": job.model,
        "created": job.created,
        "actor": job.actor,
        "notes": job.notes,
    }


def _describe_spec(spec: TrainingSpec) -> dict[str, Any]:
    """Return what the tables show of what was asked for; of a recipe that is not here any more, no epochs."""
    recipe = get_recipe(spec.recipe) if spec.recipe in parts.RECIPES else None
    return {
        "recipe": spec.recipe,
        "corpus": " + ".join((spec.corpus, *spec.others)),
        "tried": ", ".join(spec.tried),
        "protocols": ", ".join(spec.protocols) or "all",
        "channels": ", ".join([*(spec.channels or ["all"]), *(["feedback"] if spec.feedback else [])]),
        "seeds": ", ".join(map(str, spec.seeds)),
        "epochs": spec.epochs or (recipe and recipe.epochs),
        "studies": "yes" if spec.studies else "no",
    }
