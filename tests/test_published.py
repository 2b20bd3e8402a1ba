"""Corpora whose file names tell: each name with every code, names that are no clips, and folders of their shapes."""

import re
from collections import Counter
from pathlib import Path, PurePath

import numpy as np
import pytest
import soundfile as sf

from core.corpus.base import is_label_set
from core.corpus.catalogue import find_place, list_places
from core.corpus.download import source_of
from core.corpus.emogator import KINDS
from core.corpus.emospeech import UNKNOWN_PEOPLE
from core.corpus.index import scan
from core.corpus.integrity import check_integrity
from core.corpus.known import default_corpus, known_corpora, load_corpus
from core.corpus.samples import list_samples
from core.corpus.sources import LooseFiles
from core.errors import CorpusError, DownloadError
from core.labels import EMOTIONS

BUCKET = "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"
KNOWN = "99467a5e6b77016f7a8f530c78ef2b2c31124116065faa4e738689cb"
PUBLISHED = [name for name in known_corpora() if name != "ravdess"]

CLIPS = {
    "crema-d": {
        "AudioWAV/1001_DFA_ANG_XX.wav": "1001 angry intensity= statement=Don't_forget_a_jacket",
        "AudioWAV/1091_IEO_DIS_LO.wav": "1091 disgust intensity=low",
        "1002_IEO_FEA_MD.flac": "1002 fearful intensity=medium",
        "1002_IEO_HAP_HI.wav": "1002 happy intensity=high language=English",
        "1003_WSI_NEU_XX.wav": "1003 neutral",
        "1040_ITH_SAD_X.wav": "1040 sad intensity=",
    },
    "emo-db": {
        "wav/03a01Fa.wav": "03 happy gender=male statement=a01 repetition=1 language=German",
        "wav/08b10Wc.wav": "08 angry gender=female repetition=3",
        "09a02La.wav": "09 bored gender=female",
        "10a04Eb.wav": "10 disgust gender=male",
        "11a05Aa.wav": "11 fearful gender=male",
        "12a07Ta.wav": "12 sad gender=male",
        "13b01N.wav": "13 neutral gender=female repetition=1",
        "14b02Na.wav": "14 neutral gender=female",
        "15b03Na.wav": "15 neutral gender=male",
        "16b09Na.wav": "16 neutral gender=female",
    },
    "emogator": {
        f"data/mp3/{k:06d}-{k:02d}-{k % 3 + 1}.mp3": f"{k:06d} {kind} channel=burst repetition={k % 3 + 1}"
        for k, kind in enumerate(KINDS, start=1)
    },
    "emospeech": {
        f"House/help-safe-calm-20190710144206-{BUCKET}.wav": "d14a028c calm place=House environment=safe",
        f"Near Lake/no-safe-fearful-1563021439550-{KNOWN}.wav": "99467a5e fearful place=Near_Lake statement=no",
        f"Misc/unknown-safe-happy-1561964987.413895-{KNOWN}.wav": "99467a5e happy statement=",
        f"Misc/bacho-scream-fear-20190618164021 copy-{BUCKET}.wav": "d14a028c fearful environment=scream",
        f"Misc/stop-glass break-angry-??-{KNOWN}.wav": "99467a5e angry environment=glass_break",
    },
    "emotiontts": {
        "Emotional/emotional-to-emotional/nea/wav/nea00001.wav": "nea neutral gender=female script=emotional",
        "Emotional/emotional-to-emotional/nek/wav/nek00100.wav": "nek neutral gender=male language=Korean",
        "Emotional/plain-to-emotional/ema/wav/ema00101.wav": "ema happy gender=female script=plain",
        "Emotional/plain-to-emotional/emf/wav/emf00201.wav": "emf sad gender=male",
        "corpus/Emotional/plain-to-emotional/emh/wav/emh00301.wav": "emh angry gender=male",
        "Emotional/plain-to-emotional/emh/wav/emh00400.wav": "emh angry",
    },
    "emov-db": {
        "bea/Amused/amused_1-15_0001.wav": "bea amused gender=female statement=0001 language=English",
        "jenie_Anger/anger_29-56_0030.wav": "jenie angry gender=female",
        "josh/Neutral/neutral_1-28_0002.wav": "josh neutral gender=male",
        "sam_Disgusted/disgust_1-28_0003.wav": "sam disgust gender=male",
        "EmoV/Sam/Sleepy/Sleepiness_1-28_0004.wav": "sam sleepy gender=male",
    },
    "emovo": {
        "EMOVO/f1/dis-f1-b1.wav": "f1 disgust gender=female statement=b1 language=Italian",
        "f2/gio-f2-l4.wav": "f2 happy gender=female statement=l4",
        "f3/neu-f3-n5.wav": "f3 neutral gender=female",
        "m1/pau-m1-d2.wav": "m1 fearful gender=male",
        "m2/rab-m2-b2.wav": "m2 angry gender=male",
        "m3/sor-m3-b3.wav": "m3 surprised gender=male",
        "m3/tri-m3-b3.wav": "m3 sad gender=male",
    },
    "esd": {
        "0001/Neutral/0001_000001.wav": "0001 neutral language=Mandarin",
        "0010/Sad/evaluation/0010_001051.wav": "0010 sad language=Mandarin",
        "0011/Angry/0011_000351.wav": "0011 angry language=English",
        "0020/Happy/test/0020_000701.wav": "0020 happy language=English",
        "0020/Surprise/train/0020_001750.wav": "0020 surprised",
    },
    "jl-corpus": {
        "female1_angry_10a_1.wav": "female1 angry gender=female statement=10 repetition=1 language=English",
        "male2_excited_2b_2.wav": "male2 excited gender=male statement=2 repetition=2",
        **{f"female2_{label}_3a_1.wav": f"female2 {label}" for label in ("happy", "neutral", "sad", "anxious")},
        **{f"male1_{label}_3a_1.wav": f"male1 {label}" for label in ("apologetic", "assertive", "concerned")},
        "male1_encouraging_3_1.wav": "male1 encouraging statement=3",
    },
    "savee": {
        "ALL/DC_a01.wav": "DC angry gender=male language=English",
        "AudioData/DC/a02.wav": "DC angry",
        "JE/d01.wav": "JE disgust",
        "JE/f01.wav": "JE fearful",
        "JK_h01.wav": "JK happy",
        "KL_n30.wav": "KL neutral",
        "KL_sa15.wav": "KL sad",
        "KL/su15.wav": "KL surprised",
    },
    "tess": {
        "OAF_angry/OAF_back_angry.wav": "OAF angry gender=female statement=back language=English",
        "OAF_neutral/OA_bite_neutral.wav": "OAF neutral statement=bite",
        "YAF_pleasant_surprised/YAF_dog_ps.wav": "YAF surprised statement=dog",
        "YAF_fear/YAF_dog_fear.wav": "YAF fearful",
        "YAF_dog_disgust.wav": "YAF disgust",
        "YAF_dog_happy.wav": "YAF happy",
        "YAF_dog_sad.wav": "YAF sad",
    },
    "turev": {
        "Sound Source/Angry/1157_kz_zeytin.wav": "1157 angry statement=zeytin language=Turkish",
        "Sound Source/Sad/7895_hl_ogul1.wav": "7895 sad statement=ogul",
        "Sound Source/Calm/1234_mt_dil.wav": "1234 happy",
        "Sound Source/Calm/1358_sk_dil.wav": "1358 calm",
    },
}
"""Speaker, emotion and further fields of clips, by corpus and path; a space in a value is written as an underscore."""

OTHERS = {
    "crema-d": ("1001_DFA_ANG_XX.mp3", "2001_DFA_ANG_XX.wav", "1001_DFA_BOR_XX.wav", "1001_ABC_ANG_XX.wav"),
    "emo-db": ("04a01Fa.wav", "03a01Ba.wav", "03c01Fa.wav", "03a01Faa.wav", "03a01Fa.lab"),
    "emogator": ("000000-01-1.mp3", "000358-01-1.mp3", "000001-31-1.mp3", "000001-00-1.mp3", "000001-01-4.mp3"),
    "emospeech": (
        f"House/background-safe-calm-20190710144206-{BUCKET}.wav",
        f"House/unknown-safe-None-20190624080551-{BUCKET}.wav",
        f"House/help-safe-calm-20190710144206-{BUCKET[1:]}.wav",
        "README.md",
    ),
    "emotiontts": (
        "Main/main/kih/wav/kih00031.wav",
        "Main/main/nea/wav/nea00001.wav",
        "Personality/pfa/wav/pfa00001.wav",
        "Emotional/emotional-to-emotional/nea/script/nea00001.txt",
        "Emotional/emotional-to-emotional/nea/wav/nea00000.wav",
        "Emotional/emotional-to-emotional/nea/wav/nea00401.wav",
    ),
    "emov-db": ("Amused/amused_1-15_0001.wav", "bea/amused_0001.wav", "bea/fear_1-15_0001.wav"),
    "emovo": ("dis-f4-b1.wav", "xyz-f1-b1.wav", "dis-f1-b1.txt"),
    "esd": ("0021/Angry/0021_000351.wav", "0000/Angry/0000_000351.wav", "0011_000351.wav", "0011/0011.txt"),
    "jl-corpus": ("female3_angry_10a_1.wav", "female1_bored_10a_1.wav", "female1_angry_10a_1.txt"),
    "savee": ("XX_a01.wav", "XX/a01.wav", "a01.wav", "DC/x01.wav", "DC/a1.wav"),
    "tess": ("XAF_back_angry.wav", "OAF_back_calm.wav", "OAF_back.wav"),
    "turev": ("1157_xx_zeytin.wav", "157_kz_zeytin.wav", "1157_kz_.wav", "1157_kz_zeytin.png"),
}


def read_fields(text: str) -> dict[str, object]:
    """Read a line of the table."""
    words = re.fullmatch(r"(\w+) ([a-z ]+?)((?: \w+=\S*)*)", text)
    assert words is not None
    further = dict(word.split("=", 1) for word in words[3].split())
    fields: dict[str, object] = {name: value.replace("_", " ") for name, value in further.items()}
    if "repetition" in fields:
        fields["repetition"] = int(str(fields["repetition"]))
    return {"speaker": words[1], "emotion": words[2]} | fields


def test_every_corpus_has_its_names_in_these_tables():
    assert default_corpus().name == "ravdess"
    assert list(known_corpora()) == ["ravdess", *sorted(PUBLISHED)]
    assert set(CLIPS) == set(OTHERS) == set(PUBLISHED)
    assert all(corpus.name == name for name, corpus in known_corpora().items())


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_say_what_clips_are(name):
    corpus = load_corpus(name)
    for path, text in CLIPS[name].items():
        clip = corpus.parse(PurePath(path))
        assert clip is not None, path
        expected = read_fields(text)
        assert {field: clip[field] for field in expected} == expected, path


@pytest.mark.parametrize("name", PUBLISHED)
def test_other_names_are_no_clips(name):
    parse = load_corpus(name).parse
    assert [path for path in OTHERS[name] if parse(PurePath(path)) is not None] == []
    first = PurePath(next(iter(CLIPS[name])))
    assert parse(first.with_name(f"._{first.name}")) is None
    assert parse(first.with_suffix(".txt")) is None


@pytest.mark.parametrize("name", PUBLISHED)
def test_folders_of_their_shapes_become_an_index(name, tmp_path):
    corpus = load_corpus(name)
    expected = [read_fields(text) for text in CLIPS[name].values()]
    for k, path in enumerate(CLIPS[name]):
        write_sound(tmp_path / path, k)
    for path in OTHERS[name]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"no clip")
    index = scan(tmp_path, corpus, n_jobs=1)
    assert set(index["error"]) == {""}
    assert index["clip"].is_unique
    assert Counter(index["emotion"]) == Counter(fields["emotion"] for fields in expected)
    assert Counter(index["speaker"]) == Counter(fields["speaker"] for fields in expected)
    assert set(index["emotion"]) == set(corpus.labels)
    assert is_label_set(corpus.labels)
    assert len(check_integrity(index, corpus).missing) == (32_100 if name == "emogator" else 0)


def write_sound(path: Path, k: int) -> None:
    """Write a tenth of a second of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y = np.random.default_rng(k).normal(0, 0.1, 1_600)
    sf.write(path, y, 16_000, format="MP3" if path.suffix == ".mp3" else None)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_screens_ask_a_corpus_for_is_there(name):
    corpus = load_corpus(name)
    clips = [corpus.parse(PurePath(path)) for path in CLIPS[name]]
    for field in corpus.fields:
        found = {clip[field.name] for clip in clips}
        assert len({*found, *field.values}) > 1, field.name
        assert not field.values or found <= {*field.values, ""}, field.name
    assert corpus.field("speaker") in corpus.fields
    assert corpus.texts.citation
    assert corpus.texts.domain
    assert corpus.texts.about.endswith(".")


def test_emotions_have_the_usual_names_wherever_they_mean_the_same():
    further = {
        "emo-db": {"bored"},
        "emov-db": {"amused", "sleepy"},
        "jl-corpus": {"anxious", "apologetic", "assertive", "concerned", "encouraging", "excited"},
    }
    for name in set(PUBLISHED) - {"emogator"}:
        assert set(load_corpus(name).labels) - set(EMOTIONS) == further.get(name, set()), name


def test_kinds_of_bursts_are_no_emotions_of_acted_speech():
    labels = load_corpus("emogator").labels
    assert len(labels) == 30
    assert set(labels) & set(EMOTIONS) == {"disgust", "neutral"}
    assert "negative surprise" in labels


def test_unknown_people_of_emospeech_are_said():
    corpus = load_corpus("emospeech")
    assert BUCKET.startswith(UNKNOWN_PEOPLE)
    assert UNKNOWN_PEOPLE in corpus.texts.about


def test_one_clip_in_two_layouts_has_one_name():
    for name, one, other in (
        ("savee", "ALL/DC_a01.wav", "AudioData/DC/a01.wav"),
        ("emov-db", "bea/Amused/amused_1-15_0001.wav", "bea_Amused/amused_1-15_0001.wav"),
        ("esd", "0011/Angry/0011_000351.wav", "0011/Angry/train/0011_000351.wav"),
    ):
        parse = load_corpus(name).parse
        assert parse(PurePath(one)) == parse(PurePath(other))


def test_speakers_of_one_emotion_in_different_folders_stay_apart():
    parse = load_corpus("emov-db").parse
    bea, sam = (parse(PurePath(f"{name}/Amused/amused_1-15_0001.wav")) for name in ("bea", "sam"))
    assert bea["clip"] != sam["clip"]


def test_corpora_without_a_folder_are_listed_nowhere(monkeypatch, tmp_path):
    for name in known_corpora():
        monkeypatch.delenv(load_corpus(name).root_variable, raising=False)
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    assert list_places() == []
    write_sound(tmp_path / "emo-db" / "03a01Fa.wav", 0)
    assert [place.corpus.name for place in list_places()] == ["emo-db"]
    assert len([sample for sample in list_samples() if sample.is_real]) == 8


def test_missing_corpora_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    with pytest.raises(CorpusError, match="'python -m core download --corpus emogator', or set EMOGATOR_ROOT"):
        find_place("emogator")
    with pytest.raises(CorpusError, match=r"no corpus TESS\. Set TESS_ROOT to its folder"):
        find_place("tess")
    with pytest.raises(DownloadError, match=r"TESS cannot be fetched\. Set TESS_ROOT"):
        source_of(load_corpus("tess"))


def test_release_of_emogator_is_that_of_its_repository():
    corpus = load_corpus("emogator")
    assert isinstance(corpus.source, LooseFiles)
    names = corpus.source.names()
    assert (names[0], names[-1], len(names)) == ("000001-01-1.mp3", "000357-30-3.mp3", 32_130)
    assert corpus.expected() == [PurePath(name).stem for name in names]
    assert corpus.source.base_url.split("/")[5:] == ["51eeca515a95f168ab73391cd9e7c975ab964429", "data", "mp3", ""]
    assert (corpus.source.tree, corpus.source.size(["burst"])) == (
        "257bfe9ab0ceaa56667792922badd980f148370c",
        523644979,
    )
