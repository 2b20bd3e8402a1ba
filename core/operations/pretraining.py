"""A pretraining from corpora of other sounds to a stored encoder; goes on where it was cut off."""

import dataclasses
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from core.audio.encoder import FOLDER, NETWORK_FILE
from core.config import artifacts_folder, configuration_hash, data_folder
from core.corpus.base import Corpus
from core.corpus.catalogue import Place
from core.corpus.index import corpus_digest, distinct_clips
from core.corpus.store import FeatureStore
from core.errors import CorpusError
from core.files import folder_aside, sha256_of_file, sync_folder
from core.operations.pipeline import FEATURES, read_index
from core.operations.spec import RUNS
from core.work.progress import Progress, Report, ignore, inside

if TYPE_CHECKING:
    from core.learning.encoders import EncoderRecipe

logger = logging.getLogger(__name__)

MIN_FRAMES: Final = 12
"""Frames that a sound must have to be taught: 0.14 s."""
STEPS: Final = {"reading": (0.0, 0.1), "epochs": (0.1, 1.0)}
"""Where each step begins and ends, as shares of the whole."""
INDEX_SHARE: Final = 0.5
"""Share of the reading that finds the clips; the rest computes what is stored of them."""


def pretrain(recipe: "EncoderRecipe", places: Sequence[Place], *, n_jobs: int = 2, report: Report = ignore) -> Path:
    """Teach an encoder on corpora, and store it.

    Parameters
    ----------
    recipe : EncoderRecipe
        How it is taught.
    places : sequence of Place
        The corpora: the kinds of the clips of each are what it learns to tell apart.
    n_jobs : int
        Processes that read and extract.
    report : callable
        Called with how far it is.

    Returns
    -------
    path
        Folder of the encoder, whose name is that of the encoder.

    Raises
    ------
    SoundWebError
        If a corpus is named twice, or holds nothing to learn from.
    """
    import keras

    from core.learning.encoders import count_frames, teach

    names = [place.corpus.name for place in places]
    if len(set(names)) != len(names):
        raise CorpusError(f"Name each corpus once, not {', '.join(names)}.")
    store = FeatureStore(data_folder() / FEATURES, recipe.features)
    clips = []
    for k, place in enumerate(places):
        part = inside(inside(report, *STEPS["reading"]), k / len(places), (k + 1) / len(places))
        clips.append(distinct_clips(read_index(place, n_jobs=n_jobs, report=inside(part, 0, INDEX_SHARE))))
        store.update(clips[-1], place.root, n_jobs=n_jobs, report=inside(part, INDEX_SHARE, 1))
    index = pd.concat(clips, ignore_index=True)
    levels = store.read(index["digest"].tolist()).astype(np.float16)
    is_long = count_frames(levels) >= MIN_FRAMES
    levels, index = levels[is_long], index[is_long].reset_index(drop=True)
    if index.empty:
        raise CorpusError(f"There is no sound to learn from in {', '.join(names)}.")
    kinds = np.unique(index["corpus"] + "/" + index["emotion"], return_inverse=True)[1]
    people = index["corpus"] + "/" + index["speaker"]
    is_held_out = people.isin(np.unique(people)[recipe.held_out // 2 :: recipe.held_out]).to_numpy()

    class Reporter(keras.callbacks.Callback):  # type: ignore[misc]
        """Reports the steps that are done."""

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
            done = self.epoch + (batch + 1) / self.params["steps"]
            inside(report, *STEPS["epochs"])(Progress(done, recipe.epochs, "epochs", "Teaching the encoder"))

    digests = "+".join(corpus_digest(index[index["corpus"] == name]) for name in names)
    run = data_folder() / RUNS / f"{recipe.name}-{configuration_hash(recipe, digests)[:8]}"
    encoder = teach(recipe, levels, kinds, is_held_out, run, (Reporter(),))
    return _publish(encoder, recipe, places, index[~is_held_out], run)


def _publish(encoder: Any, recipe: "EncoderRecipe", places: Sequence[Place], taught: pd.DataFrame, run: Path) -> Path:
    """Store an encoder with its history and card, named by its digest."""
    from core.learning.conversion import write_encoder
    from core.learning.encoders import map_widths
    from core.learning.reports.encoders import encoder_card

    root = artifacts_folder() / FOLDER
    with folder_aside(root / recipe.name) as aside:
        write_encoder(encoder, aside / NETWORK_FILE)
        digest = sha256_of_file(aside / NETWORK_FILE)
        manifest = {
            "name": f"{recipe.name}-{digest[:8]}",
            "recipe": dataclasses.asdict(recipe),
            "widths": list(map_widths(recipe)),
            "corpora": [_describe(place.corpus, taught[taught["corpus"] == place.corpus.name]) for place in places],
            "sha256": digest,
        }
        (aside / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        shutil.copy(run / "history.csv", aside / "history.csv")
        (aside / "card.md").write_text(encoder_card(manifest, pd.read_csv(run / "history.csv")), encoding="utf-8")
        sync_folder(aside)
        target = root / f"{recipe.name}-{digest[:8]}"
        if not target.exists():
            aside.rename(target)
    logger.info("Stored the encoder %s", target.name)
    return target


def _describe(corpus: Corpus, clips: pd.DataFrame) -> dict[str, Any]:
    """Return what a manifest says of a corpus that an encoder was taught on."""
    return {
        "name": corpus.name,
        "title": corpus.title,
        "licence": corpus.licence,
        "kinds": sorted(clips["emotion"].unique()),
        "digest": corpus_digest(clips),
        "n_clips": len(clips),
        "n_speakers": int(clips["speaker"].nunique()),
    }
