"""The stream's own buttons in the hand of the app: they stand in a frame that no theme of ours reaches."""

from typing import Final

import streamlit as st

from pages.ui.shared import state

JS: Final = """
const STYLE = `
  body { margin: 0 }
  .MuiButton-root { font-family: "Source Sans", sans-serif; font-size: 1rem; font-weight: 400; line-height: 1.6;
    letter-spacing: normal; text-transform: none; border-radius: 0.5rem; box-shadow: none; padding: 0.25rem 0.75rem }
  .MuiButton-root:hover { box-shadow: none }
`
// The app's fonts, with addresses that hold in another document.
const fonts = () => [...document.styleSheets].flatMap((sheet) => {
  try {
    return [...sheet.cssRules].filter((rule) => rule instanceof CSSFontFaceRule).map((rule) =>
      rule.cssText.replace(/url\\("([^"]+)"\\)/g, (_, path) =>
        `url("${new URL(path, sheet.href ?? document.baseURI)}")`))
  } catch { return [] /* of another host */ }
})
export default function () {
  const dress = () => {
    const frame = document.querySelector('iframe[title*="webrtc"]')
    const inside = frame?.contentDocument
    if (inside?.readyState !== "complete" || inside.documentElement.dataset.dressed) return
    const sheet = new frame.contentWindow.CSSStyleSheet()
    sheet.replaceSync(fonts().join("") + STYLE.replaceAll(";", " !important;").replaceAll(" }", " !important }"))
    inside.adoptedStyleSheets = [...inside.adoptedStyleSheets, sheet]
    inside.documentElement.dataset.dressed = "yes"
  }
  const timer = setInterval(dress, 200)
  return () => clearInterval(timer)
}
"""
_dress = st.components.v2.component("stream_buttons", js=JS)


def dress_buttons() -> None:
    """Give the stream's buttons the app's font, letters and corners, as soon as they are there."""
    _dress(key=state.LIVE_BUTTONS)
