"""Programs on the Admin page: their keys, what each may ask, and a new key, which is shown once."""

from urllib.parse import urlsplit, urlunsplit

import streamlit as st

from core.api.routes import PATH
from core.operations.access.keys import MAX_NAME, MAX_PER_DAY, MAX_PER_MINUTE, Key, list_keys, make_key, revoke_key
from pages.ui.admin.words import say_done
from pages.ui.shared import state
from pages.ui.shared.corpus import plain


def show_programs(token: str) -> None:
    """Show the keys that programs use, and the forms to make and revoke one."""
    st.markdown(f"Programs ask for answers at `{PATH}/` of this address, with a key; without one nothing is answered.")
    keys = list_keys(token)
    if keys:
        _show_keys(keys)
        _show_revocation(token, [key for key in keys if key.revoked is None])
    else:
        st.info("No key was made yet, so no program is answered.", icon=":material/key_off:")
    _show_new_key()
    _show_form(token)


def _show_keys(keys: list[Key]) -> None:
    """Show what is known of each key."""
    st.dataframe(
        [
            {
                "name": key.name,
                "key": f"... {key.hint}",
                "state": "works" if key.revoked is None else f"revoked {key.revoked:%Y-%m-%d %H:%M}",
                "per_minute": key.per_minute,
                "per_day": key.per_day,
                "used": key.last_used,
                "made": f"{key.created:%Y-%m-%d}, {key.created_by}",
            }
            for key in keys
        ],
        hide_index=True,
        placeholder="never",
        column_config={
            "name": "Program",
            "key": "Key",
            "state": "State (UTC)",
            "per_minute": st.column_config.NumberColumn("A minute", help="Sounds that it may have answered"),
            "per_day": st.column_config.NumberColumn("A day", help="Sounds that it may have answered"),
            "used": st.column_config.DatetimeColumn("Last used (UTC)", format="YYYY-MM-DD HH:mm"),
            "made": "Made",
        },
    )


def _show_revocation(token: str, keys: list[Key]) -> None:
    """Offer to revoke a key, and ask once more; it is refused at once."""
    if not keys:
        return
    by_number = {key.id: key for key in keys}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox(
            "Revoke a key",
            list(by_number),
            format_func=lambda number: f"{by_number[number].name} (... {by_number[number].hint})",
            key=state.ADMIN_KEY,
            width=320,
        )
        with st.popover("Revoke", icon=":material/key_off:"):
            st.markdown(f"{plain(by_number[number].name)} will be refused at once. That cannot be taken back.")
            if st.button("Revoke this key", key=f"{state.ADMIN_KEY}-{number}", icon=":material/key_off:"):
                revoke_key(token, number)
                say_done(f"The key of {by_number[number].name} is refused from now on.")


def _app_address() -> str:
    """Return the address under which this browser has the app."""
    page = urlsplit(st.context.url or "http://localhost:8501/")
    return urlunsplit((page.scheme, page.netloc, page.path.rpartition("/")[0], "", ""))


def _show_new_key() -> None:
    """Show a key that was just made; it is nowhere else."""
    key = st.session_state.get(state.ADMIN_NEW_KEY)
    if key is None:
        return
    with st.container(border=True):
        st.markdown("**The new key.** It is shown here alone, and only now: copy it.")
        st.code(key, language=None)
        st.code(
            f'curl --data-binary @talk.wav -H "Authorization: Bearer {key}" {_app_address()}{PATH}/predict',
            language="bash",
            wrap_lines=True,
        )
        if st.button("Done", icon=":material/check:"):
            del st.session_state[state.ADMIN_NEW_KEY]
            st.rerun()


def _show_form(token: str) -> None:
    """Offer to make a key."""
    with st.form("new-key", clear_on_submit=True, width=420):
        st.markdown("**A new key**")
        name = st.text_input("What it is for", max_chars=MAX_NAME)
        minute, day = st.columns(2)
        per_minute = minute.number_input("Sounds a minute", 1, MAX_PER_MINUTE, 60)
        per_day = day.number_input("Sounds a day", 1, MAX_PER_DAY, 5_000)
        if st.form_submit_button("Make the key", icon=":material/key:"):
            st.session_state[state.ADMIN_NEW_KEY] = make_key(
                token, name, per_minute=int(per_minute), per_day=int(per_day)
            )
            st.rerun()
