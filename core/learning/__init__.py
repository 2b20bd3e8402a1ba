"""Recipes, networks, the one training routine, and its evaluation. Keras is imported in this floor only."""
