"""Speech and song emotion recognition: sound, corpora, models and jobs, without any user interface.

Imports run downwards only: vocabulary (``errors``, ``labels``, ``config``) <- ``work`` <- ``audio`` <- ``corpus`` <-
``learning`` <- ``serving`` <- ``operations`` <- ``api``. ``plots`` turns results into figures.

Conventions: waveforms are float32 arrays ``y`` of shape (n,) at ``sr`` Hz; feature matrices are (frames, features);
probabilities stand in the order of the model's labels, which is alphabetical.
"""

import os

from core.compiled import place_kernels

# Before anything imports ONNX Runtime, which else looks up its maker's host ten seconds after a model was loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# TensorFlow greets with a dozen lines on processors and graphics cards that nobody asked for.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
place_kernels()

__version__ = "0.2.0"
