"""The form that starts a training: what to train on, how, and how long it will take."""

from collections.abc import Iterable, Sequence

import streamlit as st

from core import parts
from core.corpus.catalogue import list_places
from core.corpus.integrity import check_integrity
from core.corpus.splits import protocols_of
from core.errors import CorpusError, JobError
from core.labels import order_channels
from core.learning.recipes import get_recipe
from core.operations.feedback.entries import list_kept
from core.operations.jobs.control import submit
from core.operations.jobs.record import estimate
from core.operations.spec import MAX_EPOCHS, MAX_NOTES, MAX_SEED, MAX_SEEDS, TrainingSpec, check_clips, check_spec
from core.serving.registry import Registry
from pages.ui.admin.words import duration, say_done
from pages.ui.shared import links, state
from pages.ui.shared.corpus import FoundCorpus, choose_corpus, find_corpus, plain


def show_form(token: str) -> None:
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
        if not problem:
            check_clips(spec, corpus.clips)
    except (CorpusError, JobError) as error:
        problem = str(error)
    if problem:
        st.warning(plain(problem), icon=":material/warning:")
    else:
        seconds = estimate(spec)
        st.caption(
            "How long it takes is known after the first training of this recipe on these channels."
            if seconds is None
            else f"Takes about {duration(seconds)}, by the trainings that were measured here."
        )
    if st.button("Start training", type="primary", icon=":material/play_arrow:", disabled=bool(problem)):
        job = submit(token, spec, notes)
        links.choose({state.ADMIN_JOB: [job.id]})
        del st.session_state[state.ADMIN_FORM]  # folded away again
        say_done(f"Training {job.id} {'runs' if job.status == 'running' else 'waits for its turn'}.")


def fill_form(spec: TrainingSpec, notes: str = "") -> None:
    """Put the settings of a training into the form, as far as they can be chosen here, and open it."""
    chosen = {
        state.ADMIN_FORM: True,
        state.ADMIN_RECIPE: spec.recipe,
        state.ADMIN_OTHERS: list(spec.others),
        state.ADMIN_TRIED: list(spec.tried),
        state.ADMIN_WITH_FEEDBACK: spec.feedback,
        state.ADMIN_STUDIES: spec.studies,
        state.ADMIN_PROMOTE: spec.promote,
        state.ADMIN_SEED: min(spec.seeds),
        state.ADMIN_N_SEEDS: len(spec.seeds),
        state.ADMIN_EPOCHS: spec.epochs or get_recipe(spec.recipe).epochs,
        state.ADMIN_NOTES: notes,
    }
    st.session_state.update(chosen)
    corpus = find_corpus(spec.corpus)
    if corpus is None:
        st.toast(f"The corpus {spec.corpus} is not here.", icon=":material/warning:")
        return
    st.session_state[state.ADMIN_CORPUS] = spec.corpus
    st.session_state[corpus.key(state.ADMIN_PROTOCOLS)] = list(spec.protocols) or list(protocols_of(corpus.corpus))
    here = order_channels(corpus.clips["channel"])
    st.session_state[corpus.key(state.ADMIN_CHANNELS)] = [name for name in here if name in spec.channels] or list(here)


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
    protocols_there, channels_there = list(protocols_of(corpus.corpus)), order_channels(corpus.clips["channel"])
    left, right = st.columns(2, gap="medium")
    with left:
        st.session_state.setdefault(state.ADMIN_RECIPE, _recipe_in_use())
        recipe = st.selectbox("Recipe", list(parts.RECIPES), key=state.ADMIN_RECIPE)
        protocols = _ask_all("Evaluated by", protocols_there, corpus.key(state.ADMIN_PROTOCOLS))
        channels = _ask_all("Clips of", channels_there, corpus.key(state.ADMIN_CHANNELS))
        others, tried = _ask_corpora(corpus, recipe)
    with right:
        seed = st.number_input("Seed", 0, MAX_SEED - MAX_SEEDS + 1, key=state.ADMIN_SEED)
        n_seeds = st.number_input(
            "Seeds",
            1,
            MAX_SEEDS,
            key=state.ADMIN_N_SEEDS,
            help="Every fold is trained once a seed, the first of which is the one above.",
        )
        epochs = _ask_epochs(recipe)
        feedback = _ask_feedback()
        studies = st.checkbox(
            "Try degraded sound too", key=state.ADMIN_STUDIES, help="Noise, rooms, telephones; takes longer."
        )
        promote = st.checkbox(
            "Put it in use if it is not worse",
            key=state.ADMIN_PROMOTE,
            help="By the unweighted average recall on unseen speakers.",
        )
    return TrainingSpec(
        recipe=recipe,
        corpus=corpus.corpus.name,
        others=tuple(others),
        tried=tuple(tried),
        protocols=tuple(protocols),
        seeds=tuple(range(int(seed), int(seed) + int(n_seeds))),
        epochs=epochs,
        channels=tuple(channels),
        feedback=feedback,
        studies=studies,
        promote=promote,
    )


def _ask_all(label: str, options: Sequence[str], key: str) -> list[str]:
    """Show what is all taken until somebody takes less, and return what is."""
    st.session_state.setdefault(key, list(options))
    return st.pills(label, options, selection_mode="multi", key=key, wrap=True)


def _ask_corpora(corpus: FoundCorpus, recipe: str) -> tuple[list[str], list[str]]:
    """Show the other corpora, and return those that train too and those that only evaluate."""
    titles = {place.corpus.name: place.corpus.title for place in list_places()}
    taught = get_recipe(recipe).features.taught_on
    free = [name for name in titles if name != corpus.corpus.name and name not in taught]
    if not free:
        return [], []
    others = _ask_some(
        "Trained on too", free, state.ADMIN_OTHERS, titles,
        "Corpora whose emotions the first one has too. Each is evaluated by a training without it.",
    )  # fmt: skip
    tried = _ask_some(
        "Tried on", [name for name in free if name not in others], state.ADMIN_TRIED, titles,
        "Corpora that only evaluate: how sure the model is of people from elsewhere.",
    )  # fmt: skip
    return others, tried


def _ask_some(label: str, names: Iterable[str], key: str, titles: dict[str, str], words: str) -> list[str]:
    """Show corpora to choose from, none at first, and return the chosen ones."""
    names = list(names)
    st.session_state[key] = [name for name in st.session_state.get(key, []) if name in names]
    return st.multiselect(label, names, format_func=titles.__getitem__, key=key, placeholder="None", help=words)


def _ask_epochs(recipe: str) -> int | None:
    """Ask for how many epochs to train, and return it where it is not the recipe's own number."""
    chosen = get_recipe(recipe)
    if not chosen.has_epochs:
        st.caption("This recipe is solved in one step and has no epochs to choose.")
        return None
    st.session_state.setdefault(state.ADMIN_EPOCHS, chosen.epochs)
    wanted = int(st.number_input("Epochs", 1, MAX_EPOCHS, key=state.ADMIN_EPOCHS))
    return None if wanted == chosen.epochs else wanted


def _ask_feedback() -> bool:
    """Ask whether sounds from feedback train too; there may be none."""
    n_kept = len({entry.clip for entry in list_kept()})
    wanted = st.checkbox(
        f"Add sounds from feedback ({n_kept:,} kept)",
        key=state.ADMIN_WITH_FEEDBACK,
        disabled=not n_kept,
        help="As their senders labelled them; hear them under Feedback. They train in every fold and are evaluated "
        "in none. Recordings of the corpus among them are found and left out.",
    )
    return bool(wanted and n_kept)
