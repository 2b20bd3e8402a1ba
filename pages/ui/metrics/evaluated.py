"""Choosing whose answers are looked at: model, protocol, clips, seed; and the figures of the choice."""

import dataclasses

import pandas as pd
import streamlit as st

from core.learning.evaluation import summarize
from core.learning.reports.cards import PROTOCOL_MEANING
from core.learning.reports.tables import CHANCE, HUMAN_ACCURACY, HUMAN_SOURCE, SUBSETS, apply_threshold
from core.serving.registry import StoredModel
from pages.ui.shared import cache, state

PROTOCOLS = tuple(reversed(PROTOCOL_MEANING))
"""Names of the protocols, those that count for new users first."""
SUBSET_NAMES = {"all": "speech and song", "speech": "speech", "song": "song"}
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
        """Which clips: ``all``, ``speech`` or ``song``."""
        return self.key[2]

    @property
    def seed(self) -> int | None:
        """The seed, None for all."""
        return self.key[3]

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of ``predictions.csv``; empty where the model has none."""
        return cache.rows(self.key)

    @property
    def words(self) -> str:
        """What the rows are, for titles of files."""
        return f"{self.model.name}-{self.protocol}-{self.subset}" + ("" if self.seed is None else f"-seed-{self.seed}")


def choose_evaluated() -> Evaluated | None:
    """Show the four pickers, which are links too; return None where no model is stored."""
    registry = cache.VerifiedModels()
    names = registry.names()
    if not names:
        return None
    in_use = registry.champion() if registry.has_champion() else ""
    names.sort(key=lambda name: name != in_use)
    with st.container(horizontal=True):
        name = st.selectbox("Model", names, key=state.METRICS_MODEL, bind="query-params", width=180)
        protocol = st.selectbox("Protocol", PROTOCOLS, key=state.METRICS_PROTOCOL, bind="query-params", width=160)
        subset = st.selectbox(
            "Clips",
            SUBSETS,
            index=SUBSETS.index("speech"),
            key=state.METRICS_SUBSET,
            bind="query-params",
            width=140,
        )
        model = registry.load(name)
        seeds = [str(seed) for seed in model.metrics().get(protocol, {}).get("seeds", [])]
        seed = st.selectbox(
            "Seed",
            [ALL_SEEDS, *seeds],
            key=state.METRICS_SEED,
            bind="query-params",
            width=140,
            help="A seed is one training of the same recipe. With all, shares are means over seeds and counts are "
            "counts of all their answers.",
        )
    st.caption(
        f"{'In use. ' if name == in_use else ''}Protocol: {PROTOCOL_MEANING[protocol]}. Every figure here is computed "
        "from the files of the model."
    )
    number = int(seed) if seed in seeds else None
    return Evaluated((model, protocol, subset, number))


def show_headline(evaluated: Evaluated) -> None:
    """Show the figures that matter most."""
    summary = cache.report(summarize, evaluated.key)
    recall, ece = summary["unweighted_average_recall"], summary["expected_calibration_error"]
    low, high = recall["interval"]
    given = cache.report(apply_threshold, evaluated.key, evaluated.model.threshold)
    plain = {"delta_color": "off", "delta_arrow": "off"}
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Right, averaged over emotions", f"{recall['mean']:.1%}", f"{100 * low:.1f} to {100 * high:.1f}", **plain,
            help="Unweighted average recall (UAR) with its 95 % interval, by a bootstrap that draws actors.",
        )  # fmt: skip
        st.metric("Chance", f"{CHANCE:.1%}", "one of eight", **plain, help="UAR of answers drawn at random.")
        st.metric(
            "People", f"{HUMAN_ACCURACY:.1%}", "on speech", **plain,
            help="Share of the audio-only speech clips in which listeners chose the intended emotion: "
            f"[Livingstone & Russo 2018]({HUMAN_SOURCE}).",
        )  # fmt: skip
        st.metric(
            "Confidence is off by", f"{ece:.3f}", "on average", **plain,
            help="Expected calibration error (ECE): mean distance of confidence from the share of right answers.",
        )  # fmt: skip
        st.metric(
            "Answered", f"{given['answered']:.1%}", f"unsure {1 - given['answered']:.1%}", **plain,
            help="Share of the clips whose confidence reaches the threshold in use. The threshold was chosen on the "
            "speaker-emobox answers; the card has its worth on folds that did not choose it.",
        )  # fmt: skip
    wrong = "" if given["risk"] is None else f" Of the clips it is not unsure about, {given['risk']:.1%} are wrong."
    st.caption(
        f"Unweighted average recall (UAR) on {summary['n_clips']:,} clips, with its 95 % interval over actors; "
        f"expected calibration error (ECE).{wrong}"
    )


def show_not_evaluated(evaluated: Evaluated) -> None:
    """Say that the model's files hold no such answers, and which they hold."""
    held = ", ".join(evaluated.model.metrics()) or "none"
    st.info(
        f"The files of this model hold no answers for {SUBSET_NAMES[evaluated.subset]} in the protocol "
        f"{evaluated.protocol}. Protocols it was evaluated by: {held}.",
        icon=":material/info:",
    )
