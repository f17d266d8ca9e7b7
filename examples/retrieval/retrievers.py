"""Three ways to find entries of the corpus: BM25, TF-IDF, and both fused.

Each answers `search(query, limit)` with names, best first. An index is built once per process, by
the first thread that asks for it.
"""

import functools
import math
import threading
from collections import Counter, defaultdict

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import linear_kernel
from stdlib_docs import Entry, corpus, stems

_lock = threading.RLock()


class Bm25:
    """Okapi BM25 over words: rare words count more, repeated words less and less."""

    K1 = 1.2
    B = 0.75

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.names = list(entries)
        self.postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.lengths: list[int] = []
        for row, entry in enumerate(entries.values()):
            counts = Counter(stems(searchable(entry)))
            self.lengths.append(counts.total())
            for word, count in counts.items():
                self.postings[word].append((row, count))
        self.mean_length = sum(self.lengths) / len(self.lengths)

    def weight(self, word: str) -> float:
        """Inverse document frequency: how much it says that an entry has this word."""
        frequency = len(self.postings.get(word, ()))
        return math.log(1 + (len(self.names) - frequency + 0.5) / (frequency + 0.5))

    def search(self, query: str, limit: int) -> list[str]:
        scores: dict[int, float] = defaultdict(float)
        for word in dict.fromkeys(stems(query)):
            weight = self.weight(word)
            for row, count in self.postings.get(word, ()):
                norm = self.K1 * (1 - self.B + self.B * self.lengths[row] / self.mean_length)
                scores[row] += weight * count * (self.K1 + 1) / (count + norm)
        best = sorted(scores, key=lambda row: (-scores[row], row))
        return [self.names[row] for row in best[:limit]]


class TfIdf:
    """Cosine similarity of character n-grams, so that `delete` meets `deleted`."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.names = list(entries)
        self.vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
        self.matrix = self.vectorizer.fit_transform(
            " ".join(stems(searchable(entry))) for entry in entries.values()
        )

    def search(self, query: str, limit: int) -> list[str]:
        vector = self.vectorizer.transform([" ".join(stems(query))])
        scores = linear_kernel(vector, self.matrix).ravel()
        best = np.argsort(-scores, kind="stable")[:limit]
        return [self.names[row] for row in best if scores[row] > 0]


def searchable(entry: Entry) -> str:
    """Return what is indexed of an entry; its name counts twice."""
    return f"{entry.name} {entry.name} {entry.text}"


def fuse(*rankings: list[str], limit: int, k: int = 60) -> list[str]:
    """Reciprocal rank fusion: a name scores `1 / (k + rank)` in every ranking that has it."""
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, name in enumerate(ranking, start=1):
            scores[name] += 1 / (k + rank)
    return sorted(scores, key=lambda name: (-scores[name], name))[:limit]


def bm25() -> Bm25:
    """Return the BM25 index of the corpus."""
    with _lock:
        return _bm25()


def tfidf() -> TfIdf:
    """Return the TF-IDF index of the corpus."""
    with _lock:
        return _tfidf()


@functools.cache
def _bm25() -> Bm25:
    return Bm25(corpus())


@functools.cache
def _tfidf() -> TfIdf:
    return TfIdf(corpus())
