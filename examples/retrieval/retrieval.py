"""Which function of the standard library do I need? rewrite -> retrieve -> rerank -> answer.

An agent-like graph without a language model: it keeps a message list, and when it is not confident
of its answer it goes back and rewrites the question. The corpus is Python's own documentation, so
everything runs offline. Three retrievers are compared; the rest of the graph stays as it is.
"""

from typing import Annotated, Any, Literal, TypedDict

import wtb
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from retrievers import bm25, fuse, tfidf
from stdlib_docs import Entry, corpus, stems, words

MAX_ROUNDS = 2
CONFIDENT = 0.4
CANDIDATES = 20

STOP_WORDS = frozenset(
    words(
        """a about all an and any are as at be by can do does for from get have how i if in into is
        it its me my need not of on one or out so something that the there thing this to up want
        what when where which while will with without you"""
    )
)
SYNONYMS = {
    "abbreviate": "shorten truncate",
    "alphabetical": "sort order",
    "biggest": "largest",
    "concatenate": "join",
    "copy": "duplicate",
    "delete": "remove",
    "directory": "folder",
    "execute": "run",
    "folder": "directory",
    "guess": "determine",
    "hide": "suppress ignore",
    "internet": "url address",
    "middle": "median",
    "password": "secret token",
    "picture": "image",
    "program": "command executable process",
    "remember": "cache",
    "similar": "close match",
    "typo": "close match",
    "web": "url http",
}


class Question(TypedDict):
    """What a case has to give."""

    question: str


class State(Question):
    """Everything the nodes pass on."""

    messages: Annotated[list[AnyMessage], add_messages]
    rounds: int
    query: str
    candidates: list[str]
    answer: str | None
    confidence: float


def rewrite(state: State) -> dict[str, Any]:
    """Turn the question into a query; on the second round add synonyms."""
    done = state.get("rounds", 0)
    terms = [word for word in words(state["question"]) if word not in STOP_WORDS]
    if done:
        terms += [synonym for term in terms for synonym in SYNONYMS.get(term, "").split()]
    query = " ".join(terms)
    # Ids of our own, because add_messages would invent random ones and no two runs were alike.
    messages: list[AnyMessage] = [AIMessage(f"Searching for: {query}", id=f"query-{done + 1}")]
    if not done:
        messages.insert(0, HumanMessage(state["question"], id="question"))
    return {"query": query, "rounds": done + 1, "messages": messages}


def retrieve(state: State) -> dict[str, Any]:
    """BM25: the baseline."""
    return {"candidates": bm25().search(state["query"], CANDIDATES)}


def rerank(state: State) -> dict[str, Any]:
    """Mix the retriever's order with how much of the query a candidate's first sentence covers.

    Modules go last: the question asks for a function or a class.
    """
    ranks = {name: rank for rank, name in enumerate(state["candidates"], start=1)}

    def merit(name: str) -> tuple[bool, float]:
        entry = corpus()[name]
        return entry.kind != "module", coverage(state["query"], entry) + 1 / (1 + ranks[name])

    return {"candidates": sorted(ranks, key=merit, reverse=True)}


def answer(state: State) -> dict[str, Any]:
    """Name the first candidate, and say how sure that is."""
    if not state["candidates"]:
        message = AIMessage("Nothing found.", id=f"answer-{state['rounds']}")
        return {"answer": None, "confidence": 0.0, "messages": [message]}
    entry = corpus()[state["candidates"][0]]
    message = AIMessage(f"{entry.name}: {entry.summary}", id=f"answer-{state['rounds']}")
    return {
        "answer": entry.name,
        "confidence": coverage(state["query"], entry),
        "messages": [message],
    }


def confident(state: State) -> Literal["rewrite", "__end__"]:
    """Go round again unless the answer is good or the rounds are used up."""
    if state["confidence"] >= CONFIDENT or state["rounds"] >= MAX_ROUNDS:
        return "__end__"
    return "rewrite"


def coverage(query: str, entry: Entry) -> float:
    """Return the part of the query, 0 to 1, that the entry's name and first sentence contain.

    Words are weighted: it says more to share a rare word than a common one.
    """
    weights = {stem: bm25().weight(stem) for stem in stems(query)}
    total = sum(weights.values())
    found = weights.keys() & set(stems(f"{entry.name} {entry.summary}"))
    return sum(weights[stem] for stem in sorted(found)) / total if total else 0.0


graph = StateGraph(State, input_schema=Question)
graph.add_node("rewrite", rewrite)
graph.add_node("retrieve", retrieve)
graph.add_node("rerank", rerank)
graph.add_node("answer", answer)
graph.add_edge(START, "rewrite")
graph.add_edge("rewrite", "retrieve")
graph.add_edge("retrieve", "rerank")
graph.add_edge("rerank", "answer")
graph.add_conditional_edges("answer", confident, ["rewrite", END])

workflow = wtb.Workflow("retrieval", graph)


@workflow.variant("retrieve", "tfidf")
def retrieve_tfidf(state: State) -> dict[str, Any]:
    """Character n-grams with TF-IDF weights."""
    return {"candidates": tfidf().search(state["query"], CANDIDATES)}


@workflow.variant("retrieve", "hybrid")
def retrieve_hybrid(state: State) -> dict[str, Any]:
    """Both retrievers, fused by rank."""
    rankings = [index.search(state["query"], CANDIDATES) for index in (bm25(), tfidf())]
    return {"candidates": fuse(*rankings, limit=CANDIDATES)}
