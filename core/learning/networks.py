"""Networks, layer by layer; they come uncompiled."""

from typing import Final

import keras
from keras import layers, ops

from core.learning.recipes.reference import ReferenceRecipe
from core.learning.recipes.voice import VoiceRecipe
from core.learning.task import Task

VALUE_LIMIT: Final = 4.0
"""Standard deviations at which a feature of the voice network is cut off."""
SCORE_SCALE: Final = 0.3
"""Factor of the discriminants' scores before their softmax: high-dimensional discriminants overrate themselves."""
ABSENT: Final = -1e4
"""Score of a class that training did not have."""


def n_kinds(recipe: VoiceRecipe) -> int:
    """Return the number of kinds of sound in which classes have centres of their own, the usual kind included."""
    return 1 + sum(use.own_centres for use in recipe.copies) + (recipe.elsewhere is not None)


def n_familiar(recipe: VoiceRecipe, width: int) -> int:
    """Return the number of familiar directions of a view of ``width`` features: at most half of them."""
    return min(recipe.n_familiar, width // 2)


def build_voice(recipe: VoiceRecipe, task: Task) -> keras.Model:
    """Build the form in which fitted discriminants answer.

    Standardised features are cut off at +-4. Each view has linear scores for pairs of channel and emotion in each kind
    of sound; kinds are summed out, ``pooling`` weights and adds the views' log probabilities, and probabilities are
    summed over channels. The less a sound is like the training's, the flatter the answer: the emotions' logarithms are
    divided by the temperature exp(slope * score). The out-of-distribution score is the logarithm of the mean square
    outside a view's ``familiar`` directions over that of the median clip, averaged over views, where it is above 0.
    Where other corpora take part, a second score says, from 0 to 1, how foreign a sound is: how far on the way to
    them, or how far outside.

    Parameters
    ----------
    recipe : VoiceRecipe
        Features, views and kinds of sound.
    task : Task
        Emotions and channels.

    Returns
    -------
    keras.Model
        Input (batch, d), output (batch, emotions). Layers ``scores_0`` ..., ``familiar_0`` ..., ``foreign_0`` ...,
        ``foreign``, ``far``, ``pooling``, ``out_of_distribution``, ``temperature_slope`` hold the weights.
    """
    inputs = keras.Input(recipe.features.shape)
    x = ops.clip(inputs, -VALUE_LIMIT, VALUE_LIMIT)
    columns, kinds, n_classes = recipe.features.views, n_kinds(recipe), task.n_classes
    log_proba, outside, foreign = [], [], []
    for k, view in enumerate(recipe.views):
        part = x[:, columns[view]]
        scores = layers.Dense(kinds * n_classes, name=f"scores_{k}")(part)
        by_kind = layers.Reshape((kinds, n_classes))(scores)
        log_proba.append(ops.log_softmax(ops.logsumexp(by_kind, axis=1), axis=-1))
        width = part.shape[-1]
        inside = layers.Dense(n_familiar(recipe, width), use_bias=False, name=f"familiar_{k}")(part)
        squares = ops.sum(ops.square(part), axis=-1, keepdims=True) - ops.sum(
            ops.square(inside), axis=-1, keepdims=True
        )
        outside.append(ops.log(ops.maximum(squares / width, keras.config.epsilon())))
        if recipe.elsewhere is not None:
            foreign.append(layers.Dense(1, name=f"foreign_{k}")(part))
    pooled = layers.Dense(n_classes, use_bias=False, name="pooling")(ops.concatenate(log_proba, axis=-1))
    all_outside = ops.concatenate(outside, axis=-1)
    score = layers.Dense(1, activation="relu", name="out_of_distribution")(all_outside)
    if foreign:
        on_the_way = layers.Dense(1, name="foreign")(ops.concatenate(foreign, axis=-1))
        share = layers.ReLU(max_value=1.0)(ops.maximum(on_the_way, layers.Dense(1, name="far")(all_outside)))
        score = ops.concatenate([score, share], axis=-1)
    sharpness = ops.exp(layers.Dense(1, use_bias=False, name="temperature_slope")(score))
    by_channel = layers.Reshape((len(task.channels), len(task.labels)))(ops.log_softmax(pooled, axis=-1))
    by_emotion = ops.softmax(ops.logsumexp(by_channel, axis=1) * sharpness, axis=-1)
    return keras.Model(inputs, by_emotion, name="voice")


def build_reference(
    recipe: ReferenceRecipe, n_features: int, n_classes: int, *, unroll: bool = False
) -> keras.Sequential:
    """Build the reference network.

    Two blocks of convolution (kernel 3, ReLU), batch normalisation, pooling by 2 and dropout; a bidirectional LSTM of
    128 units; three dense layers with L2 and dropout; softmax. 417,864 parameters on (130, 62).

    Parameters
    ----------
    recipe : ReferenceRecipe
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
