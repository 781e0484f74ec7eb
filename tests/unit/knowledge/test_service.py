"""Datasets of documents, local and behind a service that speaks Dify's External Knowledge API."""

import json
from collections.abc import Iterator

import pytest

from tests.unit.outbound.web import WebServer
from worker.config import Config
from worker.engine.errors import RunStopped
from worker.engine.inbox import Inbox
from worker.engine.knowledge import (
    Dataset,
    DatasetNotMapped,
    KnowledgeError,
    MetadataCondition,
    MetadataField,
    MetadataFilter,
    NoKnowledge,
    RetrievalConfig,
    Weights,
)
from worker.engine.models import Embeddings, ModelError, ModelRef, NoModels, RankedDocument
from worker.knowledge.adding import make_document
from worker.knowledge.service import KnowledgeService
from worker.outbound.client import GuardedClient
from worker.store import knowledge, knowledge_maps
from worker.store.migrate import upgrade
from worker.store.sealing import Sealing
from worker.store.session import Database

KEY = "canary-knowledge-key"

RECORDS = [
    {"content": "Second.", "score": 0.4, "title": "b.md", "metadata": {"path": "s3://b", "document_id": "doc-b"}},
    {"content": "First.", "score": 0.9, "title": "a.md", "metadata": {"url": "https://docs.example/a"}},
]


class ScriptedModels(NoModels):
    """Embeds a text by what it is about; ranks documents by length."""

    def __init__(self, failure: ModelError | None = None) -> None:
        self.failure = failure
        self.embedded: list[int] = []

    def embed(self, model, texts, cancellation=None):
        assert (model.provider, model.name) == ("openai", "small")
        self.embedded.append(len(texts))
        # Money and refunds are near in meaning, though not in letters.
        return Embeddings([[1.0 * ("refund" in text.lower() or "money" in text.lower()), "parcel" in text, 0.01] for text in texts])

    def rerank(self, model, query, documents, top_n, cancellation=None):
        if self.failure:
            raise self.failure
        order = sorted(range(len(documents)), key=lambda index: len(documents[index]))[:top_n]
        return [RankedDocument(index, 1 - place / 10) for place, index in enumerate(order)]


class World:
    def __init__(self, database: Database, config: Config, web: WebServer, http: GuardedClient) -> None:
        self.database, self.config, self.web, self.http = database, config, web, http
        self.models = ScriptedModels()
        self.answers: list[tuple[int, bytes]] = []
        web.routes["/api/retrieval"] = lambda seen, answer: answer.send(self.answers[-1][1], self.answers[-1][0])
        self.answer({"records": RECORDS})

    def answer(self, body: object, status: int = 200) -> None:
        self.answers.append((status, body if isinstance(body, bytes) else json.dumps(body).encode()))

    def map_service(self, dataset_id: str, key: str | None = KEY, endpoint: str | None = None) -> None:
        sealed = Sealing.provide(self.config).seal(knowledge_maps.SEALED_FOR, dataset_id, key) if key else None
        with self.database.begin() as session:
            target = knowledge_maps.ExternalTarget(endpoint or f"{self.web.url}/api/", "k-1", sealed)
            knowledge_maps.map_external(session, dataset_id, target)

    def add_base(self, dataset_id: str, name: str, texts: dict[str, str], embedding: tuple[str, str] | None = None) -> None:
        with self.database.begin() as session:
            base = knowledge.ensure_base(session, name, embedding)
            for title, text in texts.items():
                knowledge.save_document(session, base.id, make_document(title, text, {"title": title}, self.models, embedding))
            knowledge_maps.map_local(session, dataset_id, base.id)

    def retrieve(self, *dataset_ids: str, query: str = "refund", config: RetrievalConfig | None = None, inbox: Inbox | None = None):
        service = KnowledgeService(self.database, self.config, self.http, self.models)
        return service.retrieve(dataset_ids, query, config or RetrievalConfig(), inbox or Inbox())

    def names(self, *dataset_ids: str, **changes) -> list[str]:
        return [passage.document_name for passage in self.retrieve(*dataset_ids, **changes)]

    @property
    def asked(self) -> dict:
        return json.loads(self.web.seen[-1].body)


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    config = Config(data_dir=tmp_path, database_url=f"sqlite:///{tmp_path}/test.sqlite3", secret_key="a secret of this deployment")
    upgrade(config)
    database = Database.connect(config)
    http = GuardedClient(["127.0.0.1/32"])
    with WebServer() as web:
        yield World(database, config, web, http)
        http.close()
    database.dispose()


def test_a_service_is_asked_as_the_public_api_says(world):
    world.map_service("d")
    filters = MetadataFilter("or", [MetadataCondition("kind", "is", "faq"), MetadataCondition("year", "empty")])
    world.retrieve("d", query="Rückgabe?", config=RetrievalConfig(top_k=7, score_threshold=0.25, filter=filters))

    [seen] = world.web.seen
    assert (seen.method, seen.target) == ("POST", "/api/retrieval")
    assert (seen.headers["authorization"], seen.headers["content-type"]) == (f"Bearer {KEY}", "application/json")
    assert world.asked == {
        "knowledge_id": "k-1",
        "query": "Rückgabe?",
        "retrieval_setting": {"top_k": 7, "score_threshold": 0.25},
        "metadata_condition": {
            "logical_operator": "or",
            "conditions": [
                {"name": "kind", "comparison_operator": "is", "value": "faq"},
                {"name": "year", "comparison_operator": "empty", "value": None},
            ],
        },
    }


def test_the_fields_of_local_documents_are_known(world):
    world.map_service("external")
    with world.database.begin() as session:
        base = knowledge.ensure_base(session, "Handbook")
        for name, details in {
            "a.md": {"year": 2023, "kind": "faq", "draft": True},
            "b.md": {"year": 2024.5, "tags": ["x"], "kind": ""},
        }.items():
            knowledge.save_document(session, base.id, make_document(name, "Refunds.", details, world.models))
        knowledge_maps.map_local(session, "local", base.id)

    found = KnowledgeService(world.database, world.config, world.http, world.models).metadata_fields(["external", "local"])
    assert found == [
        MetadataField("year", "number", (2023, 2024.5)),
        MetadataField("kind", "text", ("faq",)),
        MetadataField("draft", "text", ("True",)),
    ]


def test_a_field_shows_some_of_its_values_only(world):
    with world.database.begin() as session:
        base = knowledge.ensure_base(session, "Many")
        for number in range(40):
            knowledge.save_document(session, base.id, make_document(f"{number}.md", "x", {"n": number, "long": "y" * 500}, world.models))
        knowledge_maps.map_local(session, "many", base.id)

    by_number, long = KnowledgeService(world.database, world.config, world.http, world.models).metadata_fields(["many"])
    assert len(by_number.values) == 20
    assert long.values == ("y" * 100,)


def test_without_key_and_filter_neither_is_sent(world):
    world.map_service("d", key=None)
    world.retrieve("d")

    assert "authorization" not in world.web.seen[0].headers
    assert set(world.asked) == {"knowledge_id", "query", "retrieval_setting"}


def test_records_become_passages_the_best_first(world):
    world.map_service("d")
    first, second = world.retrieve("d")

    assert (first.content, first.score, first.document_name, first.document_id) == ("First.", 0.9, "a.md", "a.md")
    assert (first.dataset, first.source, first.metadata) == (Dataset("d", "k-1"), "external", {"url": "https://docs.example/a"})
    assert (second.content, second.document_id, second.segment_id) == ("Second.", "doc-b", None)


def test_records_with_less_than_the_api_asks_for_are_taken(world):
    world.map_service("d")
    world.answer({"records": [{"metadata": None}, {"content": 5, "score": "0.5"}, {"content": "x", "score": "high"}]})

    assert [(passage.content, passage.score) for passage in world.retrieve("d")] == [("5", 0.5), ("", 0.0), ("x", 0.0)]


def test_threshold_and_number_hold_for_services_that_ignore_them(world):
    world.map_service("d")

    assert world.names("d", config=RetrievalConfig(score_threshold=0.5)) == ["a.md"]
    assert world.names("d", config=RetrievalConfig(top_k=1)) == ["a.md"]


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"error_code": 2001, "error_msg": "No such knowledge"}, 404, "answered 404: No such knowledge (error code 2001)"),
        (b"<h1>Bad\n gateway</h1>", 502, "answered 502: <h1>Bad gateway</h1>"),
        (b"", 500, "answered 500."),
        (b"not json", 200, "answered without a list of records."),
        ({"records": None}, 200, "answered without a list of records."),
        ({"records": ["text"]}, 200, "answered without a list of records."),
        (b"[" * 100_000, 200, "answered without a list of records."),
    ],
)
def test_a_service_that_fails_fails_the_retrieval_in_its_own_words(world, body, status, text):
    world.map_service("d")
    world.answer(body, status)
    with pytest.raises(KnowledgeError) as failure:
        world.retrieve("d")

    assert failure.value.message == f"The knowledge service of the dataset 'd' {text}"
    assert KEY not in failure.value.message


def test_a_service_that_cannot_be_reached_fails_the_retrieval(world):
    world.map_service("d", endpoint="http://127.0.0.1:1/x")

    with pytest.raises(KnowledgeError, match=r"^The knowledge service of the dataset 'd' cannot be asked: "):
        world.retrieve("d")


def test_services_at_private_addresses_need_the_operators_word(world):
    world.map_service("d")
    world.http.close()
    world.http = GuardedClient()

    with pytest.raises(KnowledgeError, match="SSRF protection"):
        world.retrieve("d")
    world.http.close()


def test_a_key_that_another_secret_sealed_is_named(world):
    world.map_service("d")
    world.config = Config(data_dir=world.config.data_dir, database_url=world.config.database_url, secret_key="another secret")

    with pytest.raises(KnowledgeError, match=r"The API key of the dataset 'd' cannot be opened: .* run `penstock knowledge map`"):
        world.retrieve("d")


def test_a_key_that_was_moved_to_another_dataset_does_not_open(world):
    world.map_service("d")
    with world.database.begin() as session:
        stolen = knowledge_maps.find_targets(session, ["d"])["d"]
        knowledge_maps.map_external(session, "e", stolen)

    with pytest.raises(KnowledgeError, match="API key of the dataset 'e'"):
        world.retrieve("e")


def test_a_stopped_run_asks_nobody(world):
    world.map_service("d")
    inbox = Inbox()
    inbox.stop()

    with pytest.raises(RunStopped):
        world.retrieve("d", inbox=inbox)
    assert world.web.seen == []


def test_a_blank_query_finds_nothing_and_asks_nobody(world):
    world.map_service("d")

    assert world.retrieve("d", query=" \n") == []
    assert world.web.seen == []


def test_an_unmapped_dataset_is_named_with_what_to_do(world):
    world.map_service("d")
    with pytest.raises(DatasetNotMapped) as failure:
        world.retrieve("d", "8c4620fa")

    assert "dataset '8c4620fa': run `penstock knowledge map 8c4620fa --local NAME`" in failure.value.message
    assert world.web.seen == []


def test_a_deployment_without_knowledge_says_the_same():
    with pytest.raises(DatasetNotMapped, match="'d'"):
        NoKnowledge().retrieve(["d"], "x", RetrievalConfig(), Inbox())
    assert NoKnowledge().retrieve([], "x", RetrievalConfig(), Inbox()) == []


def test_local_passages_know_where_they_come_from(world):
    world.add_base("d", "Handbook", {"a.md": "Refunds take 14 days."})
    [found] = world.retrieve("d")
    [again] = world.retrieve("d")

    assert (found.dataset, found.source, found.metadata) == (Dataset("d", "Handbook"), "upload_file", {"title": "a.md"})
    assert (found.segment_position, found.segment_id, len(found.segment_hash)) == (1, again.segment_id, 64)
    assert 0.5 < found.score < 1


def test_passages_of_all_datasets_compete(world):
    world.add_base("local", "Handbook", {"local.md": "Refunds take 14 days."})
    world.map_service("external")
    config = RetrievalConfig(top_k=2)

    assert world.names("local", "external", "local", config=config) == ["a.md", "local.md"]


TEXTS = {"money.md": "Your money comes back soon.", "parcel.md": "A parcel is refund-free.", "other.md": "Rain."}


def test_a_base_with_an_embedding_model_is_searched_by_meaning(world):
    world.add_base("d", "Handbook", TEXTS, ("openai", "small"))

    assert world.names("d", config=RetrievalConfig(top_k=1)) == ["parcel.md"]
    assert world.names("d", config=RetrievalConfig(top_k=2, weights=Weights(0.0, 1.0))) == ["money.md", "parcel.md"]


def test_weights_without_vectors_need_no_model(world):
    world.add_base("d", "Handbook", TEXTS, ("openai", "small"))
    world.models.embedded.clear()

    assert world.names("d", config=RetrievalConfig(weights=Weights(1.0, 0.0))) == ["parcel.md"]
    assert world.models.embedded == []


def test_documents_are_embedded_in_batches(world):
    world.add_base("d", "Handbook", {"long.md": "\n\n".join(f"{number} ".ljust(400, "x") for number in range(40))}, ("openai", "small"))

    assert world.models.embedded == [32, 8]


def test_a_base_whose_model_is_not_configured_says_so(world):
    world.add_base("d", "Handbook", TEXTS, ("openai", "small"))
    world.models = NoModels()

    with pytest.raises(ModelError, match="Model provider openai is not configured"):
        world.retrieve("d")


def reranked(model):
    return RetrievalConfig(top_k=2, score_threshold=0.95, reranker=model)


def test_a_reranking_model_has_the_last_word(world):
    world.add_base("d", "Handbook", {"long.md": "Refund, refund, refund!", "short.md": "A refund"})

    assert world.names("d", config=reranked(ModelRef("cohere", "rerank"))) == ["short.md"]


def test_without_the_provider_of_the_reranking_model_scores_decide(world):
    world.add_base("d", "Handbook", {"a.md": "A refund"})
    world.models = NoModels()
    config = RetrievalConfig(reranker=ModelRef("cohere", "rerank"))

    assert world.names("d", config=config) == ["a.md"]


def test_a_reranking_model_that_fails_fails_the_retrieval(world):
    world.add_base("d", "Handbook", {"a.md": "A refund"})
    world.models = ScriptedModels(ModelError("overloaded"))

    with pytest.raises(ModelError, match="overloaded"):
        world.retrieve("d", config=reranked(ModelRef("cohere", "rerank")))
