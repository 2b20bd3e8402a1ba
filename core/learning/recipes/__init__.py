"""Recipes: everything that decides what a training makes, besides the corpus, the protocol and the seed.

One module a recipe, each with a line in ``core.parts.RECIPES``. Keras is imported when a recipe fits or builds.
"""

from core.learning.recipes.base import Recipe, get_recipe

__all__ = ["Recipe", "get_recipe"]
