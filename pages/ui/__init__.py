"""The screens' parts: a folder a screen, and one for what they share."""
