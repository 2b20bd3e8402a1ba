"""The interface for programs: the answers of the pages over HTTP, for who has a key.

The routes stand in the same server as the pages and ask the same model; see ``core.api.routes``.
"""
