"""README, CONTRIBUTING and documentation: their figures, links, commands and settings are those of the repository."""

import ast
import re

import pytest

from core.audio import cleaning, speech
from core.audio.scale import LOUD_SAMPLE, LOUDEST_SAMPLE
from core.config import PROJECT_ROOT
from core.learning.reports.cards import results_table
from core.parts import CORPORA, root_variable
from core.serving.prediction import NOISY, Piece, summarize
from core.serving.predictor import UNLIKE, UNLIKE_NARROW
from core.serving.publishing import evaluate_again
from core.serving.registry import Registry
from core.work import turns
from docs import results
from docs.doctests import fence

README = (PROJECT_ROOT / "README.md").read_text()
DOCUMENTS = [PROJECT_ROOT / "README.md", PROJECT_ROOT / "CONTRIBUTING.md", *sorted(PROJECT_ROOT.glob("docs/**/*.md"))]
REGISTRY = Registry(PROJECT_ROOT / "artifacts")
SETTING = re.compile(r"\b(?:SOUNDWEB_[A-Z_]+|DATABASE_URL|RAVDESS_ROOT)\b")
FOR_TESTS = {"SOUNDWEB_REQUIRE_ALL"}


@pytest.mark.parametrize("name", results.DOCUMENTS)
@pytest.mark.heavy
def test_tables_follow_from_the_stored_models(name):
    text = (PROJECT_ROOT / name).read_text()
    assert results.renew(text) == text


def test_every_table_is_renewed():
    for name in results.DOCUMENTS:
        text = (PROJECT_ROOT / name).read_text()
        assert len(results.MARKED.findall(text)) == text.count("<!-- results:") > 0


def test_page_on_sound_states_what_the_code_does():
    page = " ".join((PROJECT_ROOT / "docs/sound.md").read_text().split())
    for stated in (
        f"high-pass filter at {cleaning.CUTOFF:g} Hz",
        f"lowered by {cleaning.MOST_REDUCTION:g} dB where the voice stands less than {speech.LOWERED_FROM:g} dB above",
        f"stands less than {NOISY:g} dB above the noise",
        f"score above {UNLIKE}, or {UNLIKE_NARROW} through",
        f"those above {LOUD_SAMPLE:g} are scaled down, with a note; beyond {LOUDEST_SAMPLE:.0e}".replace("e+", "e"),
    ):
        assert stated in page
    assert speech.PAUSE == 0.5
    assert "a pause of half a second ends one" in page
    fields = {"file", "error"} | set(summarize([Piece(0, 1, "sad", {"sad": 1.0}, ())], duration=1, model="m").to_dict())
    assert fields == set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", page_table(), re.M))))


def test_page_on_load_states_what_the_code_does():
    page = " ".join((PROJECT_ROOT / "docs/growth.md").read_text().split())
    for stated in ("computed for half a second", "five seconds at most", "more than a second sees", "a hundred wait"):
        assert stated in page
    assert (turns.UNDIVIDED, turns.LATEST, turns.TELL_INTERVAL, turns.MOST_WAITING) == (0.5, 5.0, 1.0, 100)


def page_table() -> str:
    """The table of the JSON's fields."""
    return (PROJECT_ROOT / "docs/sound.md").read_text().split("## As JSON")[1]


@pytest.mark.parametrize("name", REGISTRY.names())
def test_results_page_shows_the_figures_of_every_shipped_model(name):
    page = (PROJECT_ROOT / "docs/results.md").read_text()
    assert results_table(evaluate_again(REGISTRY.load(name))) in page


def test_readme_shows_unseen_speakers_alone():
    (table,) = (match[0] for match in results.MARKED.finditer(README))
    rows = [line.split("|")[1].strip() for line in table.splitlines()[3:]]
    assert rows == ["speaker-emobox, speech", "speaker-emobox, song"]


def test_changed_figures_are_replaced_and_nothing_else():
    changed = README.replace("speaker-emobox, song | 1,012", "speaker-emobox, song | 1")
    assert changed != README
    assert results.renew(changed) == README


def test_readme_is_short():
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_make_commands_exist():
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name for path in DOCUMENTS for name in re.findall(r"(?:`|^)make ([a-z-]+)", path.read_text(), re.MULTILINE)
    }
    assert {"run", "test", "docs", "results"} <= named <= targets


def test_tests_build_the_documentation_so_that_broken_links_fail():
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    assert re.search(r"^test:.* docs\b", makefile, re.MULTILINE)
    assert re.search(r"mkdocs build --strict$", makefile, re.MULTILINE)  # with --quiet, nothing fails


def test_every_setting_is_documented():
    sources = [path for folder in ("core", "pages") for path in (PROJECT_ROOT / folder).rglob("*.py")]
    used = {name for path in sources for name in SETTING.findall(path.read_text())}
    assert used - FOR_TESTS <= set(SETTING.findall((PROJECT_ROOT / "docs/guides/deploy.md").read_text()))


def test_guide_shows_a_corpus_as_it_is_and_names_all():
    guide = (PROJECT_ROOT / "docs/guides/add-a-corpus.md").read_text()
    source = "".join((PROJECT_ROOT / name).read_text() for name in ("core/corpus/crema_d.py", "core/parts.py"))
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert len(blocks) == 4
    assert [block for block in blocks if block not in source] == []
    table = dict(re.findall(r"^\| `([a-z-]+)` \| .* \| `([A-Z_]+_ROOT)` \|$", guide, re.MULTILINE))
    assert table == {name: root_variable(name) for name in CORPORA}


def test_documentation_loads_nothing_from_elsewhere():
    settings = (PROJECT_ROOT / "mkdocs.yml").read_text()
    assert "font: false" in settings
    assert "https://" not in settings


def test_doctests_below_a_summary_are_shown_as_code():
    text = "Add.\n\n>>> [1] + [2]\n[1, 2]\n\nAnd more."
    assert fence(text) == "Add.\n\n```pycon\n>>> [1] + [2]\n[1, 2]\n```\n\nAnd more."


def test_tests_reach_into_no_private_names():
    found = []
    for path in sorted((PROJECT_ROOT / "tests").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr":
                names = [
                    arg.value.rpartition(".")[2] for arg in node.args[:2] if isinstance(getattr(arg, "value", 0), str)
                ]
            found += [f"{path.name}:{node.lineno} {n}" for n in names if re.fullmatch(r"_[a-z]\w*", n)]
    assert found == []
