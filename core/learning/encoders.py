"""Encoders: networks that are taught on other sounds, then frozen, and describe voices to discriminants.

A residual network of convolutions reads a mel spectrogram and learns to tell the kinds of a large corpus of short
sounds apart. What it is stored for are the maps that its two stages add up to, before they are rectified: mean and
deviation over time of each channel in each band. Rectified maps tell less, and the first stage tells what the second
one no longer does.

No layer normalises activations: convolutions have standardised weights instead, which costs nothing per sound, trains
as well, and runs in 16 bits. Where the processor multiplies matrices of bfloat16, training uses that, twice as fast.

References
----------
Brock A, De S, Smith SL (2021). Characterizing signal propagation to close the performance gap in unnormalized ResNets.
ICLR, arXiv:2101.08692.
Zhang H et al. (2018). mixup: beyond empirical risk minimization. ICLR, arXiv:1710.09412.
"""

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from core.audio.descriptors import N_MEL_FINE, mel_floor
from core.audio.encoder import STRIDE
from core.audio.features.mel import SILENCE, MelFeatures
from core.audio.kernels import scale_level
from core.audio.mel_augmentation import MelAugmentation, Shares, from_db, warp
from core.config import VoiceConfig
from core.learning.backups import Backup, EpochSeeds, sound_backup_folder
from core.learning.runs import clean_history

RELU_SCALE: Final = 1.7139
"""Keeps the variance of a standard normal input, with which weights of unit norm keep it layer by layer."""
RESIDUAL_SCALE: Final = 0.2
"""Scale of what a block adds, at the start."""
ENCODER_HISTORY: Final = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss")
N_HIDDEN: Final = 256


@dataclasses.dataclass(frozen=True)
class EncoderRecipe:
    """How an encoder is taught."""

    name: str = "bursts"
    """First part of its encoders' names."""
    features: MelFeatures = dataclasses.field(default_factory=MelFeatures)
    """What is stored of the sounds."""
    widths: tuple[int, int, int] = (32, 64, 128)
    """Channels of the stem and of the two stages."""
    blocks: tuple[int, int] = (1, 1)
    """Residual blocks of the two stages."""
    n_frames: int = 128
    """Frames that it is taught on at once: 1.5 s."""
    epochs: int = 14
    batch_size: int = 128
    learning_rate: float = 2e-3
    """Highest one: reached after a tenth of the steps, then falling by a cosine."""
    weight_decay: float = 0.02
    augmentation: Shares = dataclasses.field(default_factory=Shares)
    """How often each augmentation alters a sound."""
    speed: float = 0.09
    """Standard deviation of the logarithm of the speed."""
    stretch: float = 0.02
    """Standard deviation of the logarithm by which frequencies are stretched."""
    shift: float = 0.5
    """Standard deviation of the bands that frequencies are shifted by."""
    mixup: float = 0.3
    """Parameter of the beta distribution by which two sounds are mixed."""
    dropout: float = 0.3
    held_out: int = 12
    """Every so manyth speaker is held out to see how well it does."""
    seed: int = 0


@keras.saving.register_keras_serializable("core")
class StandardisedConv(layers.Conv2D):
    """Convolution whose kernels have mean 0 and norm 1, times a gain of their own."""

    def __init__(self, *args: Any, gain: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial_gain = gain

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make kernel, bias and gain."""
        super().build(input_shape)
        self.gain = self.add_weight(
            shape=(self.filters,), initializer=keras.initializers.Constant(self.initial_gain), name="gain"
        )

    def save_own_variables(self, store: Any) -> None:
        """Store all three; convolutions of Keras name their own two alone."""
        for name, variable in zip("012", (self.kernel, self.bias, self.gain), strict=True):
            store[name] = variable

    def load_own_variables(self, store: Any) -> None:
        """Take up what ``save_own_variables`` stored."""
        for name, variable in zip("012", (self.kernel, self.bias, self.gain), strict=True):
            variable.assign(store[name])

    def standardised_kernel(self) -> Any:
        """Return the kernel as it is used, in float32."""
        kernel = ops.cast(self.kernel, "float32")
        centred = kernel - ops.mean(kernel, (0, 1, 2), keepdims=True)
        norm = ops.maximum(ops.sum(ops.square(centred), (0, 1, 2), keepdims=True), 1e-4)
        return centred * ops.rsqrt(norm) * ops.cast(self.gain, "float32")

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:  # noqa: ARG002 - the one of ``standardised_kernel``
        """Convolve with the standardised kernel."""
        return super().convolution_op(inputs, ops.cast(self.standardised_kernel(), inputs.dtype))


def build_encoder(recipe: EncoderRecipe, *, is_training: bool = False) -> keras.Model:
    """Build an encoder, untrained.

    Parameters
    ----------
    recipe : EncoderRecipe
        Channels and blocks.
    is_training : bool
        With the layers in which it is taught; without them plain convolutions, to which ``bake`` carries the weights.

    Returns
    -------
    keras.Model
        Input (batch, t, bands, 1), levels as ``normalise`` makes them; output (batch, d), the summaries of the first
        and of the second stage, see ``stage_widths``. In training, a second output: the summary of the last rectified
        map, which kinds are told by.
    """
    dtype = keras.DTypePolicy("mixed_bfloat16" if is_training and has_bfloat16() else "float32")
    numbers = itertools.count()

    def convolve(x: Any, width: int, size: int = 3, strides: int = 1, gain: float = 1.0) -> Any:
        name = f"conv_{next(numbers)}"
        if not is_training:
            return layers.Conv2D(width, size, strides, "same", name=name)(x)
        return StandardisedConv(width, size, strides, "same", gain=gain, name=name, dtype=dtype)(x)

    def activate(x: Any, variance: float = 1.0) -> Any:
        return layers.Rescaling(RELU_SCALE / math.sqrt(variance), dtype=dtype)(layers.ReLU(dtype=dtype)(x))

    inputs = keras.Input((None, N_MEL_FINE, 1))
    x, summaries = activate(convolve(inputs, recipe.widths[0], 5, 2)), []
    for width, n_blocks in zip(recipe.widths[1:], recipe.blocks, strict=True):
        x = convolve(x, width, 3, 2)
        variance = 1.0
        for _ in range(n_blocks):
            inside = activate(convolve(activate(x, variance), width))
            x = layers.Add(dtype=dtype)([x, convolve(inside, width, gain=RESIDUAL_SCALE)])
            variance += RESIDUAL_SCALE**2
        summaries.append(_summarise(x))
        x = activate(x, variance)
    description = ops.concatenate(summaries, axis=-1)
    return keras.Model(inputs, [description, _summarise(x)] if is_training else description, name="encoder")


def _summarise(x: Any) -> Any:
    """Return mean and deviation over time of a map of (batch, t, bands, channels), shape (batch, 2 * cells)."""
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]), dtype="float32")(ops.cast(x, "float32"))
    return ops.concatenate([ops.mean(x, axis=1), ops.sqrt(ops.var(x, axis=1) + 1e-4)], axis=-1)


def stage_widths(recipe: EncoderRecipe) -> tuple[int, int]:
    """Return the numbers by which each stage describes a sound: twice its channels times its bands."""
    first, second = recipe.widths[1:]
    return 2 * first * N_MEL_FINE // (STRIDE // 2), 2 * second * N_MEL_FINE // STRIDE


def bake(trained: keras.Model, recipe: EncoderRecipe) -> keras.Model:
    """Return an encoder of plain convolutions that computes what a trained one does."""
    plain = build_encoder(recipe)
    for layer in plain.layers:
        if isinstance(layer, layers.Conv2D):
            taught = trained.get_layer(layer.name)
            layer.set_weights([np.asarray(taught.standardised_kernel()), np.asarray(taught.bias)])
    return plain


def normalise(S: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return what an encoder reads: levels of power on the floor of the voice features, about from -3 to 3."""
    return scale_level(10 * np.log10(S + mel_floor(VoiceConfig()).astype(np.float32)))


def has_bfloat16() -> bool:
    """Tell whether this processor multiplies matrices of bfloat16."""
    cpu = Path("/proc/cpuinfo")
    return cpu.is_file() and "amx_bf16" in cpu.read_text()


class Sounds(keras.utils.PyDataset):
    """Augmented spectrograms in batches, which follow from seed and epoch.

    Parameters
    ----------
    levels : np.ndarray [shape=(n, frames, bands)]
        As ``MelFeatures`` gives them.
    y_onehot : np.ndarray [shape=(n, kinds), dtype=float32]
        What they are.
    recipe : EncoderRecipe
        How they are cut and mixed.
    """

    def __init__(self, levels: NDArray[np.floating], y_onehot: NDArray[np.float32], recipe: EncoderRecipe) -> None:
        super().__init__()
        self.levels, self.y_onehot, self.recipe = levels, y_onehot, recipe
        self.augment = MelAugmentation(VoiceConfig(), recipe.augmentation)
        self.durations = count_frames(levels)
        self.shuffle(0)

    def __len__(self) -> int:
        return len(self.levels) // self.recipe.batch_size

    def shuffle(self, epoch: int) -> None:
        """Draw the order of an epoch."""
        self.epoch = epoch
        self.order = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(self.levels))

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        recipe, size = self.recipe, self.recipe.batch_size
        rng = np.random.default_rng([recipe.seed, self.epoch, index])
        rows = self.order[index * size : (index + 1) * size]
        n = round(recipe.n_frames * math.exp(rng.normal(0, recipe.speed)))
        S_db = cut_out(self.levels[rows], self.durations[rows], n, rng)
        S_db = warp(S_db, recipe.n_frames, rng, stretch=recipe.stretch, shift=recipe.shift)
        X = normalise(self.augment(from_db(S_db), rng))
        width = int(rng.integers(0, 9))
        low = int(rng.integers(0, X.shape[2] - width))
        X[:, :, low : low + width] = X.mean()
        share, other = np.float32(rng.beta(recipe.mixup, recipe.mixup)), rng.permutation(len(rows))
        y = self.y_onehot[rows]
        return (share * X + (1 - share) * X[other])[..., None], share * y + (1 - share) * y[other]


def count_frames(levels: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the frames of each sound before the silence that fills it up, shape (n,)."""
    is_heard = np.any(levels > SILENCE, axis=2)
    return np.asarray((is_heard.shape[1] - is_heard[:, ::-1].argmax(axis=1)) * is_heard.any(axis=1))


def cut_out(
    levels: NDArray[np.floating], durations: NDArray[np.intp], n: int, rng: np.random.Generator | None = None
) -> NDArray[np.float32]:
    """Return ``n`` frames of each sound, from a place that is drawn; the middle without a generator."""
    out = np.full((len(levels), n, levels.shape[2]), SILENCE, dtype=np.float32)
    for row, (sound, duration) in enumerate(zip(levels, durations.tolist(), strict=True)):
        room = abs(duration - n)
        start = int(rng.integers(0, room + 1)) if rng is not None else room // 2
        if duration > n:
            out[row] = sound[start : start + n]
        else:
            out[row, start : start + duration] = sound[:duration]
    return out


def teach(
    recipe: EncoderRecipe,
    levels: NDArray[np.floating],
    kinds: NDArray[np.intp],
    is_held_out: NDArray[np.bool_],
    folder: Path,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
) -> keras.Model:
    """Teach an encoder to tell kinds of sounds apart, or go on where that was cut off.

    Parameters
    ----------
    recipe : EncoderRecipe
        How.
    levels : np.ndarray [shape=(n, frames, bands)]
        As ``MelFeatures`` gives them.
    kinds : np.ndarray [shape=(n,), dtype=int]
        What each sound is, from 0.
    is_held_out : np.ndarray [shape=(n,), dtype=bool]
        Sounds that it is not taught on: after each epoch it is seen how many it gets right.
    folder : path
        Where history and backup lie.
    callbacks : tuple of keras.callbacks.Callback
        Called besides.

    Returns
    -------
    keras.Model
        The encoder, of plain convolutions.
    """
    keras.utils.set_random_seed(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    y_onehot = keras.utils.to_categorical(kinds).astype(np.float32)
    sounds = Sounds(levels[~is_held_out], y_onehot[~is_held_out], recipe)
    clean_history(folder / "history.csv", ENCODER_HISTORY)
    encoder = build_encoder(recipe, is_training=True)
    hidden = layers.Dense(N_HIDDEN, "relu")(layers.Dropout(recipe.dropout)(encoder.outputs[1]))
    logits = layers.Dense(y_onehot.shape[1])(layers.Dropout(recipe.dropout)(hidden))
    network = keras.Model(encoder.input, logits)
    network.compile(
        keras.optimizers.AdamW(_schedule(recipe, len(sounds)), weight_decay=recipe.weight_decay, clipnorm=1.0),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    network.fit(
        sounds,
        validation_data=_held_out(levels[is_held_out], recipe, y_onehot[is_held_out]),
        validation_batch_size=256,
        epochs=recipe.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[
            EpochSeeds(sounds),
            keras.callbacks.CSVLogger(folder / "history.csv", append=True),
            Backup(sound_backup_folder(folder), len(sounds), interval=1),
            *callbacks,
        ],
    )
    return bake(network, recipe)


def _held_out(
    levels: NDArray[np.floating], recipe: EncoderRecipe, y_onehot: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    S_db = cut_out(levels, count_frames(levels), recipe.n_frames)
    return normalise(from_db(S_db))[..., None], y_onehot


def _schedule(recipe: EncoderRecipe, n_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate of each step: a linear rise over a tenth of them, then a cosine."""
    total = recipe.epochs * n_steps
    rise = total // 10
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20, total - rise, warmup_target=recipe.learning_rate, warmup_steps=rise, alpha=0.005
    )
