"""The door of the Admin page: unlock code, password, or an account elsewhere."""

import logging
import math

import streamlit as st

from core.errors import DatabaseError, NotSignedIn, SignInError, SoundWebError
from core.operations.access.passwords import MIN_LENGTH
from core.operations.access.sessions import limit_to, require_admin
from core.operations.access.sign_in import (
    CODE_FILE,
    admit,
    ensure_unlock_code,
    is_allowed,
    is_configured,
    set_password,
    sign_in,
    sign_in_by_code,
    sign_out,
    waiting_time,
)
from core.settings import PROGRAM
from pages.ui.admin.cookie import COOKIE, ask_for_cookie, handovers
from pages.ui.shared import state
from pages.ui.shared.frame import ADMINS_NAME, HASH_NAME, secret

logger = logging.getLogger(__name__)


def ensure_signed_in() -> str:
    """Return the token of who is signed in; otherwise show the way in, and end the run.

    Raises
    ------
    SoundWebError
        If nobody can be known; where the database is, is said to nobody.
    """
    try:
        return _ensure_signed_in()
    except DatabaseError as error:
        logger.exception("The Admin page is closed.")
        why = f" ({error.reason})" if error.reason else ""
        raise SoundWebError(
            f"The database cannot be used{why}. The server's log says where it is; check DATABASE_URL, rights and "
            "free space. This page opens by itself when it is back."
        ) from error


def _ensure_signed_in() -> str:
    _limit()
    token = own_token()
    try:
        actor = require_admin(token, is_active=not st.session_state.pop(state.ADMIN_POLLED, False))
    except NotSignedIn as error:
        if token and st.session_state.pop(state.ADMIN_SESSION, None):
            st.info(str(error), icon=":material/lock:")
        _show_door()
        st.stop()
    ask_for_cookie(st.session_state.pop(state.ADMIN_HANDOVER, None))
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.text(f"Signed in as {actor}")
        if st.button("Sign out", icon=":material/logout:"):
            _leave(token)
    return str(token)


def administrator() -> str | None:
    """Return the token of this browser where an administrator is signed in by it; for other pages than Admin."""
    _limit()
    token = own_token()
    try:
        require_admin(token, is_active=False)
    except (NotSignedIn, DatabaseError):
        return None
    return token


def _limit() -> None:
    """End the sessions of accounts that the installation does not name any more."""
    limit_to(lambda actor: "@" not in actor or is_allowed(actor, secret(ADMINS_NAME) or ()))


def own_token() -> str | None:
    """Return the token of this browser: signed in over this connection, or in its cookie.

    Streamlit gives a session to whoever names it after its connection broke, and addresses of uploads name it: what is
    in the session alone proves nothing.
    """
    token: str | None = st.session_state.get(state.ADMIN_SESSION)
    if token and st.session_state.get(state.ADMIN_CONNECTION) == connection_key():
        return token
    return st.context.cookies.get(COOKIE)


def connection_key() -> str | None:
    """Return the random key of this visitor's WebSocket; None outside of a server."""
    key: str | None = st.context.headers.get("Sec-WebSocket-Key")
    return key


def _show_door() -> None:
    """Show what fits: the first password, the password, or accounts."""
    with st.container(width=460):
        if is_configured(secret(HASH_NAME)):
            _ask_password()
        else:
            _ask_code()
        _show_wait(waiting_time(_address()))
        _ask_console_code()
        if secret("auth") is not None:
            _show_accounts()


def _ask_code() -> None:
    """Set the first password with the code from the console."""
    ensure_unlock_code()
    st.markdown("**Set the administrator's password**")
    st.markdown(
        "The server printed an unlock code on its console. It also stands in the file "
        f"`{CODE_FILE}` in the data folder, which its owner alone can read. It works once."
    )
    with st.form("admin-unlock", clear_on_submit=True):
        code = st.text_input("Unlock code", type="password", autocomplete="off")
        password = st.text_input(
            f"New password, at least {MIN_LENGTH} characters", type="password", autocomplete="new-password"
        )
        again = st.text_input("New password again", type="password", autocomplete="new-password")
        if not st.form_submit_button("Set password", type="primary"):
            return
    if password != again:
        st.error("The two passwords differ. Type the same one twice.", icon=":material/error:")
        return
    try:
        set_password(code, password, address=_address())
        token = sign_in(password, address=_address())
    except SignInError as error:
        st.error(str(error), icon=":material/error:")
        return
    _enter(token)


def _ask_password() -> None:
    """Sign in with the password."""
    with st.form("admin-sign-in", clear_on_submit=True):
        password = st.text_input("Password", type="password", autocomplete="current-password")
        if not st.form_submit_button("Sign in", type="primary", icon=":material/login:"):
            return
    try:
        token = sign_in(password, address=_address(), configured_hash=secret(HASH_NAME))
    except SignInError as error:
        st.error(str(error), icon=":material/error:")
        return
    _enter(token)


def _ask_console_code() -> None:
    """Sign in with a code from the console, where passwords must wait because others guess them, or one is lost."""
    with st.expander("Sign in from the server's console", icon=":material/terminal:"):
        st.markdown(f"Run `{PROGRAM} admin enter` on the server. Its code works once, without a wait.")
        with st.form("admin-code", clear_on_submit=True, border=False):
            code = st.text_input("Sign-in code", type="password", autocomplete="off")
            if not st.form_submit_button("Use this code"):
                return
        try:
            token = sign_in_by_code(code)
        except SignInError as error:
            st.error(str(error), icon=":material/error:")
            return
    _enter(token)


def _address() -> str:
    """Return the network address that this visitor comes from; empty on the server's own machine."""
    return st.context.ip_address or ""


def _show_wait(wait: float) -> None:
    """Count down to the next attempt."""

    def show() -> None:
        left = waiting_time(_address())
        if left > 0:
            st.caption(f":material/timer: The next attempt is possible in {math.ceil(left)} s.")

    if wait > 0:
        st.fragment(show, run_every=1)()


def _show_accounts() -> None:
    """Sign in with an account of a provider that the installation names, where its address is on the list."""
    if not st.user.is_logged_in:
        auth = secret("auth")
        providers = [name for name, value in auth.items() if hasattr(value, "items")]
        for name in providers or [None]:
            st.button(
                f"Sign in with {name or 'your account'}", icon=":material/account_circle:", on_click=st.login,
                args=(name,) if name else (), key=f"admin-login-{name}",
            )  # fmt: skip
        st.caption("The account's page leads back to the app's first page. Choose Admin there again.")
        return
    email = st.user.get("email")
    st.text(f"You are known here as {email}")
    if str(st.user.get("email_verified")).lower() != "true":  # some providers let people choose any address
        st.error("The provider does not vouch for this address (email_verified).", icon=":material/error:")
    elif st.button("Continue with this account", icon=":material/login:"):
        try:
            token = admit(email, secret(ADMINS_NAME) or ())
        except NotSignedIn:
            st.error("This address is not on the list of administrators.", icon=":material/error:")
            return
        _enter(token)
    st.button("Use another account", on_click=st.logout)


def _enter(token: str) -> None:
    st.session_state[state.ADMIN_SESSION] = token
    st.session_state[state.ADMIN_CONNECTION] = connection_key()
    st.session_state[state.ADMIN_HANDOVER] = handovers.give(token)
    st.rerun()


def _leave(token: str) -> None:
    """End the session, here and at the provider's."""
    for name in (state.ADMIN_SESSION, state.ADMIN_NEW_KEY):
        st.session_state.pop(name, None)
    sign_out(token)
    if secret("auth") is not None and st.user.is_logged_in:
        st.logout()
        st.stop()  # a run that begins now would drop the message that leads there
    st.rerun()
