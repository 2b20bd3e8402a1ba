"""Answers for sound files, as ``testscript.py`` and the command ``predict`` print them or write them to a table."""

from collections.abc import Sequence
from pathlib import Path

from core.command_line.bars import shown_progress
from core.command_line.endings import one_line
from core.errors import AudioError, SoundWebError


def print_answers(files: Sequence[str], *, model: str | None = None, as_json: bool = False, part: str = "") -> None:
    """Print the answer for each file; those that cannot be read are told at the end.

    Parameters
    ----------
    files : sequence of str
        Sound files.
    model : str, optional
        Name of the model; the one in use by default.
    as_json : bool
        Whether to print a JSON object a file, the unreadable ones included.
    part : str
        Which channel or track, where a file holds several voices.

    Raises
    ------
    SoundWebError
        If the model cannot be used, or a file not be read.
    """
    from core.serving.exports import prediction_json, prediction_text
    from core.serving.prediction import Prediction
    from core.serving.predictor import Predictor

    predictor = Predictor.load(model)
    failures: list[SoundWebError] = []
    for file in files:
        shown = one_line(file)
        answer: Prediction | AudioError
        try:
            answer = predictor.predict_file(file, part=part)
        except AudioError as error:
            answer = error
            failures.append(AudioError(f"{shown}: {error}"))
        if as_json:
            print(prediction_json(file, answer))
        elif not isinstance(answer, AudioError):
            print(prediction_text(shown, answer))
    if failures:
        raise SoundWebError("\nerror: ".join(map(str, failures)))


def write_answers(folder: Path, output: Path, *, model: str | None = None, part: str = "", n_jobs: int = 2) -> None:
    """Answer for all sounds below a folder, write a table and say how many there are.

    Parameters
    ----------
    folder : path
        Where the sounds are.
    output : path
        File to write; see ``core.serving.batch.answer_folder``.
    model : str, optional
        Name of the model; the one in use by default.
    part : str
        Which channel or track, where a file holds several voices.
    n_jobs : int
        Processes that answer.

    Raises
    ------
    SoundWebError
        If the model cannot be used, no sound is there, or the output cannot be written.
    """
    from core.serving.batch import answer_folder

    with shown_progress() as report:
        batch = answer_folder(folder, output, model=model, part=part, n_jobs=n_jobs, report=report)
    if batch is None:
        print(f"{output} is finished already. Remove it, or choose another output, to answer again.")
        return
    failures = f", {batch.n_failures:,} of them without an answer" if batch.n_failures else ""
    print(f"{output}: {batch.n_files:,} files{failures}")
