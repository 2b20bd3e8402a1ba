"""Networks, layer by layer; they come uncompiled."""

import keras
from keras import layers

from core.learning.recipes import Recipe


def build_reference(recipe: Recipe, n_features: int, n_classes: int, *, unroll: bool = False) -> keras.Sequential:
    """Build the reference network.

    Two blocks of convolution (kernel 3, ReLU), batch normalisation, pooling by 2 and dropout; a bidirectional LSTM of
    128 units; three dense layers with L2 and dropout; softmax. 417,864 parameters on (130, 62).

    Parameters
    ----------
    recipe : Recipe
        Frames, dropout and L2.
    n_features : int
        Columns of the input.
    n_classes : int
        Width of the softmax.
    unroll : bool
        Unroll the 32 steps of the LSTM: about a seventh faster to train on a CPU, more than twice as slow to answer
        when exported; the values are the same.

    Returns
    -------
    keras.Sequential
        Input (batch, frames, features), output (batch, classes).
    """
    network = keras.Sequential([keras.Input((recipe.features.n_frames, n_features))], name="reference")
    for filters in (64, 128):
        network.add(layers.Conv1D(filters, 3, padding="same", activation="relu"))
        network.add(layers.BatchNormalization())
        network.add(layers.MaxPooling1D(2))
        network.add(layers.Dropout(recipe.dropout))
    network.add(layers.Bidirectional(layers.LSTM(128, unroll=unroll)))
    network.add(layers.BatchNormalization())
    for units in (256, 128, 128):
        network.add(layers.Dense(units, activation="relu", kernel_regularizer=keras.regularizers.L2(recipe.l2)))
        network.add(layers.Dropout(recipe.dropout))
    network.add(layers.Dense(n_classes, activation="softmax"))
    return network
