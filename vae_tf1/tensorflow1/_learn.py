"""The parts of `tf.contrib.learn` that programs use without an estimator."""

import collections
import csv
import pickle
import re

import numpy as np


class ModeKeys:
    TRAIN = "train"
    EVAL = "eval"
    INFER = "infer"


Dataset = collections.namedtuple("Dataset", ["data", "target"])


def load_csv_with_header(filename, target_dtype, features_dtype, target_column: int = -1) -> Dataset:
    """Reads a CSV file whose first line begins with the numbers of rows and features.

    Returns:
        `data` [rows, features] and `target` [rows], the file's `target_column`.

    Raises:
        ValueError: the file has other numbers of rows or features.
    """
    with open(filename) as file:
        rows, features = (int(number) for number in file.readline().split(",")[:2])
        dataset = _split_columns(file, target_dtype, features_dtype, target_column)
    if dataset.data.shape != (rows, features):
        raise ValueError(
            f"{filename} has data of shape {dataset.data.shape}; correct its first line, {rows},{features}."
        )
    return dataset


def load_csv_without_header(filename, target_dtype, features_dtype, target_column: int = -1) -> Dataset:
    """Reads a CSV file that begins with the data."""
    with open(filename) as file:
        return _split_columns(file, target_dtype, features_dtype, target_column)


def _split_columns(file, target_dtype, features_dtype, target_column: int) -> Dataset:
    data, target = [], []
    for row in csv.reader(file):
        target.append(row.pop(target_column))
        data.append(row)
    return Dataset(np.asarray(data, dtype=features_dtype), np.asarray(target).astype(target_dtype))


class CategoricalVocabulary:
    """Numbers words from 1; 0 is the unknown word."""

    def __init__(self, unknown_token: str = "<UNK>", support_reverse: bool = True):
        self._unknown_token = unknown_token
        self._mapping = {unknown_token: 0}
        self._reverse_mapping = [unknown_token] if support_reverse else None
        self._freq: dict = {}
        self._freeze = False

    def __len__(self) -> int:
        return len(self._mapping)

    def freeze(self, freeze: bool = True) -> None:
        """Stops (or allows, if False) numbering new words in `get`."""
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
        """Keeps words that occur more than `min_frequency` times, and renumbers them by frequency."""
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
            raise ValueError("This vocabulary can't look up words by number; create it with support_reverse=True.")
        return self._reverse_mapping[class_id]


# An acronym, a part of a CamelCase word, or a word with its hyphens and apostrophes.
_TOKEN = re.compile(r"[A-Z][A-Z]+(?![a-z])|[A-Z][a-z]+(?=[A-Z])|[-'\w]+")


def tokenizer(iterator):
    """Yields the words of each text."""
    for text in iterator:
        yield _TOKEN.findall(text)


class VocabularyProcessor:
    """Turns documents into numbers of words, cut or padded to `max_document_length`."""

    def __init__(self, max_document_length: int, min_frequency: int = 0, vocabulary=None, tokenizer_fn=None):
        self.max_document_length = max_document_length
        self.min_frequency = min_frequency
        self.vocabulary_ = vocabulary or CategoricalVocabulary()
        self._tokenizer = tokenizer_fn or tokenizer

    def fit(self, raw_documents, unused_y=None) -> "VocabularyProcessor":
        """Adds the documents' words to `vocabulary_`, drops those up to `min_frequency`, and freezes it."""
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
        """Reads what `save` has written; as with every pickle, open only files that you trust."""
        with open(filename, "rb") as file:
            return pickle.load(file)
