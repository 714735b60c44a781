"""Small things of `tf.contrib.learn` and `tf.contrib.training` that programs use without an estimator."""

import ast
import collections
import csv
import json
import pickle
import re

import numpy as np


class ModeKeys:
    TRAIN = "train"
    EVAL = "eval"
    INFER = "infer"


class HParams:
    """Values with names, which are attributes; text and JSON can change them.

    Each keeps its type: an int where a float was becomes a float, and anything else raises ValueError.
    """

    def __init__(self, hparam_def=None, model_structure=None, **kwargs):
        self._model_structure = model_structure
        self._names: list[str] = []
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value) -> None:
        if hasattr(self, name):
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        if isinstance(value, list | tuple) and not value:
            raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
        self._names.append(name)
        setattr(self, name, list(value) if isinstance(value, tuple) else value)

    def set_hparam(self, name: str, value) -> None:
        today = getattr(self, name) if name in self._names else self._unknown(name)
        if isinstance(value, list | tuple) != isinstance(today, list):
            kind = "a list" if isinstance(today, list) else "a single value"
            raise ValueError(f"hyperparameter {name} is {kind}, so it can't become {value!r}.")
        if isinstance(today, list):
            setattr(self, name, [_as_type_of(today[0], one, name) for one in value])
        else:
            setattr(self, name, _as_type_of(today, value, name))

    def _unknown(self, name: str):
        raise KeyError(f"there is no hyperparameter {name!r}; there are {', '.join(self._names)}.")

    def del_hparam(self, name: str) -> None:
        if name in self._names:
            self._names.remove(name)
            delattr(self, name)

    def parse(self, values: str) -> "HParams":
        """Sets what `name=value,name=[value,value],name[index]=value` says, and returns itself.

        Raises:
            ValueError: a name is unknown, or a value is not of its type.
        """
        for name, value in parse_values(values, {name: type(getattr(self, name)) for name in self._names}).items():
            if isinstance(value, dict):  # by index
                changed = list(getattr(self, name))
                for index, one in value.items():
                    changed[index] = one
                value = changed
            self.set_hparam(name, value)
        return self

    def override_from_dict(self, values_dict: dict) -> "HParams":
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def parse_json(self, values_json: str) -> "HParams":
        return self.override_from_dict(json.loads(values_json))

    def set_model_structure(self, model_structure) -> None:
        self._model_structure = model_structure

    def get_model_structure(self):
        return self._model_structure

    def values(self) -> dict:
        return {name: getattr(self, name) for name in self._names}

    def get(self, key: str, default=None):
        return getattr(self, key) if key in self._names else default

    def to_json(self, indent=None, separators=None, sort_keys: bool = False) -> str:
        values = {name: value for name, value in self.values().items() if not callable(value)}
        return json.dumps(values, indent=indent, separators=separators, sort_keys=sort_keys)

    def __contains__(self, key) -> bool:
        return key in self._names

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"HParams({self})"


def _as_type_of(today, value, name: str):
    kind = type(today)
    if today is None or value is None or callable(value) or (isinstance(value, kind) and kind is not int):
        return value
    if isinstance(value, str) or kind is str or isinstance(value, bool) != (kind is bool):
        fits = False
    else:
        fits = kind is not int or isinstance(value, int | np.integer)
    if not fits:
        raise ValueError(f"Could not cast hparam {name!r} of type {kind.__name__} from value {value!r}")
    return kind(value)


_ASSIGNMENT = re.compile(
    r"(?P<name>[A-Za-z]\w*)(\[\s*(?P<index>\d+)\s*\])?\s*=\s*(\[(?P<list>[^\]]*)\]|(?P<value>[^,\[]*))\s*(,|$)\s*"
)


def parse_values(values: str, type_map: dict, ignore_unknown: bool = False) -> dict:
    """What `name=value,name=[value,value],name[index]=value` says; by index, as {index: value}.

    Raises:
        ValueError: it is not of that form, a name is unknown or given twice, or a value is not of its type.
    """
    found: dict = {}
    position = 0
    while position < len(values):
        match = _ASSIGNMENT.match(values, position)
        if match is None:
            raise ValueError(f"Malformed hyperparameter value: {values[position:]}")
        position = match.end()
        name, index = match["name"], match["index"]
        if name not in type_map:
            if ignore_unknown:
                continue
            raise ValueError(f"Unknown hyperparameter type for {name}")
        if name in found and not (index and isinstance(found[name], dict) and int(index) not in found[name]):
            raise ValueError(f"Multiple assignments to variable '{name}' in '{values}'")
        convert = _converter(type_map[name], name, values)
        if match["list"] is not None:
            found[name] = [convert(one.strip()) for one in match["list"].split(",") if one.strip()]
        elif index:
            found.setdefault(name, {})[int(index)] = convert(match["value"].strip())
        else:
            found[name] = convert(match["value"].strip())
    return found


def _converter(kind: type, name: str, values: str):
    def convert(text: str):
        try:
            if kind is bool:
                return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
            if kind in (list, type(None)):
                return ast.literal_eval(text)
            return kind(text)
        except (KeyError, ValueError, SyntaxError):
            if kind in (list, type(None)):
                return text
            raise ValueError(
                f"Could not parse hparam {name!r} of type {kind.__name__} in {values!r}: {text!r}"
            ) from None

    return convert


Dataset = collections.namedtuple("Dataset", ["data", "target"])


def load_csv_with_header(filename, target_dtype, features_dtype, target_column: int = -1) -> Dataset:
    """A data set whose first line begins with the numbers of its rows and its features.

    Returns:
        `data` [rows, features] and `target` [rows], which is a column of the file.
    """
    with open(filename) as file:
        rows, features = (int(number) for number in file.readline().split(",")[:2])
        dataset = _split_columns(file, target_dtype, features_dtype, target_column)
    if dataset.data.shape != (rows, features):
        raise ValueError(f"{filename} announces {rows} rows of {features} features and has {dataset.data.shape}.")
    return dataset


def load_csv_without_header(filename, target_dtype, features_dtype, target_column: int = -1) -> Dataset:
    """`load_csv_with_header` of a file that begins with the data."""
    with open(filename) as file:
        return _split_columns(file, target_dtype, features_dtype, target_column)


def _split_columns(file, target_dtype, features_dtype, target_column: int) -> Dataset:
    data, target = [], []
    for row in csv.reader(file):
        target.append(row.pop(target_column))
        data.append(row)
    return Dataset(np.asarray(data, dtype=features_dtype), np.asarray(target).astype(target_dtype))


class CategoricalVocabulary:
    """Words and their numbers, from 1 on; 0 is unknown."""

    def __init__(self, unknown_token: str = "<UNK>", support_reverse: bool = True):
        self._unknown_token = unknown_token
        self._mapping = {unknown_token: 0}
        self._reverse_mapping = [unknown_token] if support_reverse else None
        self._freq: dict = {}
        self._freeze = False

    def __len__(self) -> int:
        return len(self._mapping)

    def freeze(self, freeze: bool = True) -> None:
        """Whether words that are not here stay unknown."""
        self._freeze = freeze

    def get(self, category) -> int:
        if category not in self._mapping:
            if self._freeze:
                return 0
            self._mapping[category] = len(self._mapping)
            if self._reverse_mapping is not None:
                self._reverse_mapping.append(category)
        return self._mapping[category]

    def add(self, category, count: int = 1) -> None:
        if self.get(category):
            self._freq[category] = self._freq.get(category, 0) + count

    def trim(self, min_frequency: int, max_frequency: int = -1) -> None:
        """Keeps words that occur more than `min_frequency` times; the most frequent one becomes 1."""
        by_frequency = sorted(sorted(self._freq.items()), key=lambda item: item[1], reverse=True)
        kept = [
            (word, count)
            for word, count in by_frequency
            if count > min_frequency and (max_frequency <= 0 or count < max_frequency)
        ]
        self._freq = dict(kept)
        words = [self._unknown_token, *(word for word, _ in kept)]
        self._mapping = {word: number for number, word in enumerate(words)}
        self._reverse_mapping = words if self._reverse_mapping is not None else None

    def reverse(self, class_id: int):
        if self._reverse_mapping is None:
            raise ValueError("This vocabulary wasn't initialized with support_reverse to support reverse() function.")
        return self._reverse_mapping[class_id]


# An acronym, a part of a CamelCase word, or a word with its hyphens and apostrophes.
_TOKEN = re.compile(r"[A-Z][A-Z]+(?![a-z])|[A-Z][a-z]+(?=[A-Z])|[-'\w]+")


def tokenizer(iterator):
    """The words of each text."""
    for text in iterator:
        yield _TOKEN.findall(text)


class VocabularyProcessor:
    """Numbers the words of documents and cuts or fills up each to `max_document_length` numbers."""

    def __init__(self, max_document_length: int, min_frequency: int = 0, vocabulary=None, tokenizer_fn=None):
        self.max_document_length = max_document_length
        self.min_frequency = min_frequency
        self.vocabulary_ = vocabulary or CategoricalVocabulary()
        self._tokenizer = tokenizer_fn or tokenizer

    def fit(self, raw_documents, unused_y=None) -> "VocabularyProcessor":
        """Adds the documents' words to `vocabulary_`, which keeps those with more than `min_frequency` and freezes."""
        for words in self._tokenizer(raw_documents):
            for word in words:
                self.vocabulary_.add(word)
        if self.min_frequency > 0:
            self.vocabulary_.trim(self.min_frequency)
        self.vocabulary_.freeze()
        return self

    def fit_transform(self, raw_documents, unused_y=None):
        self.fit(raw_documents)
        return self.transform(raw_documents)

    def transform(self, raw_documents):
        """Yields int64 [max_document_length] for each document, 0 after its end."""
        for words in self._tokenizer(raw_documents):
            numbers = np.zeros(self.max_document_length, np.int64)
            for position, word in enumerate(words[: self.max_document_length]):
                numbers[position] = self.vocabulary_.get(word)
            yield numbers

    def reverse(self, documents):
        """Yields each document's words, joined by spaces."""
        for numbers in documents:
            yield " ".join(self.vocabulary_.reverse(number) for number in numbers)

    def save(self, filename) -> None:
        with open(filename, "wb") as file:
            pickle.dump(self, file)

    @classmethod
    def restore(cls, filename) -> "VocabularyProcessor":
        """What `save` has written; as with every pickle, open only files that you trust."""
        with open(filename, "rb") as file:
            return pickle.load(file)
