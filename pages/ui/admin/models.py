"""Models on the Admin page: overview, comparison, putting in use, deletion, zip files."""

from typing import Any

import streamlit as st

from core.config import DecodeLimits
from core.errors import ModelError
from core.operations.models.archives import export_model, import_model
from core.operations.models.comparison import Comparison
from core.operations.models.promotion import Overview, delete, evaluate_promotion, list_models, promote, roll_back
from core.plots.operations import class_differences
from core.serving.registry import Registry
from pages.ui.admin.words import say_done
from pages.ui.shared import cache, state
from pages.ui.shared.charts import show_chart
from pages.ui.shared.corpus import plain


def show_models(token: str) -> None:
    """Show all models, and what can be done with them."""
    models = list_models(cache.VerifiedModels())
    _show_problem()
    if not models:
        st.info("No model is stored. Train one, or import one below.", icon=":material/info:")
    else:
        _show_table(models)
        _show_roll_back(token)
        with st.container(border=True):
            _show_model(token, models)
        _show_comparison([model.name for model in models if not model.problem])
    _show_import(token)


def _show_problem() -> None:
    """Say why another model answers than should, or none."""
    try:
        found = cache.in_use()
    except ModelError as error:
        problem = f"Nothing can be answered. {error}"
    else:
        problem = f"{found.predictor.model.name} answers meanwhile. {found.problem}" if found.problem else ""
    if problem:
        st.error(plain(problem), icon=":material/error:")


def _show_table(models: list[Overview]) -> None:
    """Show a line a model: what it reaches on unseen speakers first."""
    keys = sorted({key for model in models for key in model.recalls}, key=lambda key: ("speech" not in key, key))
    keys = [key for key in keys if "speaker" in key] or keys
    rows = [
        {
            "in use": model.is_used,
            "model": model.name,
            **{key: 100 * model.recalls[key] if key in model.recalls else None for key in keys},
            "created": model.created[:16].replace("T", " "),
            "channels": ", ".join(model.channels),
            "size": model.size / 2**20,
            "problem": model.problem,
        }
        for model in models
    ]
    columns: dict[str, Any] = {
        "in use": st.column_config.CheckboxColumn("In use", width=60),
        "model": st.column_config.TextColumn("Model", width=136),
        "created": st.column_config.TextColumn("Stored (UTC)", width=118),
        "channels": st.column_config.TextColumn("Clips of", width=92),
        "size": st.column_config.NumberColumn("MiB", format="%.1f", width=52),
        "problem": "Cannot be loaded because",
    }
    columns |= {
        key: st.column_config.NumberColumn(key.removeprefix("speaker-"), format="%.1f %%", width=116) for key in keys
    }
    is_any_broken = any(model.problem for model in models)
    if not is_any_broken:
        columns["problem"] = None
    placeholder = "" if is_any_broken else "not evaluated"  # of what cannot be read, nobody knows
    st.dataframe(rows, hide_index=True, placeholder=placeholder, column_config=columns)
    st.caption(
        "Unweighted average recall by protocols that keep whole people apart: that is what a new user gets. All others "
        "stand on Metrics."
    )


def _show_roll_back(token: str) -> None:
    """Offer to take the last promotion back."""
    previous = Registry().previous()
    label = f"Roll back to {previous}" if previous else "Roll back"
    is_clicked = st.button(
        label, icon=":material/undo:", disabled=previous is None, help="Puts the model in use that was so before."
    )
    if is_clicked and previous is not None:
        say_done(f"{roll_back(token, previous)} is in use.")


def _show_model(token: str, models: list[Overview]) -> None:
    """Show one model's card and its actions."""
    by_name = {model.name: model for model in models}
    name = st.selectbox("Model", list(by_name), key=state.ADMIN_MODEL, width=320)
    model = by_name[name]
    if model.problem:
        st.error(model.problem, icon=":material/error:")
        st.caption("Import its zip file below to mend it.")
    else:
        with st.container(horizontal=True):
            st.download_button(
                "Export",
                lambda: export_model(token, name),
                f"{name}.zip",
                "application/zip",
                icon=":material/download:",
                on_click="ignore",
            )
        with st.expander("Card", icon=":material/description:"):
            # As plain text: a model may come from anywhere.
            st.code(cache.VerifiedModels().load(name).card(), language=None, wrap_lines=True)
    if model.is_used:
        st.caption("In use. Put another one in use before deleting it.")
        return
    if not model.problem:
        _show_promotion(token, name)
    _show_deletion(token, name)


def _show_promotion(token: str, name: str) -> None:
    """Put a model in use; where the gate objects, only with its name typed."""
    gate = evaluate_promotion(name, cache.VerifiedModels())
    typed = None
    if gate.objection:
        st.warning(f"{plain(gate.objection)}.", icon=":material/warning:")
        # What was typed against one objection is no answer to the next, when another model came into use.
        key = f"{state.ADMIN_CONFIRM}-{name}-{gate.used}"
        typed = st.text_input("To put it in use all the same, type its name", key=key, width=320)
    if st.button("Put in use", type="primary", icon=":material/publish:"):
        promote(token, name, typed)
        say_done(f"{name} is in use, from the next prediction on.")


def _show_deletion(token: str, name: str) -> None:
    """Delete a model, with its name typed."""
    with st.expander("Delete", icon=":material/delete:"):
        typed = st.text_input("To delete it for good, type its name", key=f"{state.ADMIN_DELETE}-{name}", width=320)
        if st.button("Delete model", icon=":material/delete:"):
            delete(token, name, typed)
            say_done(f"{name} is deleted.")


def _show_comparison(names: list[str]) -> None:
    """Compare two models on the same clips, emotion by emotion."""
    if len(names) < 2:
        return
    with st.expander("Compare two models", icon=":material/compare_arrows:", on_change="rerun") as place:
        if not place.open:
            return
        with st.container(horizontal=True):
            first = st.selectbox("First", names, key=state.ADMIN_FIRST, width=220)
            second = st.selectbox("Second", names, index=1, key=state.ADMIN_SECOND, width=220)
        if first == second:
            st.caption("Choose two different models.")
            return
        load = cache.VerifiedModels().load
        compared = {f"{one.protocol}, {one.channel}": one for one in cache.comparison(load(first), load(second))}
        if not compared:
            st.info("These two were evaluated on no clips in common.", icon=":material/info:")
            return
        names = sorted(compared, key=lambda name: ("speaker" not in name, "speech" not in name))
        _show_compared(
            compared[st.selectbox("Evaluated by", names, key=state.ADMIN_COMPARED, width=220)], first, second
        )


def _show_compared(one: Comparison, first: str, second: str) -> None:
    """Show what each model finds of every emotion, and whether the difference could be chance."""
    low, high = one.interval
    st.markdown(
        f"On {one.n_clips:,} clips of {one.n_speakers} speakers, the unweighted average recall of `{first}` less that "
        f"of `{second}` is **{100 * one.difference:+.1f} points**, 95 % interval over speakers {100 * low:+.1f} to "
        f"{100 * high:+.1f}. Were the two equally good, a difference at least as large would have a probability of "
        f"**{'less than 0.0001' if one.p_value < 0.0001 else f'{one.p_value:.4f}'}** (by flipping the signs of the "
        "speakers' differences)."
    )
    show_chart(
        class_differences(one.per_class, first, second),
        f"{first}-{second}-{one.protocol}-{one.channel}",
        "Difference of the recalls of two models by emotion",
        one.per_class,
        first=first,
        second=second,
        difference="Difference",
    )


def _show_import(token: str) -> None:
    """Take a model from a zip file."""
    with st.expander("Import a model", icon=":material/upload:"):
        st.caption("A zip file as from Export. Every file is checked; the model is stored, not put in use.")
        file = st.file_uploader("Zip file of a model", type=["zip"], max_upload_size=DecodeLimits().max_bytes // 2**20)
        if file is not None and st.button("Import", type="primary"):
            try:
                model = import_model(token, file.getvalue())
            except ModelError as error:
                st.error("The file was refused.", icon=":material/error:")
                st.text(str(error))
                return
            say_done(f"{model.name} is stored. Look at its figures before putting it in use.")
