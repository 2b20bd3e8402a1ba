"""Networks, layer by layer; they come uncompiled."""

from typing import Final

import keras
from keras import layers, ops

from core.audio.extraction import feature_shape
from core.audio.voice import view_slices
from core.labels import CHANNELS, EMOTIONS
from core.learning.recipes import AnyRecipe, Recipe, VoiceRecipe

VALUE_LIMIT: Final = 4.0
"""Standard deviations at which a feature of the voice network is cut off."""
SCORE_SCALE: Final = 0.3
"""Factor of the discriminants' scores before their softmax: high-dimensional discriminants overrate themselves."""
N_CLASSES: Final = len(CHANNELS) * len(EMOTIONS)
"""Pairs of channel and emotion."""
ABSENT: Final = -1e4
"""Score of a class that training did not have."""


def build_network(recipe: AnyRecipe) -> keras.Model:
    """Build the network of a recipe, as it is deployed: reads scaled features, answers with probabilities."""
    if isinstance(recipe, VoiceRecipe):
        return build_voice(recipe)
    return build_reference(recipe, feature_shape(recipe.features)[-1], len(EMOTIONS))


def build_voice(recipe: VoiceRecipe) -> keras.Model:
    """Build the form in which fitted discriminants answer.

    Standardised features are cut off at +-4; each view has linear scores for pairs of channel and emotion, whose log
    probabilities ``pooling`` weights and adds. The more unlike the training clips a sound is, the flatter the answer:
    the pooled logarithms are multiplied by exp(-caution * strangeness), with strangeness the logarithm of the
    features' mean square over that of the median clip, where it is above 0. Probabilities are summed over channels.

    Parameters
    ----------
    recipe : VoiceRecipe
        Features and views.

    Returns
    -------
    keras.Model
        Input (batch, d), output (batch, emotions). Layers ``scores_0`` ..., ``pooling``, ``strangeness``, ``caution``
        hold the weights.
    """
    inputs = keras.Input(feature_shape(recipe.features))
    x = ops.clip(inputs, -VALUE_LIMIT, VALUE_LIMIT)
    columns = view_slices(recipe.features)
    scores = [layers.Dense(N_CLASSES, name=f"scores_{k}")(x[:, columns[view]]) for k, view in enumerate(recipe.views)]
    joined = ops.concatenate([ops.log_softmax(part, axis=-1) for part in scores], axis=-1)
    pooled = layers.Dense(N_CLASSES, use_bias=False, name="pooling")(joined)
    energy = ops.log(ops.mean(ops.square(x), axis=-1, keepdims=True) + keras.config.epsilon())
    strangeness = layers.Dense(1, activation="relu", name="strangeness")(energy)
    sharpness = ops.exp(layers.Dense(1, use_bias=False, name="caution")(strangeness))
    by_class = ops.softmax(pooled * sharpness, axis=-1)
    by_emotion = ops.sum(layers.Reshape((len(CHANNELS), len(EMOTIONS)))(by_class), axis=1)
    return keras.Model(inputs, by_emotion, name="voice")


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
