"""Speech and song emotion recognition: sound, corpora, models and jobs, without any user interface.

Imports run downwards only: vocabulary (``errors``, ``labels``, ``config``) <- ``audio`` <- ``corpus`` <- ``learning``
<- ``serving`` <- ``operations``. ``plots`` turns results into figures.

Conventions: waveforms are float32 arrays ``y`` of shape (n,) at ``sr`` Hz; feature matrices are (frames, features);
probabilities stand in the order of ``core.labels.EMOTIONS``.
"""

__version__ = "0.1.0"
