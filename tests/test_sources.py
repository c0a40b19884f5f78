"""Sources: fetched once through the user's own index settings, verified on every use, nothing run, nothing half-written."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import importlib.util
import io
import os
import shutil
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from sweeper.cli.command_line import main
from sweeper.data import cards, packages, sources
from sweeper.errors import DeclarationError, SourceError

from .conftest import card_text, reviews, write

PAIRS = 'task = "seq2seq"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "pairs"\n'
EVIL = "import pathlib; pathlib.Path('was_run').touch()\n"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel(folder: Path, members: dict[str, str]) -> Path:
    """A wheel as an index holds it."""
    path = folder / "corpus-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in {f"{name.rpartition('/')[0]}/" for name in members}:
            archive.mkdir(name.lstrip("/"))
        for name, text in {**members, "corpus/__init__.py": EVIL}.items():
            archive.writestr(name, text)
        archive.writestr("corpus-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: corpus\nVersion: 1.0\n")
    return path


def source_distribution(folder: Path, members: dict[str, str]) -> Path:
    path = folder / "corpus-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in {**members, "corpus-1.0/setup.py": EVIL}.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def card(folder: Path, member: str, checksum: str) -> cards.Card:
    text = f'about = "x"\ntask = "text"\n[source]\npypi = "corpus==1.0"\nmember = {member}\nsha256 = "{checksum}"\n[adapter]\nformat = "labelled"\n'
    return cards.load_card(str(write(folder / "corpus.toml", text)))


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """A folder of archives as the only place where the user's settings say to look."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def read(a_card: cards.Card) -> dict[tuple[str, str], str]:
    with sources.opened(a_card) as documents:
        return {(document.part, document.path.name): document.text(("utf-8",)) for document in documents}


def test_a_folder_of_a_package_is_read_as_one_of_a_persons_own_is(index, tmp_path):
    members = {"pos/en/1.txt": "A", "neg/2.txt": "B", "3.txt": "C", "neg/.DS_Store": "x", ".git/4.txt": "x"}
    archive = wheel(index, {f"corpus/{name}": text for name, text in members.items()})
    for name, text in members.items():
        write(tmp_path / "own" / name, text)
    own = f'about = "x"\ntask = "text"\n[source]\nfile = "{tmp_path / "own"}"\n[adapter]\nformat = "labelled"\n'
    found = []
    for one in (card(tmp_path, '"corpus/"', sha256(archive)), cards.load_card(str(write(tmp_path / "own.toml", own)))):
        with sources.opened(one) as documents:
            found.append({(document.path.name, document.folder) for document in documents} - {("__init__.py", "")})
    assert found[0] == found[1] == {("1.txt", "pos/en"), ("2.txt", "neg"), ("3.txt", "")}


@pytest.mark.parametrize(("make", "root"), [(wheel, "corpus/"), (source_distribution, "corpus-1.0/corpus/")])
def test_members_are_taken_out_of_a_published_archive_and_nothing_of_it_is_run(index, tmp_path, make, root):
    archive = make(index, {f"{root}a.csv": "A", f"{root}b.csv": "B", f"{root}more/c.csv": "C"})
    whole = card(tmp_path, f'{{ train = "{root}a.csv", test = "{root}b.csv" }}', sha256(archive))
    assert read(whole) == {("train", "a.csv"): "A", ("test", "b.csv"): "B"}
    assert read(card(tmp_path, f'"{root}"', sha256(archive)))[("all", "c.csv")] == "C"
    assert not Path("was_run").exists()


def test_once_fetched_it_needs_no_index_and_an_altered_copy_is_fetched_again(index, tmp_path, capfd, monkeypatch):
    archive = wheel(index, {"corpus/a.csv": "A"})
    whole = card(tmp_path, '"corpus/a.csv"', sha256(archive))
    read(whole)
    cached = next((tmp_path / "cache").rglob("*.whl"))
    cached.write_bytes(b"altered")
    assert read(whole) == {("all", "a.csv"): "A"}
    assert "was altered since it was fetched; fetching it again" in capfd.readouterr().err
    archive.unlink()
    assert read(whole) == {("all", "a.csv"): "A"}


def test_another_archive_than_declared_is_refused_and_not_kept(index, tmp_path):
    wheel(index, {"corpus/a.csv": "A"})
    with pytest.raises(SourceError, match="its sha256 is .*, the card says 0000"):
        read(card(tmp_path, '"corpus/a.csv"', "0" * 64))
    assert not list((tmp_path / "cache").rglob("*.whl"))


def test_a_member_that_is_not_there_is_refused_with_those_that_are(index, tmp_path):
    archive = wheel(index, {"corpus/a.csv": "A"})
    with pytest.raises(SourceError, match=r"holds no member 'corpus/b.csv'; it has corpus/a.csv"):
        read(card(tmp_path, '"corpus/b.csv"', sha256(archive)))


def test_no_index_that_has_it_is_one_clear_message(index, tmp_path):
    with pytest.raises(SourceError, match=r"corpus==1.0: no wheel of it was found in .*pip configuration"):
        read(card(tmp_path, '"corpus/a.csv"', "0" * 64))


def test_an_index_that_does_not_answer_is_one_clear_message_without_its_password(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(SourceError, match="127.0.0.1:9") as refused:
        read(card(tmp_path, '"corpus/a.csv"', "0" * 64))
    assert "secret" not in str(refused.value)


def test_the_users_own_settings_are_read(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://127.0.0.1:8/a http://127.0.0.1:8/b")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "127.0.0.1")
    settings = packages.index_settings()
    assert settings.indexes == ("http://127.0.0.1:9/simple", "http://127.0.0.1:8/a", "http://127.0.0.1:8/b")
    assert settings.trusted == ("127.0.0.1",)


class PrivateIndex(http.server.SimpleHTTPRequestHandler):
    """A package index that answers only who knows its password."""

    def do_GET(self):
        given = self.headers.get("Authorization", "")
        if given != "Basic " + base64.b64encode(b"reader:secret").decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_):
        pass


def test_a_private_index_is_read_and_downloaded_from_with_its_password(tmp_path, monkeypatch, capfd):
    folder = tmp_path / "served" / "corpus"
    folder.mkdir(parents=True)
    archive = wheel(folder, {"corpus/a.csv": "A"})
    write(folder / "index.html", f'<!doctype html><a href="{archive.name}">{archive.name}</a>')
    handler = functools.partial(PrivateIndex, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://reader:secret@127.0.0.1:{server.server_port}")
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
            monkeypatch.setenv(name, "")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        assert read(card(tmp_path, '"corpus/a.csv"', sha256(archive))) == {("all", "a.csv"): "A"}
        server.shutdown()
    assert "secret" not in capfd.readouterr().err


def test_of_several_archives_the_one_with_the_declared_checksum_is_fetched(tmp_path, monkeypatch):
    folder = tmp_path / "served" / "corpus"
    folder.mkdir(parents=True)
    archives = [wheel(folder, {"corpus/a.csv": text}).rename(folder / f"corpus-1.0-py3-none-{system}.whl")
                for text, system in (("A", "win_amd64"), ("B", "linux_x86_64"), ("C", "any"))]  # fmt: skip
    links = (f'<a href="{archive.name}#sha256={sha256(archive)}">{archive.name}</a>' for archive in archives)
    write(folder / "index.html", f"<!doctype html>{''.join(links)}")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}")
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            monkeypatch.setenv(name, "")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        for archive, text in zip(archives, "ABC", strict=True):
            assert read(card(tmp_path, '"corpus/a.csv"', sha256(archive))) == {("all", "a.csv"): text}
        server.shutdown()


def test_texts_without_labels_are_fetched_and_checked_with_the_rest(tmp_path, capsys):
    write(tmp_path / "a.csv", reviews())
    more = write(tmp_path / "more.txt", "some text\n")
    text = (
        f'about = "x"\ntask = "text"\n[source]\nfile = "a.csv"\n[unlabelled]\nurl = "{more.as_uri()}"\nsha256 = "{{}}"\n'
        '[adapter]\nformat = "labelled"\ntext = "review"\nlabel = "verdict"\n'
    )
    wrong = write(tmp_path / "wrong.toml", text.format("0" * 64))
    for action in ("fetch", "check"):
        assert main(["datasets", action, str(wrong)]) == 2
    assert main(["datasets", "fetch", str(write(tmp_path / "right.toml", text.format(sha256(more))))]) == 0
    assert "more.txt" in capsys.readouterr().out


def test_a_member_never_leaves_its_folder(index, tmp_path):
    archive = wheel(index, {"corpus/data/../../../evil.csv": "A"})
    with pytest.raises(SourceError, match="holds no member"):
        read(card(tmp_path, '"corpus/data/"', sha256(archive)))
    assert not list(tmp_path.glob("evil.csv"))
    assert not list(tmp_path.parent.glob("evil.csv"))


def test_a_file_by_url_is_fetched_and_verified(tmp_path):
    data = write(tmp_path / "served" / "a.csv", "A")
    text = f'about = "x"\ntask = "text"\n[source]\nurl = "{data.as_uri()}"\nsha256 = "{sha256(data)}"\n[adapter]\nformat = "labelled"\n'
    whole = cards.load_card(str(write(tmp_path / "u.toml", text)))
    assert read(whole) == {("all", "a.csv"): "A"}
    data.unlink()
    assert read(whole) == {("all", "a.csv"): "A"}, "offline once fetched"


def test_a_file_is_found_beside_its_card_and_a_missing_one_names_its_neighbours(tmp_path):
    write(tmp_path / "data" / "a.csv", "A")
    assert read(cards.load_card(str(write(tmp_path / "data" / "a.toml", card_text("a.csv"))))) == {
        ("all", "a.csv"): "A"
    }
    with pytest.raises(SourceError, match=r"b.csv: no such file; .* has a.csv"):
        read(cards.load_card(str(write(tmp_path / "data" / "b.toml", card_text("b.csv")))))


BESIDE = 'about = "x"\ntask = "seq2seq"\n[source]\n{source}\n[adapter]\nformat = "pairs"\n'


def beside(tmp_path, source):
    """Which file's lines belong to which one's, with its part."""
    with sources.opened(cards.load_card(str(write(tmp_path / "p.toml", BESIDE.format(source=source))))) as documents:
        return {(one.part, one.path.name): one.beside.path.name for one in documents}


def test_files_are_beside_those_of_their_own_part_in_whatever_order_they_are_named(tmp_path):
    for name in ("train.en", "test.en", "train.de", "test.de"):
        write(tmp_path / name, name)
    source = 'file = { train = "train.en", test = "test.en" }\nbeside = { test = "test.de", train = "train.de" }'
    assert beside(tmp_path, source) == {("train", "train.en"): "train.de", ("test", "test.en"): "test.de"}


def test_folders_beside_each_other_hold_as_many_files(tmp_path):
    for name in ("en/1", "en/2", "de/1", "de/2"):
        write(tmp_path / name, name)
    source = 'file = "en"\nbeside = "de"'
    assert beside(tmp_path, source) == {("all", "1"): "1", ("all", "2"): "2"}
    write(tmp_path / "en" / "3", "more")
    with pytest.raises(SourceError, match="en/1: is one of 3 files, and beside them are 2"):
        beside(tmp_path, source)


def test_members_are_beside_those_of_their_own_part(index, tmp_path):
    archive = wheel(index, {"corpus/a.en": "A", "corpus/b.en": "B", "corpus/a.de": "X", "corpus/b.de": "Y"})
    source = f'''pypi = "corpus==1.0"
member = {{ train = "corpus/a.en", test = "corpus/b.en" }}
beside = {{ test = "corpus/b.de", train = "corpus/a.de" }}
sha256 = "{sha256(archive)}"'''
    assert beside(tmp_path, source) == {("train", "a.en"): "a.de", ("test", "b.en"): "b.de"}


def test_another_checksum_is_another_fingerprint(tmp_path):
    """Of a branch of a dataset repository nothing else tells that it has moved."""
    text = 'about = "x"\ntask = "text"\n[source]\nhuggingface = "me/mine"\nmember = "a.csv"\nrevision = "main"\n'
    text += 'sha256 = "{}"\n[adapter]\nformat = "labelled"\n'
    found = {
        sources.fingerprint(cards.load_card(str(write(tmp_path / "a.toml", text.format(digit * 64))))) for digit in "01"
    }
    assert len(found) == 2


def test_the_fingerprint_of_a_file_is_that_of_its_content(tmp_path, monkeypatch):
    path = write(tmp_path / "a.csv", "A")
    whole = cards.load_card(str(write(tmp_path / "a.toml", card_text("a.csv"))))
    before = sources.fingerprint(whole)
    assert sources.fingerprint(whole) == before
    monkeypatch.chdir(tmp_path)
    assert sources.fingerprint(cards.load_card("a.toml")) == before, "however its place is written"
    shutil.copytree(tmp_path, tmp_path.parent / "moved", ignore=shutil.ignore_patterns("work"))
    assert sources.fingerprint(cards.load_card(str(tmp_path.parent / "moved" / "a.toml"))) == before
    path.write_text("B", encoding="utf-8")
    assert sources.fingerprint(whole) != before


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("", "needs exactly one of file, url, pypi, huggingface, found none"),
        ('file = "a"\nurl = "b"', "found file, url"),
        ("file = 3", "must be text or a list of texts or a table"),
        ('url = "http://x/y"', "a url source needs sha256"),
        ('pypi = "corpus"\nmember = "m"\nsha256 = "0"', 'must be "name==version"'),
        ('pypi = "corpus==1"\nsha256 = "0"', "needs member"),
        ('file = { trian = "a" }', "Did you mean 'train'"),
        ('file = { test = "a" }', "names parts of a split, but not train"),
        ('flie = "a"', "Did you mean 'file'"),
        ('huggingface = "a/b"\nmember = "m"', "needs revision"),
    ],
)
def test_a_wrong_source_is_refused_with_its_line(tmp_path, source, complaint):
    path = write(
        tmp_path / "wrong.toml", f'about = "x"\ntask = "text"\n[source]\n{source}\n[adapter]\nformat = "labelled"\n'
    )
    with pytest.raises(DeclarationError) as refused:
        cards.load_card(str(path))
    assert complaint in str(refused.value)
    assert str(refused.value).startswith(f"{path}:")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('task = "tex"\nabout = "x"', "Did you mean 'text'"),
        ('task = "text"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "label"', "Did you mean 'labelled'"),
        (
            'task = "text"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "labelled"\ntxt = "b"',
            "Did you mean 'text'",
        ),
        (
            'task = "text"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "labelled"\n[split]\ntest = 1.5',
            "must be a share between 0 and 1",
        ),
        (
            'task = "text"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "labelled"\n[split]\ntest = 0.5\nvalidation = 0.5',
            "leave nothing to train on",
        ),
        (
            'task = "text"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "columns"\nscheme = "iob3"',
            "must be one of 'auto', 'iob1'",
        ),
        (
            'task = "tagging"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "columns"\nlongest = 0',
            "longest: must be from 1 to 512, found 0",
        ),
        (
            'task = "text"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "labelled"\nencoding = []',
            "needs at least one encoding",
        ),
        (
            'task = "text"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "labelled"\nlayout = "foldrs"',
            "must be one of 'table', 'folders'",
        ),
        (
            'task = "text"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "labelled"\nlayout = "folders"\nwhere = { a = "b" }',
            "where: has no meaning for one folder per class",
        ),
        (
            'task = "text"\nabout = "x"\n[source]\nfile = "a"\n[adapter]\nformat = "labelled"\nwhere = { year = 2020 }',
            "must be a table of text, found",
        ),
        (f'{PAIRS}source = "a"', "target: source and target must name two columns, found 'a' and ''"),
        (f'{PAIRS}source = "a"\ntarget = "a"', "target: source and target must name two columns, found 'a' and 'a'"),
        (f"{PAIRS}columns = [0, 0]", r"columns: must be two places, counted from 0, such as \[0, 1\], found \[0, 0\]"),
        (f"{PAIRS}columns = [0, 1, 2]", "columns: must be two places"),
        (
            f'{PAIRS}columns = [0, 1]\nsource = "a"\ntarget = "b"',
            "columns: has no meaning where source and target are named",
        ),
        (f'{PAIRS}separator = ";;"\nsource = "a"\ntarget = "b"', "separator: must be one character, found ';;'"),
    ],
)
def test_a_wrong_card_is_refused(tmp_path, text, complaint):
    with pytest.raises(DeclarationError, match=complaint):
        cards.load_card(str(write(tmp_path / "wrong.toml", text + "\n")))


@pytest.mark.parametrize("row", cards.summaries(), ids=lambda row: row["dataset"])
def test_shipped_cards_are_whole(row):
    whole = cards.load_card(row["dataset"])
    assert whole.about
    assert whole.licence
    assert whole.homepage


def test_an_unknown_dataset_is_refused_with_the_nearest_name():
    with pytest.raises(DeclarationError, match="no dataset is called 'imbd'. Did you mean 'imdb'"):
        cards.load_card("imbd")


def test_hugging_face_without_its_extra_says_what_to_install(tmp_path):
    if importlib.util.find_spec("huggingface_hub"):
        pytest.skip("the extra is installed")
    source = 'huggingface = "me/mine"\nmember = "a.csv"\nrevision = "' + "0" * 40 + '"'
    text = f'about = "x"\ntask = "text"\n[source]\n{source}\n[adapter]\nformat = "labelled"\n'
    with pytest.raises(SourceError, match=r"pip install 'sweeper\[huggingface\]'"):
        read(cards.load_card(str(write(tmp_path / "h.toml", text))))


def test_the_name_of_a_long_file_is_cut_between_characters():
    name = cards.as_name("长" * 78)
    assert name == "长" * 40
    assert cards.as_name("short") == "short"
