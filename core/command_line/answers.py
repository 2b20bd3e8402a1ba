"""Answers for sound files, as ``testscript.py`` and the command ``predict`` print them."""

from collections.abc import Sequence

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
        answer: Prediction | AudioError
        try:
            answer = predictor.predict_file(file, part=part)
        except AudioError as error:
            answer = AudioError(f"{file}: {error}")
            failures.append(answer)
        if as_json:
            print(prediction_json(file, answer))
        elif not isinstance(answer, AudioError):
            print(prediction_text(file, answer))
    if failures:
        raise SoundWebError("\nerror: ".join(map(str, failures)))
