"""Training on the Admin page: the wishes, the running job, all jobs."""

from typing import Any

import streamlit as st

from core import parts
from core.corpus.integrity import check_integrity
from core.corpus.splits import protocols_of
from core.errors import CorpusError, JobError
from core.labels import order_channels
from core.learning.recipes import get_recipe
from core.operations.feedback.entries import list_kept
from core.operations.jobs.control import cancel, resume, submit
from core.operations.jobs.monitor import read_log
from core.operations.jobs.queue import tick
from core.operations.jobs.record import Job, estimate, list_jobs
from core.operations.spec import MAX_EPOCHS, MAX_NOTES, MAX_SEED, MAX_SEEDS, TrainingSpec, check_spec
from core.serving.registry import Registry
from pages.ui.admin.running import show_active
from pages.ui.admin.words import duration, say_done
from pages.ui.shared import state
from pages.ui.shared.corpus import FoundCorpus, choose_corpus, plain

RESUMABLE = ("lost", "cancelled", "failed")
ACTIVE = ("queued", "running")


def show_training(token: str) -> None:
    """Show what runs, what can be started, and what was."""
    tick()
    jobs = list_jobs()
    show_active(token, [(job.id, job.status) for job in jobs])
    with st.expander("Start a training", icon=":material/model_training:", expanded=not jobs):
        _show_form(token)
    _show_jobs(token, jobs)


def _show_form(token: str) -> None:
    """Ask what to train, say how long it takes, and queue it."""
    try:
        corpus = choose_corpus(state.ADMIN_CORPUS)
    except CorpusError as error:
        corpus = None
        st.warning(str(error), icon=":material/warning:")
    _show_corpus(corpus)
    if corpus is None:
        st.button("Start training", type="primary", icon=":material/play_arrow:", disabled=True)
        return
    spec = _ask_spec(corpus)
    notes = st.text_area("Notes", max_chars=MAX_NOTES, key=state.ADMIN_NOTES, height=70)
    problem = "" if spec.protocols and spec.channels else "Choose at least one protocol and one channel."
    try:
        check_spec(spec)
    except JobError as error:
        problem = str(error)
    if problem:
        st.warning(problem, icon=":material/warning:")
    else:
        seconds = estimate(spec)
        st.caption(
            "How long it takes is known after the first training of this recipe on these channels."
            if seconds is None
            else f"Takes about {duration(seconds)}, by the trainings that were measured here."
        )
    if st.button("Start training", type="primary", icon=":material/play_arrow:", disabled=bool(problem)):
        job = submit(token, spec, notes)
        st.session_state[state.ADMIN_JOB] = job.id
        say_done(f"Training {job.id} {'runs' if job.status == 'running' else 'waits for its turn'}.")


def _show_corpus(corpus: FoundCorpus | None) -> None:
    """Say what there is to train on."""
    if corpus is None:
        st.caption("There is no corpus to train on. Fetch or name one, as Dataset says, and start again.")
        return
    found = check_integrity(corpus.index, corpus.corpus)
    n_clips = corpus.clips["channel"].value_counts()
    channels = " · ".join(
        f"{n:,} of {plain(channel)}" for channel in order_channels(n_clips.index) if (n := n_clips[channel])
    )
    missing = f" · {len(found.missing):,} are missing" if found.missing else ""
    broken = f" · {len(found.unreadable):,} files cannot be read" if found.unreadable else ""
    st.caption(
        f"Corpus: {plain(corpus.corpus.title)}, {found.n_clips:,} clips in {found.n_files:,} files · {channels}"
        f"{missing}{broken}"
    )


def _recipe_in_use() -> str:
    """Return the recipe of the model in use; the first one where there is none."""
    registry = Registry()
    recipe = registry.champion().rpartition("-")[0] if registry.has_champion() else ""
    return recipe if recipe in parts.RECIPES else next(iter(parts.RECIPES))


def _ask_spec(corpus: FoundCorpus) -> TrainingSpec:
    """Show the choices and return them; they are checked in ``check_spec``."""
    names, channels_there = list(protocols_of(corpus.corpus)), order_channels(corpus.clips["channel"])
    left, right = st.columns(2, gap="medium")
    with left:
        st.session_state.setdefault(state.ADMIN_RECIPE, _recipe_in_use())
        recipe = st.selectbox("Recipe", list(parts.RECIPES), key=state.ADMIN_RECIPE)
        protocols = st.pills(
            "Evaluated by",
            names,
            selection_mode="multi",
            default=names,
            key=corpus.key(state.ADMIN_PROTOCOLS),
            wrap=True,
        )
        channels = st.pills(
            "Clips of",
            channels_there,
            selection_mode="multi",
            default=channels_there,
            key=corpus.key(state.ADMIN_CHANNELS),
            wrap=True,
        )
        n_kept = len({entry.clip for entry in list_kept()})
        feedback = st.checkbox(
            f"Add sounds from feedback ({n_kept:,} kept)",
            key=state.ADMIN_WITH_FEEDBACK,
            disabled=not n_kept,
            help="As their senders labelled them; hear them under Feedback. They train in every fold and are evaluated "
            "in none. Recordings of the corpus among them are found and left out.",
        )
        st.checkbox("Try degraded sound too", key=state.ADMIN_STUDIES, help="Noise, rooms, telephones; takes longer.")
        st.checkbox(
            "Put it in use if it is not worse",
            key=state.ADMIN_PROMOTE,
            help="By the unweighted average recall on unseen speakers.",
        )
    with right:
        seed = st.number_input("Seed", 0, MAX_SEED - MAX_SEEDS + 1, 0, key=state.ADMIN_SEED)
        n_seeds = st.number_input(
            "Seeds",
            1,
            MAX_SEEDS,
            1,
            key=state.ADMIN_N_SEEDS,
            help="Every fold is trained once a seed, the first of which is the one above.",
        )
        chosen = get_recipe(recipe)
        epochs = None
        if chosen.has_epochs:
            wanted = st.number_input("Epochs", 1, MAX_EPOCHS, chosen.epochs, key=state.ADMIN_EPOCHS)
            epochs = None if wanted == chosen.epochs else int(wanted)
        else:
            st.caption("This recipe is solved in one step and has no epochs to choose.")
    return TrainingSpec(
        recipe=recipe,
        corpus=corpus.corpus.name,
        protocols=tuple(protocols),
        seeds=tuple(range(int(seed), int(seed) + int(n_seeds))),
        epochs=epochs,
        channels=tuple(channels),
        feedback=bool(feedback and n_kept),
        studies=bool(st.session_state[state.ADMIN_STUDIES]),
        promote=bool(st.session_state[state.ADMIN_PROMOTE]),
    )


def _show_jobs(token: str, jobs: list[Job]) -> None:
    """Show all jobs, and one of them with what can be done about it."""
    st.markdown("**Trainings**")
    if not jobs:
        st.caption("None was started from here yet. What is started stands here, with what became of it.")
        return
    st.dataframe([_row(job) for job in jobs], hide_index=True, column_config=COLUMNS)
    by_number = {job.id: job for job in jobs}
    number = st.selectbox(
        "Look at a training",
        list(by_number),
        format_func=lambda number: f"{number} · {by_number[number].spec.recipe}",
        key=state.ADMIN_JOB,
        width=320,
    )
    job = by_number[number]
    for text in (job.message, job.notes):
        if text:
            st.text(text)
    with st.container(horizontal=True):
        if job.status in RESUMABLE and st.button("Resume", icon=":material/resume:", key=f"resume-{job.id}"):
            resume(token, job.id)
            say_done(f"Training {job.id} goes on from what is done.")
        if job.status == "queued" and st.button("Take out of the queue", icon=":material/close:"):
            cancel(token, job.id)
            say_done(f"Training {job.id} will not start.")
    log = read_log(job.id)
    if log and job.status not in ACTIVE:
        with st.expander("Log", icon=":material/notes:"):
            st.code(log, language=None, height=300)


COLUMNS: dict[str, Any] = {
    "number": st.column_config.NumberColumn("No.", width="small"),
    "status": st.column_config.TextColumn("State", width="small"),
    "fraction": st.column_config.ProgressColumn("Done", min_value=0, max_value=100, format="%.0f %%"),
    "created": st.column_config.DatetimeColumn("Asked for (UTC)", format="YYYY-MM-DD HH:mm"),
    "recipe": "Recipe",
    "corpus": "Corpus",
    "protocols": st.column_config.ListColumn("Evaluated by"),
    "channels": st.column_config.ListColumn("Clips of"),
    "seeds": st.column_config.ListColumn("Seeds"),
    "epochs": "Epochs",
    "took": "Took",
    "memory": st.column_config.NumberColumn("Memory, MiB", format="%.0f"),
    "model": "Model",
    "actor": "Asked for by",
    "notes": "Notes",
}


def _row(job: Job) -> dict[str, Any]:
    """Return what the table shows of a job."""
    spec = job.spec
    return {
        "number": job.id,
        "status": job.status,
        "fraction": 100 * job.fraction,
        "recipe": spec.recipe,
        "corpus": spec.corpus,
        "model": job.model,
        "created": job.created,
        "took": duration(job.elapsed) if job.elapsed else "",
        "protocols": list(spec.protocols) or ["all"],
        "channels": [*(spec.channels or ["all"]), *(["feedback"] if spec.feedback else [])],
        "seeds": [str(seed) for seed in spec.seeds],
        "epochs": spec.epochs or get_recipe(spec.recipe).epochs,
        "memory": job.peak_memory / 2**20,
        "actor": job.actor,
        "notes": job.notes,
    }
