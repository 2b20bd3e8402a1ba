"""The sections of the Admin page."""
