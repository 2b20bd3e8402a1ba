"""Stored models: promotion, archives, inspection."""
