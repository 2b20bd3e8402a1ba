"""Showing an answer."""

from collections.abc import Mapping

import streamlit as st

from core.plots import sound as sound_plots
from core.plots.sound import LEAST_SHOWN
from core.serving.exports import heard_text
from core.serving.grounds import Grounds
from core.serving.known import KnownClip
from core.serving.prediction import Prediction
from core.serving.segments import NO_SPEECH
from pages.ui.shared.corpus import plain
from pages.ui.shared.frame import DOMAIN_NOTICE

EMOTION_ICONS = {
    "angry": ":material/sentiment_extremely_dissatisfied:",
    "calm": ":material/sentiment_calm:",
    "disgust": ":material/sick:",
    "fearful": ":material/sentiment_worried:",
    "happy": ":material/sentiment_very_satisfied:",
    "neutral": ":material/sentiment_neutral:",
    "sad": ":material/sentiment_sad:",
    "surprised": ":material/sentiment_excited:",
}


def icon_of(emotion: str) -> str:
    """Return the icon of an emotion; one for all that have none of their own."""
    return EMOTION_ICONS.get(emotion, ":material/graphic_eq:")


def icon_of_answer(emotion: str, is_uncertain: bool) -> str:  # noqa: FBT001 - a field passed on
    """Return the icon of an answer."""
    return ":material/help:" if is_uncertain else icon_of(emotion)


def is_answered(prediction: Prediction) -> bool:
    """Tell whether there is an emotion to tell: of what is no voice there is none."""
    return prediction.has_voice or prediction.unheard is not None


def show_answer(prediction: Prediction) -> None:
    """Show the emotion large, its confidence and probabilities; of a known clip the honest answer first."""
    known = prediction.unheard
    if known is None:
        _show_own(prediction, "##")
        note_known(prediction.known)
    else:
        _show_unheard(known)
        with st.container(border=True):
            st.caption("The model in use, which remembers this recording, answers")
            _show_own(prediction, "####")
    if is_answered(prediction):
        show_probabilities((known or prediction).probabilities)
    st.caption(DOMAIN_NOTICE)


def headline(prediction: Prediction) -> str:
    """Return an answer in few words: the emotion, what it perhaps is, or why none of them is one."""
    if not prediction.has_voice:
        return NO_SPEECH.capitalize()
    if len(prediction.pieces) > 1 and max(prediction.shares.values()) < 0.5:
        return "Mixed"
    return _words(prediction.emotion, prediction.is_uncertain)


def _words(emotion: str, is_uncertain: bool) -> str:  # noqa: FBT001 - a field passed on
    return f"Unsure · perhaps {emotion}" if is_uncertain else emotion.capitalize()


def _show_own(prediction: Prediction, level: str) -> None:
    """Show what the model answers, under a heading of a level, and what speaks against it."""
    # Icons stand beside headings, not in them: they would be read out.
    st.markdown(f"{level} {headline(prediction)}")
    if prediction.has_voice:
        _show_certainty(prediction)
    for reason in prediction.reasons:
        st.caption(f":material/info: {_sentence(reason)}")


def note_known(known: KnownClip | None) -> None:
    """Say of a recording that a model was trained on that it is one, and what the honest answer is."""
    if known is not None:
        st.caption(f":material/history: {_sentence(str(known))}")


def _sentence(words: str) -> str:
    """Return words as a sentence, as plain text."""
    return plain(f"{words[0].upper()}{words[1:]}.")


def _show_certainty(prediction: Prediction) -> None:
    """Show how sure the answer is, or what the speech is made of, and what was heard."""
    if len(prediction.pieces) > 1:
        shares = " · ".join(f"{label} **{share:.0%}**" for label, share in prediction.shares.items())
        st.markdown(f"Of {prediction.speech_duration:.1f} s of speech: {shares}")
        st.caption(
            f"{len(prediction.pieces)} stretches of voice in {prediction.duration:.1f} s of sound, each answered by "
            f"itself; {prediction.silence:.0%} of the sound is without a voice."
        )
    else:
        icon = icon_of_answer(prediction.emotion, prediction.is_uncertain)
        st.markdown(f"{icon} **{prediction.confidence:.1%}** confident")
        st.caption(f"Heard: {heard_text(prediction)}.")


def _show_unheard(known: KnownClip) -> None:
    """Show the honest answer for a clip that the model was trained on."""
    st.markdown(f"## {_words(known.answer, known.is_uncertain)}")
    icon = icon_of_answer(known.answer, known.is_uncertain)
    st.markdown(f"{icon} **{known.confidence:.1%}** confident, by models that never heard this speaker")
    clip = known.clip.replace("`", "")
    st.caption(
        f":material/history: The model in use was trained on this recording ({plain(known.corpus)}, `{clip}`, labelled "
        f"{plain(known.emotion)})."
    )


def show_probabilities(probabilities: Mapping[str, float]) -> None:
    """Show the probabilities of all emotions."""
    st.plotly_chart(
        sound_plots.probability_bars(probabilities),
        config={"displayModeBar": False},
        alt=", ".join(f"{emotion} {p:.2f}" for emotion, p in probabilities.items()),
    )


def show_grounds(grounds: Grounds | None, prediction: Prediction) -> None:
    """Say in a person's words what moved an answer of a model, and of which stretch where there are several."""
    if grounds is None:
        return
    where = f" ({grounds.start:.1f} to {grounds.end:.1f} s)" if len(prediction.pieces) > 1 else ""
    words = "What moved it to" if grounds.emotion == prediction.emotion else "What speaks for"
    st.markdown(
        f"**{words} {plain(grounds.emotion)}**{where}: {grounds.sentence}",
        help="Usual is the mean of the recordings that the model learned from. The voice was made usual in one thing "
        "after another and answered again: what is named here are the changes that cost the answer most. The numbers "
        "stand behind “Why this answer”.",
    )


def show_short_answer(prediction: Prediction) -> None:
    """Show an answer in few lines: the emotion, its confidence, the next ones, and what speaks against it."""
    name = headline(prediction)
    icon = icon_of_answer(prediction.emotion, prediction.is_uncertain)
    if not prediction.has_voice:
        st.markdown(f"**{name}**")
    elif len(prediction.pieces) > 1:
        shares = " · ".join(f"{label} {share:.0%}" for label, share in prediction.shares.items())
        st.markdown(f"{icon} **{name}** · of {prediction.speech_duration:.1f} s of speech: {shares}")
    else:
        st.markdown(f"{icon} **{name}** · {prediction.confidence:.1%} confident")
    if prediction.has_voice:
        ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
        st.caption(" · ".join(f"{emotion} {p:.2f}" for emotion, p in ranked if p >= LEAST_SHOWN))
    for reason in prediction.reasons:
        st.caption(f":material/info: {_sentence(reason)}")
