"""STUN and TURN servers, which take a stream across networks, as the installation's secrets name them."""

from collections.abc import Mapping
from typing import Any

from core.errors import SettingsError
from pages.ui.shared.frame import secret

SCHEMES = ("stun:", "stuns:", "turn:", "turns:")


def rtc_configuration() -> dict[str, Any]:
    """Return what browser and server are told; no servers by default, which suits one host or network.

    Raises
    ------
    SettingsError
        If the secrets hold something else than servers there.
    """
    section = secret("webrtc") or {}
    servers = section.get("iceServers", []) if isinstance(section, Mapping) else None
    if not isinstance(servers, list) or not all(map(_is_server, servers)):
        raise SettingsError(
            "In the secrets of this server, [[webrtc.iceServers]] needs urls that begin with stun: or turn:. "
            "An example stands in .streamlit/secrets.toml.example."
        )
    configuration: dict[str, Any] = {"iceServers": [dict(server) for server in servers]}
    if section.get("relayOnly"):
        configuration["iceTransportPolicy"] = "relay"
    return configuration


def _is_server(server: object) -> bool:
    """Tell whether an entry names addresses of STUN or TURN servers."""
    if not isinstance(server, Mapping):
        return False
    urls = server.get("urls")
    urls = [urls] if isinstance(urls, str) else urls
    return isinstance(urls, list) and bool(urls) and all(str(url).startswith(SCHEMES) for url in urls)
