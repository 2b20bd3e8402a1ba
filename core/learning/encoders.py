"""Encoders: networks that are taught on other sounds, then frozen, and describe voices to discriminants.

A few convolutions read a mel spectrogram and learn to tell the kinds of a large corpus of short sounds apart. What they
are stored for are their maps: mean and deviation over time of each channel in each band. The early ones tell what the
late ones no longer do.

Batch normalisation is folded into the convolutions when an encoder is stored. Where the processor multiplies numbers of
16 bits (bfloat16), training uses that, twice as fast.

References
----------
Ioffe S, Szegedy C (2015). Batch normalization: accelerating deep network training by reducing internal covariate shift.
ICML, arXiv:1502.03167.
Zhang H et al. (2018). mixup: beyond empirical risk minimization. ICLR, arXiv:1710.09412.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from core.audio.descriptors import N_MEL_FINE, mel_floor
from core.audio.features.mel import SILENCE, MelFeatures
from core.audio.kernels import scale_level
from core.audio.mel_augmentation import MelAugmentation, Shares, from_db, warp
from core.config import VoiceConfig
from core.learning.backups import Backup, EpochSeeds, sound_backup_folder
from core.learning.runs import clean_history

ENCODER_HISTORY: Final = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss")
N_HIDDEN: Final = 256
POOLED: Final = (1, 2)
"""Convolutions behind which frames and bands are halved."""


@dataclasses.dataclass(frozen=True)
class EncoderRecipe:
    """How an encoder is taught."""

    name: str = "bursts"
    """First part of its encoders' names."""
    features: MelFeatures = dataclasses.field(default_factory=MelFeatures)
    """What is stored of the sounds."""
    widths: tuple[int, int, int, int] = (32, 64, 128, 128)
    """Channels of the convolutions; the first halves frames and bands, and so does a maximum behind the next two."""
    n_frames: int = 128
    """Frames that it is taught on at once: 1.5 s."""
    epochs: int = 12
    batch_size: int = 128
    learning_rate: float = 3e-3
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


def build_encoder(recipe: EncoderRecipe, *, is_training: bool = False) -> keras.Model:
    """Build an encoder, untrained.

    Parameters
    ----------
    recipe : EncoderRecipe
        Channels.
    is_training : bool
        With the normalisation in which it is taught; without it plain convolutions, to which ``bake`` carries the
        weights.

    Returns
    -------
    keras.Model
        Input (batch, t, bands, 1), levels as ``normalise`` makes them; output (batch, d), the summaries of the maps,
        the early ones first, see ``map_widths``; in training that of the last map alone, which kinds are told by.
    """
    dtype = keras.DTypePolicy("mixed_bfloat16" if is_training and has_bfloat16() else "float32")
    x = inputs = keras.Input((None, N_MEL_FINE, 1))
    summaries = []
    for k, width in enumerate(recipe.widths):
        strides = 2 if k == 0 else 1
        x = layers.Conv2D(width, 3, strides, "same", use_bias=not is_training, name=f"conv_{k}", dtype=dtype)(x)
        if is_training:
            x = layers.BatchNormalization(name=f"norm_{k}", dtype=dtype)(x)
        x = layers.ReLU(dtype=dtype)(x)
        if k in POOLED:
            x = layers.MaxPooling2D(2, dtype=dtype)(x)
        summaries.append(_summarise(x))
    return keras.Model(inputs, summaries[-1] if is_training else ops.concatenate(summaries, axis=-1), name="encoder")


def _summarise(x: Any) -> Any:
    """Return mean and deviation over time of a map of (batch, t, bands, channels), shape (batch, 2 * cells)."""
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]), dtype="float32")(ops.cast(x, "float32"))
    return ops.concatenate([ops.mean(x, axis=1), ops.sqrt(ops.var(x, axis=1) + 1e-4)], axis=-1)


def map_widths(recipe: EncoderRecipe) -> tuple[int, ...]:
    """Return the numbers by which each map describes a sound: twice channels times bands."""
    n_bands, widths = N_MEL_FINE // 2, []
    for k, width in enumerate(recipe.widths):
        n_bands //= 2 if k in POOLED else 1
        widths.append(2 * width * n_bands)
    return tuple(widths)


def bake(trained: keras.Model, recipe: EncoderRecipe) -> keras.Model:
    """Return an encoder of plain convolutions, all of whose maps are those of a trained one."""
    plain = build_encoder(recipe)
    for k in range(len(recipe.widths)):
        kernel = np.asarray(trained.get_layer(f"conv_{k}").kernel)
        norm = trained.get_layer(f"norm_{k}")
        scale = np.asarray(norm.gamma) / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
        bias = np.asarray(norm.beta) - np.asarray(norm.moving_mean) * scale
        plain.get_layer(f"conv_{k}").set_weights([kernel * scale, bias])
    return plain


def normalise(S: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return what an encoder reads: levels of power on the floor of the voice features, about from -3 to 3."""
    return scale_level(10 * np.log10(S + mel_floor(VoiceConfig()).astype(np.float32)))


def has_bfloat16() -> bool:
    """Tell whether this processor multiplies matrices of bfloat16."""
    cpu = Path("/proc/cpuinfo")
    return cpu.is_file() and any(unit in cpu.read_text() for unit in ("amx_bf16", "avx512_bf16"))


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
    hidden = layers.Dense(N_HIDDEN, "relu")(layers.Dropout(recipe.dropout)(encoder.output))
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
