"""Knowledge bases, on every database: what is kept, what is found, what goes with what."""

import pytest
from sqlalchemy import text

from tests.contract.store.world import count, race
from worker.engine.inbox import Inbox
from worker.engine.knowledge import Dataset, MetadataCondition, MetadataFilter, RetrievalConfig
from worker.engine.models import NoModels
from worker.knowledge.adding import make_document
from worker.knowledge.local import LocalBases
from worker.store import knowledge, knowledge_index, knowledge_maps
from worker.store.errors import NotFound
from worker.store.knowledge_maps import ExternalTarget, LocalTarget
from worker.store.models import KnowledgeBase, KnowledgeChunk, KnowledgeDocument, KnowledgeMap
from worker.store.session import Database

TEXTS = {
    "refunds.md": "Refunds are paid within 14 days.",
    "shipping.md": "Parcels are shipped on the day of the order. Refunds for late parcels take longer.",
    "退款.md": "退款将在14天内支付。",
    "quotes.txt": "It's a \"quoted\" text with 'quotes', \\backslashes\\ and a NUL\0 & operators | ! <-> :*.",
}


@pytest.fixture
def base(database: Database) -> KnowledgeBase:
    with database.begin() as session:
        made = knowledge.ensure_base(session, "Handbook")
        for name, content in TEXTS.items():
            knowledge.save_document(session, made.id, make_document(name, content, {"name": name, "length": len(content)}, NoModels()))
    return made


def search(database: Database, base: KnowledgeBase, query: str, config: RetrievalConfig | None = None) -> list[str]:
    local = LocalBases(database, NoModels())
    found = local.search(Dataset("d", base.name), LocalTarget(base.id, base.name), query, config or RetrievalConfig(), Inbox())
    return [passage.document_name for passage in found]


def test_words_find_passages_with_the_most_of_them_first(database: Database, base: KnowledgeBase) -> None:
    assert search(database, base, "Is my refund late?") == ["shipping.md", "refunds.md"]
    assert search(database, base, "REFUNDS 14 days")[0] == "refunds.md"
    assert search(database, base, "unrelated questions") == []


def test_languages_without_spaces_are_found_by_pairs_of_characters(database: Database, base: KnowledgeBase) -> None:
    assert search(database, base, "什么时候退款?") == ["退款.md"]
    assert search(database, base, "付") == ["退款.md"]


@pytest.mark.parametrize("query", ["'", '"', "\\", "quotes' | 'x", '"refunds" NEAR', "a:* & !b", "\0", "", "*", "AND OR NOT"])
def test_no_query_is_taken_for_a_statement(database: Database, base: KnowledgeBase, query: str) -> None:
    assert set(search(database, base, query)) <= set(TEXTS)


def test_what_texts_contain_does_not_matter_to_the_index(database: Database, base: KnowledgeBase) -> None:
    assert search(database, base, "quoted backslashes") == ["quotes.txt"]


def test_only_documents_that_fit_the_filter_are_searched(database: Database, base: KnowledgeBase) -> None:
    only = MetadataFilter("and", [MetadataCondition("name", "is", "refunds.md")])
    none = MetadataFilter("and", [MetadataCondition("name", "is", "other")])

    assert search(database, base, "refunds parcels", RetrievalConfig(filter=only)) == ["refunds.md"]
    assert search(database, base, "refunds parcels", RetrievalConfig(filter=none)) == []


def test_bases_see_nothing_of_each_other(database: Database, base: KnowledgeBase) -> None:
    with database.begin() as session:
        other = knowledge.ensure_base(session, "Other")
        knowledge.save_document(session, other.id, make_document("a.txt", "Refunds!", {}, NoModels()))

    assert search(database, other, "refunds") == ["a.txt"]
    assert "a.txt" not in search(database, base, "refunds")


def test_a_document_of_the_same_name_replaces_the_earlier_one(database: Database, base: KnowledgeBase) -> None:
    with database.begin() as session:
        knowledge.save_document(session, base.id, make_document("refunds.md", "Money goes back at once.", {}, NoModels()))

    assert search(database, base, "paid within") == []
    assert search(database, base, "money") == ["refunds.md"]
    assert count(database, KnowledgeDocument) == len(TEXTS)


def test_what_was_deleted_is_not_found(database: Database, base: KnowledgeBase) -> None:
    with database.begin() as session:
        knowledge.delete_document(session, base.id, "refunds.md")

    assert search(database, base, "refunds") == ["shipping.md"]
    with pytest.raises(NotFound, match="has no document"), database.begin() as session:
        knowledge.delete_document(session, base.id, "refunds.md")


def test_a_base_goes_with_its_documents_and_maps(database: Database, base: KnowledgeBase) -> None:
    with database.begin() as session:
        knowledge_maps.map_local(session, "d", base.id)
        knowledge.delete_base(session, "Handbook")

    assert [count(database, model) for model in (KnowledgeBase, KnowledgeDocument, KnowledgeChunk, KnowledgeMap)] == [0, 0, 0, 0]
    assert search(database, base, "refunds") == []
    with pytest.raises(NotFound, match="no knowledge base 'Handbook'"), database.read() as session:
        knowledge.find_base(session, "Handbook")


def test_the_index_is_whole_after_many_changes(database: Database, base: KnowledgeBase) -> None:
    for number in range(5):
        with database.begin() as session:
            knowledge.save_document(session, base.id, make_document("shipping.md", f"Parcels, part {number}. " * 200, {}, NoModels()))
    if database.dialect == "sqlite":
        with database.begin() as session:
            session.execute(text("INSERT INTO knowledge_index(knowledge_index, rank) VALUES ('integrity-check', 1)"))

    assert set(search(database, base, "parcels")) == {"shipping.md"}


def test_bases_made_at_once_under_one_name_are_one(database: Database) -> None:
    def make() -> str:
        with database.begin() as session:
            return knowledge.ensure_base(session, "Handbook").id

    assert len(set(race([make] * 6))) == 1


def test_bases_and_documents_are_listed_with_their_sizes(database: Database, base: KnowledgeBase) -> None:
    with database.read() as session:
        [(listed, documents, chunks)] = knowledge.list_bases(session)
        facts = {document.name: document for document in knowledge.list_documents(session, base.id)}

    assert (listed.name, documents, chunks) == ("Handbook", 4, 4)
    assert facts["refunds.md"].details == {"name": "refunds.md", "length": 32}
    assert (facts["refunds.md"].size, facts["refunds.md"].chunks) == (32, 1)


def test_vectors_are_read_in_batches_and_only_of_the_documents_asked_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge_index, "BATCH", 2)
    chunks = [knowledge.Chunk(f"c{number}", ["c"], bytes([number]) * 4) for number in range(5)]
    with database.begin() as session:
        base = knowledge.ensure_base(session, "Vectors", ("openai", "small"))
        kept = knowledge.save_document(session, base.id, knowledge.NewDocument("a", 10, chunks))
        knowledge.save_document(session, base.id, knowledge.NewDocument("b", 10, [knowledge.Chunk("x", ["x"]), *chunks[:1]]))
    with database.read() as session:
        everything = list(knowledge_index.each_vector(session, base.id))
        some = list(knowledge_index.each_vector(session, base.id, [kept]))

    assert (len(everything), [vector[0] for _, vector in some]) == (6, [0, 1, 2, 3, 4])


def test_a_dataset_id_leads_to_what_it_was_mapped_to_last(database: Database, base: KnowledgeBase) -> None:
    external = ExternalTarget("https://knowledge.example", "k-1", b"\x01sealed")
    with database.begin() as session:
        knowledge_maps.map_external(session, "d", external)
        knowledge_maps.map_external(session, "e", ExternalTarget("https://knowledge.example", "k-2"))
        knowledge_maps.map_local(session, "d", base.id)
        knowledge_maps.map_external(session, "enc+/=", external)
    with database.read() as session:
        assert knowledge_maps.find_targets(session, ["d", "enc+/=", "unknown"]) == {
            "d": LocalTarget(base.id, "Handbook"),
            "enc+/=": external,
        }
        assert list(knowledge_maps.list_targets(session)) == ["d", "e", "enc+/="]


def test_an_id_that_was_unmapped_leads_nowhere(database: Database) -> None:
    with database.begin() as session:
        knowledge_maps.map_external(session, "d", ExternalTarget("https://knowledge.example", "k"))
        knowledge_maps.remove_map(session, "d")
    with database.read() as session:
        assert knowledge_maps.list_targets(session) == {}
    with pytest.raises(NotFound, match="mapped to the dataset 'd'"), database.begin() as session:
        knowledge_maps.remove_map(session, "d")


def test_a_file_name_that_is_no_text_is_kept_as_one(database: Database, base: KnowledgeBase) -> None:
    for _ in range(2):
        with database.begin() as session:
            knowledge.save_document(session, base.id, make_document("bad\udcff\0.txt", "Umbrella", {}, NoModels()))

    assert search(database, base, "umbrella") == ["bad\ufffd\ufffd.txt"]
