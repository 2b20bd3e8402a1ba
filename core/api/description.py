"""The description of the interface: OpenAPI for programs that write programs, a page for people.

References
----------
OpenAPI Initiative (2021). OpenAPI Specification 3.1.0.
"""

import html
from typing import Any, Final

from core.api.live import DEFAULT_RATE, KEY_INTERVAL
from core.api.problems import MEDIA_TYPE
from core.config import DecodeLimits

VERSION: Final = "1"
"""Of the interface; which version of the program answers is nobody's business."""
TITLE: Final = "Emotion in a voice"
MAX_FILES: Final = 20
"""Most files of one request."""
PROBLEMS: Final = {
    "400": "The request is not as described here.",
    "401": "There is no key, or it is unknown or was revoked.",
    "404": "There is no such model.",
    "405": "The address takes another method.",
    "411": "A form came without its length.",
    "413": "The sound file, or the form, is too large.",
    "415": "A form is in another charset than UTF-8 or Latin-1.",
    "422": "The sound cannot be used: unreadable, too long, too short or silent.",
    "429": "The key had as many sounds answered as it may; Retry-After says when to come back, if ever.",
    "500": "Something went wrong; the number stands in the server's log.",
    "503": "The server is busy, or has no model or database at the moment.",
}
PROBABILITIES: Final = {
    "type": "object",
    "additionalProperties": {"type": "number"},
    "description": "Probability of each emotion of the model; they sum to 1.",
}
PIECE: Final = {
    "start": {"type": "number", "description": "In seconds."},
    "end": {"type": "number", "description": "In seconds."},
    "label": {"type": "string", "description": "The emotion, or 'unsure'."},
    "emotion": {"type": "string", "description": "The most probable emotion."},
    "confidence": {"type": "number", "description": "Its probability."},
    "snr": {"type": ["number", "null"], "description": "How far the voice stands above the noise, in dB."},
    "probabilities": PROBABILITIES,
    "doubts": {"type": "array", "items": {"type": "string"}, "description": "Why it is unsure."},
}
ANSWER: Final = {
    "file": {"type": "string", "description": "Name of the file; empty for a plain body."},
    "emotion": PIECE["emotion"],
    "confidence": PIECE["confidence"],
    "probabilities": PROBABILITIES,
    "is_uncertain": {"type": "boolean", "description": "Whether the answer is to be read as 'unsure'."},
    "reasons": {"type": "array", "items": {"type": "string"}, "description": "Why, and what is wrong with the sound."},
    "model": {"type": "string"},
    "duration": {"type": "number", "description": "Length of the sound, in seconds."},
    "pieces": {"type": "array", "items": {"$ref": "#/components/schemas/Piece"}},
    "known": {"type": ["object", "null"], "description": "The clip of the training that the sound is a recording of."},
    "shares": {**PROBABILITIES, "description": "Share of the speech of each label."},
    "silence": {"type": "number", "description": "Share of the sound without a voice."},
    "error": {"type": "string", "description": "Alone with 'file': why a file of a form cannot be answered."},
}
MODEL: Final = {
    "name": {"type": "string"},
    "in_use": {"type": "boolean"},
    "emotions": {"type": "array", "items": {"type": "string"}},
    "threshold": {"type": ["number", "null"], "description": "Confidence from which an answer is sure."},
    "protocol": {"type": "string", "description": "How it was evaluated."},
    "unweighted_average_recall": {
        "type": ["object", "null"],
        "description": "On speech of people whom it had not heard: mean, and interval over speakers.",
    },
    "error": {"type": "string", "description": "Why it cannot be used."},
}
TIMELINE: Final = {
    "model": {"type": "string"},
    "share_of_time": {**PROBABILITIES, "description": "Share of the time of each label."},
    "segments": {"type": "array", "items": {"type": "object"}, "description": "Stretches of time with one label."},
    "windows": {"type": "array", "items": {"type": "object"}, "description": "What the segments were made of."},
}
PART: Final = {
    "name": "part",
    "in": "query",
    "schema": {"type": "string"},
    "description": "Which channel or track, where a file holds several voices.",
}
CHOSEN: Final = {
    "name": "model",
    "in": "query",
    "schema": {"type": "string"},
    "description": "Name of a stored model; the one in use by default.",
}


def describe() -> dict[str, Any]:
    """Return the description as OpenAPI has it, ready for JSON."""
    largest = DecodeLimits().max_bytes // 2**20
    sound = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    form = {"type": "object", "additionalProperties": {"type": "string", "format": "binary"}}
    content = sound | {"multipart/form-data": {"schema": form}}

    def body(of_form: str) -> dict[str, Any]:
        described = f"A sound file of at most {largest} MiB, or a form with {of_form}."
        return {"required": True, "description": described, "content": content}

    answer = {"oneOf": [_ref("Answer"), {"type": "array", "items": _ref("Answer")}]}
    paths = {
        "/predict": {
            "post": _operation(
                "predict",
                "Recognise the emotion in sounds",
                "One object for a plain body, a list for a form.",
                answer,
                requestBody=body(f"up to {MAX_FILES} of them"),
                parameters=[PART, CHOSEN],
            )
        },
        "/timeline": {
            "post": _operation(
                "timeline",
                "Follow one sound over time",
                "Segments, windows and shares of time.",
                _ref("Timeline"),
                requestBody=body("one"),
                parameters=[PART, CHOSEN],
            )
        },
        "/models": {
            "get": _operation(
                "models",
                "List the stored models",
                "The one in use first.",
                {"type": "array", "items": _ref("Model")},
            )
        },
    }
    problem = {name: {"type": "string"} for name in ("type", "title", "detail")} | {"status": {"type": "integer"}}
    schemas = {"Answer": ANSWER, "Piece": PIECE, "Model": MODEL, "Timeline": TIMELINE, "Problem": problem}
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": LIVE},
        "servers": [{"url": "."}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {name: {"type": "object", "properties": fields} for name, fields in schemas.items()},
        },
    }


LIVE: Final = (
    f"Besides what stands here, the WebSocket `live?rate={DEFAULT_RATE}` takes 16-bit samples of one channel "
    "(little-endian, binary messages of any length) at the rate that is named, and sends a JSON object for each "
    "window: start, end, label, emotion, confidence, probabilities, doubts, level, pitch. "
    "An empty message ends the stream. "
    f"A stream counts as one sound, and as one more each {KEY_INTERVAL:.0f} s."
)
"""OpenAPI has no words for WebSockets."""


def description_page() -> str:
    """Return the description as a page that needs nothing from elsewhere."""
    operations = "".join(
        f"<h2><code>{method.upper()} {_text(path)}</code></h2>{_operation_text(operation)}"
        for path, methods in describe()["paths"].items()
        for method, operation in methods.items()
    )
    problems = "".join(f"<li>{status}: {_text(words)}</li>" for status, words in PROBLEMS.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{TITLE}: interface for programs</title>
<style>body{{font:16px/1.5 sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}}
code,pre{{background:#8881;border-radius:4px;padding:.1em .3em}}pre{{padding:1em;overflow:auto}}
:root{{color-scheme:light dark}}</style></head><body>
<h1>{TITLE}: interface for programs</h1>
<p>Send a key with each request; an administrator makes one on the Admin page. A whole description for tools stands in
<a href="openapi.json">openapi.json</a>.</p>
<pre>curl --data-binary @talk.wav -H "Authorization: Bearer $KEY" ADDRESS/api/v1/predict</pre>
{operations}
<h2><code>WebSocket /live</code></h2><p>{_text(LIVE)}</p>
<h2>Errors</h2><p>Errors are objects of type <code>{MEDIA_TYPE}</code> with a sentence in <code>detail</code>.</p>
<ul>{problems}</ul></body></html>"""


def _operation(name: str, summary: str, told: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an operation with its answer and the ways in which it fails."""
    failed = {
        status: {"description": words, "content": {MEDIA_TYPE: {"schema": _ref("Problem")}}}
        for status, words in PROBLEMS.items()
    }
    answered = {"description": told, "content": {"application/json": {"schema": schema}}}
    return {"operationId": name, "summary": summary, "responses": {"200": answered, **failed}, **more}


def _operation_text(operation: dict[str, Any]) -> str:
    """Return what an operation takes and gives, as HTML."""
    body = operation.get("requestBody", {}).get("description", "")
    parameters = "".join(
        f"<li><code>{_text(parameter['name'])}</code>: {_text(parameter['description'])}</li>"
        for parameter in operation.get("parameters", ())
    )
    told = operation["responses"]["200"]["description"]
    return f"<p>{_text(operation['summary'])}. {_text(body)}</p><ul>{parameters}</ul><p>{_text(told)}</p>"


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(words: str) -> str:
    return html.escape(words)
