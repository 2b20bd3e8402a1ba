"""Choosing whose answers are looked at: model, protocol, clips, seed; and the figures of the choice."""

import dataclasses
from collections.abc import Collection

import pandas as pd
import streamlit as st

from core.corpus.base import CORPUS_PREFIX, Listeners
from core.corpus.known import known_corpora
from core.learning.evaluation import ALL_CLIPS, summarize
from core.learning.reports.tables import apply_threshold
from core.serving.registry import StoredModel
from pages.ui.shared import cache, state
from pages.ui.shared.corpus import plain
from pages.ui.shared.links import linked, one_of

ALL_SEEDS = "all"


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluated:
    """Answers of a model that somebody chose to look at."""

    key: cache.RowsKey
    """What names the rows."""

    @property
    def model(self) -> StoredModel:
        """The model."""
        return self.key[0]

    @property
    def protocol(self) -> str:
        """Name of the protocol."""
        return self.key[1]

    @property
    def subset(self) -> str:
        """Which clips: ``all``, or those of a channel."""
        return self.key[2]

    @property
    def seed(self) -> int | None:
        """The seed, None for all."""
        return self.key[3]

    @property
    def subset_name(self) -> str:
        """Which clips, in words."""
        return " and ".join(self.model.manifest.corpus.channels) if self.subset == ALL_CLIPS else self.subset

    @property
    def n_emotions(self) -> int:
        """How many emotions occur in the rows; all that the model knows where there are none."""
        return self.rows["y_true"].nunique() or len(self.model.manifest.labels)

    @property
    def chance(self) -> float:
        """Unweighted average recall of answers drawn at random from the emotions that occur."""
        return 1 / self.n_emotions

    @property
    def listeners(self) -> Listeners | None:
        """How often people are right on this corpus, if it is known."""
        corpus = known_corpora().get(self.model.manifest.corpus.name)
        return corpus.listeners if corpus else None

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of ``predictions.csv``; empty where the model has none."""
        return cache.rows(self.key)

    @property
    def words(self) -> str:
        """What the rows are, for titles of files."""
        return f"{self.model.name}-{self.protocol}-{self.subset}" + ("" if self.seed is None else f"-seed-{self.seed}")


def choose_evaluated() -> Evaluated | None:
    """Show the four pickers, which are links too; return None where no model is stored.

    Until somebody chooses, the protocol is one that the model was evaluated by.
    """
    registry = cache.VerifiedModels()
    names = registry.names()
    if not names:
        return None
    in_use = registry.champion() if registry.has_champion() else ""
    names.sort(key=lambda name: name != in_use)
    with st.container(horizontal=True):
        name = st.selectbox(
            "Model",
            names,
            format_func=lambda name: f"{name} (in use)" if name == in_use else name,
            help="All that are stored here. A name is that of the recipe, and a hash of its settings and clips.",
            width=210,
            **linked(state.METRICS_MODEL, one_of(names, names[0])),
        )
        model = registry.load(name)
        trained = model.manifest.corpus
        # Those that count for new users first, other corpora last.
        backwards = list(reversed(trained.protocols))
        protocols = tuple(sorted(backwards, key=lambda name: name.startswith(CORPUS_PREFIX)))
        reports = model.metrics()
        evaluated_by = next((name for name in protocols if name in reports), protocols[0])
        protocol = st.selectbox(
            "Protocol",
            protocols,
            help="How clips for training and for evaluation are told apart.\n\n"
            + "\n".join(f"- `{name}`: {plain(trained.protocols[name])}" for name in protocols),
            width=170,
            **linked(state.METRICS_PROTOCOL, one_of(protocols, evaluated_by)),
        )
        subsets = (ALL_CLIPS, *trained.channels)
        has_speech = "speech" in reports.get(protocol, subsets) and "speech" in subsets
        subset = st.selectbox(
            "Clips",
            subsets,
            help="Evaluated clips that count here: all, or those of a channel.",
            width=120,
            **linked(state.METRICS_SUBSET, one_of(subsets, "speech" if has_speech else ALL_CLIPS)),
        )
        seeds = [str(seed) for seed in reports.get(protocol, {}).get("seeds", [])]
        seed = st.selectbox(
            "Seed",
            [ALL_SEEDS, *seeds],
            help="A seed is one training of the same recipe. With all, shares and numbers of clips are means.",
            width=120,
            **linked(state.METRICS_SEED, one_of([ALL_SEEDS, *seeds], ALL_SEEDS)),
        )
    say_missing(state.METRICS_MODEL, names, "model")
    say_missing(state.METRICS_PROTOCOL, protocols, "protocol")
    say_missing(state.METRICS_SUBSET, subsets, "kind of clips")
    say_missing(state.METRICS_SEED, [ALL_SEEDS, *seeds], "seed")
    evaluated = Evaluated((model, protocol, subset, int(seed) if seed in seeds else None))
    st.caption(
        f"{plain(trained.title)}, {evaluated.subset_name}: {evaluated.rows['clip'].nunique():,} clips · "
        f"{plain(trained.protocols[protocol])} · all figures are computed from the model's files"
    )
    return evaluated


def say_missing(parameter: str, options: Collection[str], kind: str) -> None:
    """Say so where the address names something that is not here, and another one is shown."""
    told = st.query_params.get(parameter)
    if told and told not in options:
        st.caption(f":material/link_off: The address names a {kind} that is not here. Another one is shown.")


def show_headline(evaluated: Evaluated) -> None:
    """Show the figures that matter most."""
    summary = cache.report(summarize, evaluated.key)
    recall, ece = summary["unweighted_average_recall"], summary["expected_calibration_error"]
    low, high = recall["interval"]
    given = cache.report(apply_threshold, evaluated.key, evaluated.model.threshold)
    muted = {"delta_color": "off", "delta_arrow": "off"}
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Right, averaged over emotions", f"{recall['mean']:.1%}", f"{100 * low:.1f} to {100 * high:.1f}", **muted,
            help="Unweighted average recall (UAR) with its 95 % interval, by a bootstrap that draws speakers.",
        )  # fmt: skip
        st.metric(
            "Chance",
            f"{evaluated.chance:.1%}",
            f"one of {evaluated.n_emotions}",
            **muted,
            help="UAR of answers drawn at random from the emotions that these clips have.",
        )
        listeners = evaluated.listeners
        if listeners is not None:
            st.metric(
                "People", f"{listeners.accuracy:.1%}", f"on {listeners.channel}", **muted,
                help="Share of the clips in which listeners chose the intended emotion: "
                f"[{listeners.title}]({listeners.source}).",
            )  # fmt: skip
        st.metric(
            "Calibration error", f"{ece:.1%}", f"ECE {ece:.3f}", **muted,
            help="Expected calibration error (ECE): mean distance of confidence from the share of right answers.",
        )  # fmt: skip
        risk = "always unsure" if given["risk"] is None else f"{given['risk']:.1%} of them wrong"
        st.metric(
            "Answered", f"{given['answered']:.1%}", risk, **muted,
            help="Share of the clips whose confidence reaches the threshold in use; the others are unsure. The "
            f"threshold was chosen on the {evaluated.model.main_protocol} answers; the card has its worth on folds "
            "that did not choose it.",
        )  # fmt: skip


def show_not_evaluated(evaluated: Evaluated) -> None:
    """Say that the model's files hold no such answers, and which they hold."""
    held = ", ".join(evaluated.model.metrics()) or "none"
    st.info(
        f"The files of this model hold no answers for {evaluated.subset_name} in the protocol "
        f"{evaluated.protocol}. Protocols it was evaluated by: {held}.",
        icon=":material/info:",
    )
