"""What stands between the browser and a microphone, in words; the stream's own component shows bare error names."""

from typing import Final

import streamlit as st

from pages.ui.shared import state

WORDS: Final = {
    "insecure": "The browser gives no access to a microphone here. Open this page by https, or on localhost.",
    "denied": "The microphone is not allowed. Allow it beside the page's address, then press Start.",
    "missing": "No microphone was found. Connect one, then press Start.",
}
ICONS: Final = {
    "insecure": ":material/lock_open:",
    "denied": ":material/mic_off:",
    "missing": ":material/mic_external_off:",
}
JS: Final = """
export default function ({ setStateValue }) {
  let told = null
  let stopped = false
  const devices = window.isSecureContext ? navigator.mediaDevices : undefined
  const tell = async () => {
    let found = "insecure"
    if (devices) {
      const inputs = (await devices.enumerateDevices()).filter((device) => device.kind === "audioinput")
      found = inputs.length === 0 ? "missing" : permission?.state === "denied" ? "denied" : "open"
    }
    if (!stopped && found !== told) setStateValue("access", (told = found))
  }
  let permission
  const begin = async () => {
    try {
      permission = await navigator.permissions.query({ name: "microphone" })
      permission.onchange = tell
    } catch { /* Some browsers do not tell before they are asked. */ }
    tell()
  }
  devices?.addEventListener("devicechange", tell)
  begin()
  return () => {
    stopped = true
    devices?.removeEventListener("devicechange", tell)
    if (permission) permission.onchange = null
  }
}
"""
watch = st.components.v2.component("microphone_access", js=JS)


def show_access() -> bool:
    """Say what keeps the browser from a microphone; tell whether one may still be had on this page."""
    found = watch(key=state.LIVE_ACCESS, on_access_change=state.noted).access
    if found in WORDS:
        st.warning(WORDS[found], icon=ICONS[found])
    return bool(found != "insecure")
