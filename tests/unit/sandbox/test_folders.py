import os

from worker.sandbox.folders import remove_tree


def test_a_tree_of_any_shape_is_removed(tmp_path):
    base = tmp_path / "base"
    (base / "a" / "b" / "c").mkdir(parents=True)
    (base / "a" / "b" / "file").write_text("x")
    (base / "locked" / "inner").mkdir(parents=True)
    (base / "locked").chmod(0)
    (base / "\udcff\n").write_text("a name that is no text")
    os.mkfifo(base / "a" / "pipe")

    remove_tree(str(base))

    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_but_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("x")
    base = tmp_path / "base"
    base.mkdir()
    (base / "link").symlink_to(elsewhere)

    remove_tree(str(base))

    assert not base.exists()
    assert (elsewhere / "kept").read_text() == "x"


def test_a_tree_deeper_than_any_path_is_removed(tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    here = os.getcwd()
    os.chdir(base)
    try:
        for _ in range(1100):
            os.mkdir("deep")
            os.chdir("deep")
    finally:
        os.chdir(here)

    remove_tree(str(base))

    assert not base.exists()
