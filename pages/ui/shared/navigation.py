"""The navigation as screen readers need it: Streamlit sets the items of a section into a box that is no list."""

from typing import Final

import streamlit as st

from pages.ui.shared import state

JS: Final = """
export default function () {
  const mend = () => {
    for (const list of document.querySelectorAll('ul[data-testid="stSidebarNavItems"]')) {
      const boxes = [...list.children].filter((child) => child.tagName !== "LI")
      if (boxes.length) list.setAttribute("role", "presentation")
      for (const item of list.querySelectorAll("li")) {
        if (item.parentElement !== list) item.parentElement.setAttribute("role", "list")
      }
    }
  }
  mend()
  if (document.soundwebLists) return
  // One for as long as the document stands: Streamlit takes components away and brings them back as pages change.
  document.soundwebLists = new MutationObserver(mend)
  document.soundwebLists.observe(document.body, { childList: true, subtree: true })
}
"""
_mend = st.components.v2.component("navigation_lists", js=JS)


def mend_navigation() -> None:
    """Name the lists of the navigation, also when it is folded out later."""
    _mend(key=state.NAVIGATION)
