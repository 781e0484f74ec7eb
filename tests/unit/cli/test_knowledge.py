import io
import json

import pytest

from app.dev_model.server import BackgroundServer
from tests.services import documents

CANARY = "canary-knowledge-key"


@pytest.fixture
def handbook(penstock, tmp_path):
    (tmp_path / "refunds.md").write_text("Refunds are paid within 14 days.\n", "utf-8")
    (tmp_path / "退款.txt").write_text("退款将在14天内支付。", "utf-8")
    done = penstock("knowledge", "add", "Handbook", tmp_path / "refunds.md", tmp_path / "退款.txt", "--metadata", "year=2024")
    assert (done.code, done.out.splitlines()) == (0, ["refunds.md is in Handbook (chunks: 1).", "退款.txt is in Handbook (chunks: 1)."])
    return penstock


@pytest.fixture
def workflow(tmp_path):
    """Writes an app that asks the datasets of these ids."""

    def write(*dataset_ids):
        node = documents.node("find", "knowledge-retrieval", query_variable_selector=["start", "q"], dataset_ids=list(dataset_ids))
        chain = [documents.start(documents.variable("q")), node, documents.end(found=["find", "result"])]
        path = tmp_path / "asks.yml"
        path.write_text(json.dumps(documents.chain("Asks", chain), ensure_ascii=False), "utf-8")
        return path

    return write


def test_bases_and_their_documents_are_listed(handbook):
    [base] = handbook("knowledge", "list", "--json").lines()
    shown = {row["name"]: row for row in handbook("knowledge", "show", "Handbook", "--json").lines()}

    assert (base["name"], base["documents"], base["chunks"], base["embedding"]) == ("Handbook", 2, 2, None)
    assert set(shown) == {"refunds.md", "退款.txt"}
    assert shown["refunds.md"]["details"]["year"] == 2024
    assert shown["refunds.md"]["details"]["document_name"] == "refunds.md"


def test_tables_have_a_row_for_each(handbook):
    handbook("knowledge", "map", "d", "--local", "Handbook")

    assert handbook("knowledge", "list").out.split("\t")[:3] == ["Handbook", "2", "2"]
    assert handbook("knowledge", "show", "Handbook").out.splitlines()[0].split("\t")[:3] == ["refunds.md", "33", "1"]
    assert handbook("knowledge", "maps").out.split("\t")[:2] == ["d", "Handbook"]


def test_a_workflow_finds_what_was_added(handbook, workflow):
    handbook("knowledge", "map", "8c4620fa-15d7", "--local", "Handbook")
    done = handbook("run", workflow("8c4620fa-15d7"), "-i", "q=When are refunds paid?")

    [found] = json.loads(done.out)["found"]
    assert (done.code, found["title"], found["metadata"]["dataset_name"]) == (0, "refunds.md", "Handbook")
    assert found["content"] == "Refunds are paid within 14 days."


def test_a_run_without_a_map_says_what_to_do(handbook, workflow):
    done = handbook("run", workflow("8c4620fa-15d7"), "-i", "q=x")

    assert done.code == 1
    assert "run `penstock knowledge map 8c4620fa-15d7 --local NAME`" in " ".join(done.err.split())


def test_a_bad_file_does_not_stop_the_others(penstock, tmp_path):
    good, blank, odd = tmp_path / "good.txt", tmp_path / "blank.txt", tmp_path / "odd.xyz"
    good.write_text("Text.")
    blank.write_text(" \n")
    odd.write_text("?")
    done = penstock("knowledge", "add", "B", tmp_path / "gone.txt", odd, blank, good, "--json")

    gone_line, odd_line, blank_line, good_line = done.lines()
    assert done.code == 1
    assert gone_line["error"] == "No such file or directory"
    assert odd_line["error"] == "Unsupported Extension Type: .xyz"
    assert blank_line["error"] == "The document has no text."
    assert good_line == {"file": str(good), "base": "B", "characters": 5, "chunks": 1}


def test_documents_and_bases_are_removed(handbook):
    handbook("knowledge", "map", "d", "--local", "Handbook")

    assert handbook("knowledge", "delete", "Handbook", "--document", "refunds.md", "--yes").code == 0
    assert [row["name"] for row in handbook("knowledge", "show", "Handbook", "--json").lines()] == ["退款.txt"]
    assert handbook("knowledge", "delete", "Handbook", "--yes").out == "Handbook is removed.\n"
    assert (handbook("knowledge", "list").out, handbook("knowledge", "maps").out) == ("", "")


def test_the_embedding_model_of_a_base_stays(handbook, tmp_path):
    done = handbook("knowledge", "add", "Handbook", tmp_path / "refunds.md", "--embedding", "openai", "small")

    assert done.code == 1
    assert "The knowledge base 'Handbook' has no embedding model; another one needs a new base." in done.err


def test_keys_of_services_are_kept_out_of_sight(penstock, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{CANARY}\n"))
    done = penstock("knowledge", "map", "d", "--endpoint", "https://k.example/api", "--knowledge-id", "k-1", "--api-key", "-")
    kept = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]

    assert done.out == "d is mapped to https://k.example/api.\n"
    assert penstock("knowledge", "maps", "--json").lines() == [
        {"dataset_id": "d", "local": None, "endpoint": "https://k.example/api", "knowledge_id": "k-1", "has_key": True}
    ]
    assert not any(CANARY.encode() in content for content in kept)


def test_an_empty_key_is_refused(penstock, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    done = penstock("knowledge", "map", "d", "--endpoint", "https://k.example/api", "--knowledge-id", "k-1", "--api-key", "-")

    assert (done.code, "There is no API key on stdin." in done.err) == (2, True)
    assert penstock("knowledge", "maps").out == ""


def test_a_map_can_be_taken_back(handbook):
    handbook("knowledge", "map", "d", "--local", "Handbook")

    assert handbook("knowledge", "unmap", "d").out == "d is not mapped any more.\n"
    assert handbook("knowledge", "unmap", "d").code == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Give either --local, or --endpoint and --knowledge-id."),
        (["--endpoint", "https://k.example"], "Give either --local, or --endpoint and --knowledge-id."),
        (["--local", "Handbook", "--knowledge-id", "k"], "Give either --local, or --endpoint and --knowledge-id."),
        (["--endpoint", "k.example", "--knowledge-id", "k"], "--endpoint must be an http or https URL."),
        (["--local", "Other"], "There is no knowledge base 'Other'."),
    ],
)
def test_a_map_needs_one_target(handbook, options, said):
    done = handbook("knowledge", "map", "d", *options)

    assert (done.code != 0, said in done.err) == (True, True)


def test_metadata_needs_a_name_and_a_value(penstock, tmp_path):
    done = penstock("knowledge", "add", "B", tmp_path / "a.txt", "--metadata", "year")

    assert (done.code, "must have the form NAME=VALUE" in done.err) == (2, True)


def test_a_trial_with_scripted_models_makes_passages_up_for_datasets_that_are_elsewhere(handbook, workflow):
    handbook("knowledge", "map", "here", "--local", "Handbook")
    elsewhere = handbook("run", workflow("8c4620fa-15d7"), "-i", "q=x", "--dev-model")
    here = handbook("run", workflow("here"), "-i", "q=refunds", "--dev-model")

    [passage] = json.loads(elsewhere.out)["found"]
    assert (elsewhere.code, passage["metadata"]["dataset_id"]) == (0, "8c4620fa-15d7")
    assert "made up for the query: x" in passage["content"]
    assert [found["title"] for found in json.loads(here.out)["found"]] == ["refunds.md"]


def test_a_base_is_searched_by_meaning_with_the_model_of_a_provider(penstock, monkeypatch, tmp_path, workflow):
    (tmp_path / "refunds.md").write_text("Refunds are paid within 14 days.\n", "utf-8")
    with BackgroundServer() as vendor:
        monkeypatch.setenv("PENSTOCK_PROVIDER_OPENAI_BASE_URL", f"{vendor.url}/v1")
        monkeypatch.setenv("PENSTOCK_PROVIDER_OPENAI_API_KEY", "any")
        added = penstock("knowledge", "add", "Near", tmp_path / "refunds.md", "--embedding", "openai", "text-embedding-3-small")
        penstock("knowledge", "map", "d", "--local", "Near")
        done = penstock("run", workflow("d"), "-i", "q=Refunds are paid within 14 days.")

    [found] = json.loads(done.out)["found"]
    assert (added.code, done.code) == (0, 0)
    # Vectors of the same text are the same; with all words, the words alone score less.
    assert found["metadata"]["score"] > 0.9
    assert penstock("knowledge", "list", "--json").lines()[0]["embedding"] == "openai text-embedding-3-small"
