"""Class names to sentences, and the vocabularies of the package."""

from __future__ import annotations

import json

import pytest

from vos.detectors.attention.text_prompts import (
    ClassWords,
    Vocabulary,
    build_prompts,
    general_lexicon,
    load_vocabulary,
    vocabulary_for,
)
from vos.errors import PromptError


def test_spans_follow_the_classes():
    """Single mode has one sentence a class and all background words; multi mode has the synonyms too."""
    vocabulary = Vocabulary(("sky", "wall"), (ClassWords("cat", ("cats",)), ClassWords("sheep")))
    single = build_prompts(vocabulary)
    assert single.texts == ("Image of sky.", "Image of wall.", "Image of cat.", "Image of sheep.")
    assert single.spans == ((0, 2), (2, 3), (3, 4))
    assert single.names == ("background", "cat", "sheep")
    multi = build_prompts(vocabulary, multi=True)
    assert multi.texts[2:] == ("Image of cat.", "Image of cats.", "Image of sheep.")
    assert multi.spans == ((0, 2), (2, 4), (4, 5))


@pytest.mark.parametrize(("name", "background", "classes"), [("pascal", 29, 20), ("coco", 25, 80)])
def test_packaged_vocabularies(name, background, classes):
    """They have the specified numbers of background words, classes and single-mode sentences."""
    vocabulary = load_vocabulary(name)
    assert (len(vocabulary.background), len(vocabulary.classes)) == (background, classes)
    assert len(build_prompts(vocabulary).texts) == background + classes
    assert len(build_prompts(vocabulary, multi=True).texts) > background + classes
    names = [entry.name for entry in vocabulary.classes]
    assert len({*names, *vocabulary.background}) == background + classes
    assert names[0] == {"pascal": "airplane", "coco": "person"}[name]
    assert names[-1] == {"pascal": "tv", "coco": "toothbrush"}[name]
    assert (vocabulary.background[0], vocabulary.background[-1]) == ("sky", "fence")


def test_odd_entries_are_kept_for_parity():
    """A comma inside one string does not split it, and the reference's spelling stays."""
    words = {entry.name: entry.synonyms for entry in load_vocabulary("coco").classes}
    assert "aircraft, plane" in words["airplane"]
    assert "hair dryer, blow dryer" in words["hair drier"]
    assert "girrafes" in words["giraffe"]


def test_user_classes_bring_known_synonyms_and_displace_background_words():
    """ "boat" is known; "wall" as a class leaves the background; an unknown name stands for itself."""
    vocabulary = vocabulary_for(["Boat", "wall", "red car"], general_lexicon())
    assert "yacht" in vocabulary.classes[0].synonyms
    assert "sky" in vocabulary.background
    assert "wall" not in vocabulary.background
    assert vocabulary.classes[2] == ClassWords("red car")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no class is named"),
        (["cat", "Cat"], "named twice"),
        (["cat", " "], "empty name"),
        ([f"thing {i}" for i in range(255)], "255 classes"),
    ],
)
def test_unusable_class_lists(names, message):
    """None, a repeated one, an empty one, more than a label map holds: errors that say which."""
    with pytest.raises(PromptError, match=message):
        vocabulary_for(names, Vocabulary(("sky",), (ClassWords("cat"),)))


def test_a_vocabulary_file(tmp_path):
    """A JSON file of the same form works; a broken or missing one is an error that shows the form."""
    path = tmp_path / "mine.json"
    content = {"background": ["sky"], "classes": [{"name": "kite", "synonyms": {"ours": ["kites"]}}]}
    path.write_text(json.dumps(content))
    assert load_vocabulary(path).classes == (ClassWords("kite", ("kites",)),)
    path.write_text('{"classes": 3}')
    with pytest.raises(PromptError, match="form"):
        load_vocabulary(path)
    with pytest.raises(PromptError, match="known by name: pascal, coco"):
        load_vocabulary(tmp_path / "absent.json")
