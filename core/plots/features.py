"""Figures of what a sound is made of: panels over one time axis, so that zooming in one moves all."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from core.audio.analysis import CONTRAST_EDGES, Analysis
from core.audio.features import FEATURE_GROUPS, PITCH_CLASSES
from core.plots.sound import wave_traces
from core.plots.style import CONTRAST_COLOR, SPECTRUM_SCALE, WAVE_COLOR, frame

MAX_COLUMNS: Final = 700
"""Columns of a picture: more than a screen shows would only be sent."""
SHOWN_FREQUENCIES: Final = (60.0, 10_000.0)
"""Ends of the spectrogram's logarithmic axis, in Hz: pitch is as well seen as hiss."""
N_FREQUENCIES: Final = 240
"""Rows of the spectrogram."""
SHOWN_LEVELS: Final = 70.0
"""Levels that a spectrogram shows below the loudest, in dB."""
CEPSTRAL: Final = ("MFCC", "Delta MFCC", "Delta-delta MFCC")
PITCH_LINE: Final = "#FFFFFF"
"""F0 over the spectrogram; its dark edge keeps it readable on bright parts."""
FORMANT_DOTS: Final = "#FF6B5E"
"""Formants over the spectrogram, red as phoneticians know them."""
FORMANT_COLORS: Final = (WAVE_COLOR, CONTRAST_COLOR, "#2F9E8F")
"""F1, F2 and F3 in a chart of their own; they never cross."""
HIGHEST_FORMANT: Final = 4_500.0
"""End of the axis of formants, in Hz."""

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """One chart of several over the same time axis."""

    title: str
    traces: list[Any]
    axis: dict[str, Any]
    """Layout of the vertical axis."""
    height: int
    """In pixels."""


def common_ranges(analyses: Sequence[Analysis]) -> dict[str, Range]:
    """Return the range of each descriptor over several sounds, and of the waveform: one scale for all.

    Parameters
    ----------
    analyses : sequence of Analysis
        The sounds that are compared.

    Returns
    -------
    dict of str to tuple of float
        Names as in ``core.audio.features.FEATURE_GROUPS``, ``Waveform``,
        ``Spectrogram`` (dB), ``F0`` (Hz), ``Intensity`` (dBFS), ``Harmonicity`` (dB) and ``time``
        (from 0, in seconds).
    """
    ranges = {}
    for name in FEATURE_GROUPS:
        values = [analysis.group(name) for analysis in analyses]
        if name in CEPSTRAL:
            # The first coefficient, the level, is many times as large as the others.
            reach = max(float(np.percentile(np.abs(v[1:]), 99.5)) for v in values)
            ranges[name] = (-reach, reach)
        else:
            ranges[name] = (min(float(v.min()) for v in values), max(float(v.max()) for v in values))
    peak = max(1e-4, *(float(np.abs(analysis.y).max()) for analysis in analyses))
    loudest = max(float(analysis.spectrogram.max()) for analysis in analyses)
    ranges["Spectrogram"] = (loudest - SHOWN_LEVELS, loudest)
    pitches = np.concatenate([analysis.voice.f0[np.isfinite(analysis.voice.f0)] for analysis in analyses])
    ranges["F0"] = (0.9 * float(pitches.min()), 1.1 * float(pitches.max())) if len(pitches) else (75.0, 300.0)
    levels = np.concatenate([analysis.voice.intensity for analysis in analyses])
    ranges["Intensity"] = (max(float(levels.min()), float(levels.max()) - SHOWN_LEVELS) - 2, float(levels.max()) + 2)
    harmonicities = np.concatenate([analysis.voice.harmonicity for analysis in analyses])
    harmonicities = harmonicities[np.isfinite(harmonicities)]
    ranges["Harmonicity"] = (
        (float(harmonicities.min()) - 2, float(harmonicities.max()) + 2) if len(harmonicities) else (0.0, 30.0)
    )
    return ranges | {"Waveform": (-peak, peak), "time": (0.0, max(analysis.duration for analysis in analyses))}


def voice(analysis: Analysis, ranges: Mapping[str, Range]) -> go.Figure:
    """Draw waveform, fundamental frequency, intensity, harmonics over noise and formants as curves of their own.

    Parameters
    ----------
    analysis : Analysis
        The sound.
    ranges : mapping
        As from ``common_ranges``.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    measured = analysis.voice
    formants = [
        _curve(analysis, measured.formants[:, k], f"F{k + 1}", "Hz", color, mode="markers")
        for k, color in enumerate(FORMANT_COLORS)
    ]
    for k, (trace, color) in enumerate(zip(formants, FORMANT_COLORS, strict=True)):
        if np.isfinite(trace.y).any():
            # The name stands beside the last dot: colour is not the only sign.
            last = int(np.flatnonzero(np.isfinite(trace.y))[-1])
            text = np.full(len(trace.y), "", dtype=object)
            text[last] = f" F{k + 1}"
            trace.update(mode="markers+text", text=text, textposition="middle right", textfont={"color": color})
    panels = [
        _waveform(analysis, ranges),
        Panel(
            "F0: the pitch, where the voice sounds",
            [_curve(analysis, measured.f0, "F0", "Hz", WAVE_COLOR, mode="lines+markers")],
            {"title": "Hz", "range": list(ranges["F0"]), "nticks": 5},
            170,
        ),
        Panel(
            "Intensity",
            [_curve(analysis, measured.intensity, "intensity", "dBFS", CONTRAST_COLOR, mode="lines")],
            {"title": "dBFS", "range": list(ranges["Intensity"]), "nticks": 4},
            120,
        ),
        Panel(
            "Harmonics over noise, where the voice sounds",
            [_curve(analysis, measured.harmonicity, "HNR", "dB", WAVE_COLOR, mode="lines+markers")],
            {"title": "dB", "range": list(ranges["Harmonicity"]), "nticks": 4},
            120,
        ),
        Panel("Formants F1 to F3", formants, {"title": "Hz", "range": [0, HIGHEST_FORMANT], "dtick": 1000}, 220),
    ]
    return _stack(panels, analysis, ranges)


def spectrum(analysis: Analysis, ranges: Mapping[str, Range]) -> go.Figure:
    """Draw waveform and spectrogram, pitch and formants over it; parameters and result as for ``voice``."""
    shown = np.geomspace(*SHOWN_FREQUENCIES, N_FREQUENCIES)
    rows = analysis.spectrogram[np.abs(analysis.frequencies - shown[:, None]).argmin(axis=1)]
    picture = _picture(analysis.times, rows, y=shown, unit="dB")
    low, high = ranges["Spectrogram"]
    picture.update(zmin=low, zmax=high, hovertemplate="%{x:.2f} s, %{y:.0f} Hz: %{z:.0f} dB<extra></extra>")
    shadow = _curve(analysis, analysis.voice.f0, "F0", "Hz", "#000000", mode="lines")
    shadow.update(line={"width": 5}, hoverinfo="skip", hovertemplate=None)
    f0 = _curve(analysis, analysis.voice.f0, "F0", "Hz", PITCH_LINE, mode="lines")
    formants = [
        _curve(analysis, analysis.voice.formants[:, k], f"F{k + 1}", "Hz", FORMANT_DOTS, mode="markers")
        for k in range(analysis.voice.formants.shape[1])
    ]
    ticks = [100, 200, 500, 1_000, 2_000, 5_000]
    axis = {"title": "frequency (Hz)", "type": "log", "tickvals": ticks, "range": np.log10(SHOWN_FREQUENCIES).tolist()}
    title = "Spectrogram with F0 (white line) and formants (red dots)"
    panels = [_waveform(analysis, ranges), Panel(title, [picture, *formants, shadow, f0], axis, 420)]
    return _stack(panels, analysis, ranges)


def cepstrum(analysis: Analysis, ranges: Mapping[str, Range]) -> go.Figure:
    """Draw MFCC, delta and delta-delta; parameters and result as for ``voice``."""
    panels = [_waveform(analysis, ranges)]
    for name in CEPSTRAL:
        values = analysis.group(name)
        picture = _picture(analysis.times, values, y=np.arange(1, len(values) + 1), unit="")
        low, high = ranges[name]
        picture.update(zmin=low, zmax=high, hovertemplate="%{x:.2f} s, coefficient %{y}: %{z:.1f}<extra></extra>")
        panels.append(Panel(name, [picture], {"title": "coefficient", "dtick": 4, "tick0": 1}, 190))
    return _stack(panels, analysis, ranges)


def harmony(analysis: Analysis, ranges: Mapping[str, Range]) -> go.Figure:
    """Draw chroma by note and spectral contrast by band; parameters and result as for ``voice``."""
    chroma = _picture(analysis.times, analysis.group("Chroma"), y=list(PITCH_CLASSES), unit="")
    chroma.update(zmin=0, zmax=1, hovertemplate="%{x:.2f} s, %{y}: %{z:.2f}<extra></extra>")
    bands = [f"{low:,}-{high:,}" for low, high in itertools.pairwise(CONTRAST_EDGES)]
    contrast = _picture(analysis.times, analysis.group("Spectral contrast"), y=bands, unit="dB")
    low, high = ranges["Spectral contrast"]
    contrast.update(zmin=low, zmax=high, hovertemplate="%{x:.2f} s, %{y} Hz: %{z:.0f} dB<extra></extra>")
    panels = [
        _waveform(analysis, ranges),
        Panel("Chroma: share of each note, the strongest is 1", [chroma], {"title": "note", "type": "category"}, 260),
        Panel("Spectral contrast: peaks over valleys", [contrast], {"title": "band (Hz)", "type": "category"}, 240),
    ]
    return _stack(panels, analysis, ranges)


def loudness(analysis: Analysis, ranges: Mapping[str, Range]) -> go.Figure:
    """Draw RMS, zero-crossing rate and spectral bandwidth; parameters and result as for ``voice``."""
    panels = [
        _waveform(analysis, ranges),
        _line_panel(analysis, ranges, "RMS", "RMS: how loud", "amplitude"),
        _line_panel(analysis, ranges, "Zero-crossing rate", "Zero-crossing rate: how hissing", "share of samples"),
        _line_panel(analysis, ranges, "Spectral bandwidth", "Spectral bandwidth: how wide", "Hz"),
    ]
    return _stack(panels, analysis, ranges)


def _waveform(analysis: Analysis, ranges: Mapping[str, Range]) -> Panel:
    traces = wave_traces(analysis.y, analysis.sr, analysis.start)
    bottom, top = ranges["Waveform"]
    return Panel("Waveform", traces, {"title": "amplitude", "range": [1.05 * bottom, 1.05 * top], "nticks": 3}, 110)


def _line_panel(analysis: Analysis, ranges: Mapping[str, Range], name: str, title: str, unit: str) -> Panel:
    values = analysis.group(name)[0]
    trace = go.Scatter(
        x=analysis.times,
        y=values,
        mode="lines",
        line={"color": CONTRAST_COLOR, "width": 2},
        showlegend=False,
        hovertemplate=f"%{{x:.2f}} s: %{{y:.4g}} {unit}<extra></extra>",
    )
    low, high = ranges[name]
    margin = 0.05 * (high - low) or 1.0
    return Panel(title, [trace], {"title": unit, "range": [low - margin, high + margin], "nticks": 4}, 150)


def _curve(
    analysis: Analysis, values: NDArray[np.float64], name: str, unit: str, color: str, *, mode: str
) -> go.Scatter:
    """Return a curve of the voice; it stops where there is no value."""
    return go.Scatter(
        x=analysis.voice_times.round(4),
        y=values.round(2),
        mode=mode,
        name=name,
        line={"color": color, "width": 2},
        marker={"color": color, "size": 4},
        showlegend=False,
        hovertemplate=f"%{{x:.2f}} s: {name} %{{y:.4g}} {unit}<extra></extra>",
    )


def _picture(times: NDArray[np.float64], values: NDArray[np.float32], y: Any, unit: str) -> go.Heatmap:
    """Return a heat map of (rows, t) values, of at most ``MAX_COLUMNS`` columns: the larger of those merged."""
    step = -(-values.shape[1] // MAX_COLUMNS)
    starts = np.arange(0, values.shape[1], step)
    bar = {"thickness": 8, "title": {"text": unit, "side": "right"}, "nticks": 4, "x": 1.0, "xpad": 4}
    return go.Heatmap(
        x=times[starts],
        y=y,
        z=np.maximum.reduceat(values, starts, axis=1).astype(np.float32),
        colorscale=SPECTRUM_SCALE,
        colorbar=bar,
    )


def _stack(panels: list[Panel], analysis: Analysis, ranges: Mapping[str, Range]) -> go.Figure:
    """Put panels below each other on one time axis."""
    gap, bottom = 46, 44
    inner = sum(panel.height for panel in panels) + gap * (len(panels) - 1)
    figure = make_subplots(
        rows=len(panels),
        shared_xaxes=True,
        row_heights=[panel.height for panel in panels],
        vertical_spacing=gap / inner,
        subplot_titles=[panel.title for panel in panels],
    )
    for row, panel in enumerate(panels, start=1):
        figure.add_traces(panel.traces, rows=[row] * len(panel.traces), cols=[1] * len(panel.traces))
        figure.update_yaxes(row=row, col=1, **panel.axis)
    for trace in figure.data:
        if isinstance(trace, go.Heatmap):
            low, high = figure.layout[f"yaxis{trace.yaxis[1:]}"].domain
            trace.colorbar.update(y=(low + high) / 2, len=high - low)
    figure.update_annotations(x=0, xanchor="left", font={"size": 14})
    figure.update_xaxes(title="time (s)", row=len(panels), col=1)
    figure.update_xaxes(range=[analysis.start, analysis.start + ranges["time"][1]])
    return frame(figure, "", inner + 30 + bottom, margin={"t": 30, "b": bottom, "r": 46})
