"""From class names to the sentences that are matched with the image, per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ...documents import parse_json, read_text
from ...errors import PromptError
from ...results import MAX_OBJECTS

TEMPLATE = "Image of {}."
VOCABULARIES = ("pascal", "coco", "synthetic")
"""Class lists that are part of the package: files in ``vos/assets/vocabularies``."""


@dataclass(frozen=True)
class ClassWords:
    """A class and the other words for it."""

    name: str
    synonyms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(word.strip() for word in self.words):
            raise PromptError(f"class {self.name!r} has an empty name; give every class a name")

    @property
    def words(self) -> tuple[str, ...]:
        """The name, then its synonyms."""
        return (self.name, *self.synonyms)


@dataclass(frozen=True)
class Vocabulary:
    """Class 0 is the background and stands for all its words; the others are the classes 1, 2, ..."""

    background: tuple[str, ...]
    classes: tuple[ClassWords, ...]

    def __post_init__(self) -> None:
        if not self.background:
            raise PromptError("the background needs at least one word, such as 'wall'")
        if not self.classes:
            raise PromptError("no class is named; name at least one")
        if len(self.classes) > MAX_OBJECTS:
            raise PromptError(f"{len(self.classes)} classes are named, but a label map holds {MAX_OBJECTS}")
        names = [entry.name.lower() for entry in self.classes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PromptError(f"class {twice[0]!r} is named twice; name every class once")

    @property
    def names(self) -> tuple[str, ...]:
        """Names by label, "background" first."""
        return ("background", *(entry.name for entry in self.classes))


@dataclass(frozen=True)
class PromptSet:
    """P sentences, concatenated class by class."""

    texts: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    """(start, stop) of each class's sentences, stop excluded; entry 0 is the background."""
    names: tuple[str, ...]
    """Class names by label, "background" first."""


def build_prompts(vocabulary: Vocabulary, *, multi: bool = False, template: str = TEMPLATE) -> PromptSet:
    """Sentences for a vocabulary; the background always has one per word, the classes only if ``multi``."""
    texts: list[str] = []
    spans: list[tuple[int, int]] = []
    groups = [
        vocabulary.background,
        *(entry.words if multi else (entry.name,) for entry in vocabulary.classes),
    ]
    for words in groups:
        spans.append((len(texts), len(texts) + len(words)))
        texts += [template.format(word) for word in words]
    return PromptSet(tuple(texts), tuple(spans), vocabulary.names)


def load_vocabulary(name_or_path: str | Path) -> Vocabulary:
    """The vocabulary of that name (:data:`VOCABULARIES`), or of a JSON file in the same form.

    Raises:
        PromptError: if the file cannot be read or does not have that form.
    """
    if str(name_or_path) in VOCABULARIES:
        text = _shipped(str(name_or_path))
    else:
        try:
            text = read_text(name_or_path)
        except (OSError, ValueError) as error:
            raise PromptError(
                f"cannot read vocabulary {name_or_path}: {error}; known by name: {', '.join(VOCABULARIES)}"
            ) from error
    try:
        return _parse(parse_json(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PromptError(
            f"vocabulary {name_or_path} is not of the form "
            '{"background": [words], "classes": [{"name": ..., "synonyms": {source: [words]}}]}: '
            f"{error}"
        ) from error


def general_lexicon() -> Vocabulary:
    """PASCAL's background words, and the classes of PASCAL and COCO: for models that know English."""
    pascal, coco = load_vocabulary("pascal"), load_vocabulary("coco")
    named = {entry.name for entry in pascal.classes}
    return Vocabulary(
        pascal.background, (*pascal.classes, *(entry for entry in coco.classes if entry.name not in named))
    )


def vocabulary_for(names: Sequence[str], lexicon: Vocabulary) -> Vocabulary:
    """A vocabulary of the user's class names.

    A name that the lexicon knows brings its synonyms with it; of the lexicon's background words one that is
    also a class (or a synonym of one) is left out, for it would compete with the class it means.
    """
    known: Mapping[str, ClassWords] = {entry.name: entry for entry in lexicon.classes}
    classes = tuple(known.get(name.strip().lower(), ClassWords(name.strip())) for name in names)
    taken = {word.lower() for entry in classes for word in entry.words}
    return Vocabulary(tuple(word for word in lexicon.background if word.lower() not in taken), classes)


def _shipped(name: str) -> str:
    return resources.files("vos").joinpath("assets", "vocabularies", f"{name}.json").read_text("utf-8")


def _parse(content: Any) -> Vocabulary:
    classes = tuple(
        ClassWords(
            entry["name"], tuple(word for words in entry.get("synonyms", {}).values() for word in words)
        )
        for entry in content["classes"]
    )
    return Vocabulary(tuple(content["background"]), classes)
