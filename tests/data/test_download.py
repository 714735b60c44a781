"""Downloads from a local server that replaces the host."""

import gzip
import hashlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from interrupt_sweep import sweep

import vae_tf1.data.download
import vae_tf1.data.mnist
from vae_tf1 import input_data, read_data_sets
from vae_tf1.data.download import UnreachableError
from vae_tf1.data.idx import IDX_FILES

FILES = {name: gzip.compress(os.urandom(50_000)) for name in IDX_FILES}


class Host(http.server.ThreadingHTTPServer):
    """Serves `files`; `answers` says how to answer the next requests, and "well" is used after the last of them."""

    daemon_threads = True

    def __init__(self, files=FILES, handler=None):
        super().__init__(("127.0.0.1", 0), handler or Handler)
        self.files, self.answers, self.elsewhere = files, [], None
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        answer = self.server.answers.pop(0) if self.server.answers else "well"
        content = self.server.files[self.path.strip("/")]
        if isinstance(answer, int):
            self.send_error(answer)
            return
        if answer == "redirect":
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere + self.path.strip("/"))
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if answer == "wrong bytes":
            content = content[::-1]
        if answer == "slow":
            self.wfile.write(content[:100])
            self.wfile.flush()
            time.sleep(0.3)
            content, answer = content[100:], "well"
        self.wfile.write(content if answer in ("well", "wrong bytes") else content[: len(content) // 2])
        if answer == "stall":
            self.wfile.flush()
            time.sleep(60)
        if answer == "cut":
            self.wfile.flush()

    def log_message(self, *args):
        pass


class RefusingProxy(Handler):
    """Answers every request itself, so that none reaches the host."""

    def do_GET(self):
        self.send_error(403)


@pytest.fixture
def host(monkeypatch):
    """A host in place of MNIST's, with other files; the timeout is half a second."""
    server = Host()
    monkeypatch.setattr(vae_tf1.data.mnist, "MNIST_URL", server.url)
    monkeypatch.setattr(vae_tf1.data.mnist, "MNIST_SHA256", [hashlib.sha256(d).hexdigest() for d in FILES.values()])
    monkeypatch.setattr(vae_tf1.data.download, "_REACH_SECONDS", 0.5)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()


def prepare(directory):
    """Downloads with a replacement for tensorflow-datasets that does nothing."""
    vae_tf1.data.mnist._fetch(directory)


def files_in(directory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


FAILURES = {
    "404": ([404], "answers 404 Not Found"),
    "500 again and again": ([500] * 9, "answers 500 Internal Server Error"),
    "stall": (["stall"], "can't be downloaded"),
    "cut": (["cut"], "can't be downloaded"),
    "wrong bytes": (["wrong bytes"], "is not MNIST's file"),
    "cut in the third file": (["well", "well", "cut"], "can't be downloaded"),
}


@pytest.mark.parametrize("answers", FAILURES)
def test_a_failed_download_leaves_nothing_and_the_next_attempt_succeeds(host, tmp_path, answers):
    host.answers, says = list(FAILURES[answers][0]), FAILURES[answers][1]
    with pytest.raises(UnreachableError, match=says) as error:
        prepare(tmp_path)
    assert host.url in str(error.value)
    assert files_in(tmp_path).items() <= FILES.items()
    host.answers = []
    prepare(tmp_path)
    assert files_in(tmp_path) == FILES


def test_a_custom_source_url(host, tmp_path):
    digits = Host({name: (vae_tf1.data.mnist.BUILTIN_DIR / name).read_bytes() for name in IDX_FILES})
    (tmp_path / IDX_FILES[0]).write_bytes(digits.files[IDX_FILES[0]])  # stays unchanged
    data = read_data_sets(tmp_path, source_url=digits.url, validation_size=10)
    assert [data_set.num_examples for data_set in data] == [19990, 10, 3000]
    assert {path.name for path in tmp_path.iterdir()} == set(IDX_FILES)
    digits.shutdown()
    digits.server_close()
    assert read_data_sets(tmp_path, source_url=digits.url).name == f"IDX files in {tmp_path}"
    with pytest.raises(ConnectionError, match=rf"{IDX_FILES[0]} does not exist, and .*; put it there by hand"):
        read_data_sets(tmp_path / "empty", source_url=digits.url)


@pytest.mark.parametrize("answers", [[500], [503, 500], ["redirect"]], ids=str)
def test_transient_failures_and_redirects_are_overcome(host, tmp_path, answers):
    elsewhere = Host()
    host.answers, host.elsewhere = list(answers), elsewhere.url.replace("127.0.0.1", "localhost")
    prepare(tmp_path)
    assert files_in(tmp_path) == FILES
    elsewhere.shutdown()
    elsewhere.server_close()


def test_a_redirect_to_other_bytes_is_refused(host, tmp_path):
    elsewhere = Host({name: data[::-1] for name, data in FILES.items()})
    host.answers, host.elsewhere = ["redirect"], elsewhere.url
    with pytest.raises(UnreachableError, match="is not MNIST's file"):
        prepare(tmp_path)
    assert files_in(tmp_path) == {}
    elsewhere.shutdown()
    elsewhere.server_close()


@pytest.mark.parametrize(("proxy", "says"), [("absent", "can't be reached"), ("refusing", "answers 403 Forbidden")])
def test_a_download_goes_through_the_proxy(host, tmp_path, monkeypatch, proxy, says):
    refusing = Host({}, RefusingProxy)
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", refusing.url if proxy == "refusing" else "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match=says):  # the host itself would answer
        prepare(tmp_path)
    assert files_in(tmp_path) == {}
    refusing.shutdown()
    refusing.server_close()


def test_a_host_that_sends_too_much(host, tmp_path, monkeypatch):
    monkeypatch.setattr(vae_tf1.data.download, "_MAX_CHECKED_BYTES", 10_000)
    monkeypatch.setattr(vae_tf1.data.download, "_MAX_BYTES", 10_000)
    with pytest.raises(UnreachableError, match=rf"{IDX_FILES[0]} sends more than 10000 bytes"):
        prepare(tmp_path)
    with pytest.raises(ConnectionError, match="sends more than 10000 bytes; put it there by hand"):
        input_data.base.maybe_download(IDX_FILES[0], tmp_path, host.url + IDX_FILES[0])
    assert files_in(tmp_path) == {}


def test_several_downloads_to_one_place(host, tmp_path):
    host.answers = ["slow"] * 8
    failures = []

    def download():
        try:
            prepare(tmp_path)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=download) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert files_in(tmp_path) == FILES


@pytest.fixture
def mnist_of_digits(host, monkeypatch):
    """The files of the built-in digits in place of MNIST's: the host serves them, and their checksums are expected."""
    host.files = {name: (vae_tf1.data.mnist.BUILTIN_DIR / name).read_bytes() for name in IDX_FILES}
    checksums = [hashlib.sha256(content).hexdigest() for content in host.files.values()]
    monkeypatch.setattr(vae_tf1.data.mnist, "MNIST_SHA256", checksums)
    return host.files


def put(files, directory, names):
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_bytes(files[name])


@pytest.mark.parametrize("present", [IDX_FILES[:1], IDX_FILES[1:3], IDX_FILES[1:]], ids=len)
def test_missing_files_of_mnist_are_downloaded(mnist_of_digits, host, tmp_path, present):
    put(mnist_of_digits, tmp_path, present)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in present}
    data = read_data_sets(tmp_path)
    assert data.name == "MNIST"
    assert data.train.num_examples == 15000
    assert files_in(tmp_path) == mnist_of_digits
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in present} == before


@pytest.mark.parametrize("where", ["", "downloads/manual"])
@pytest.mark.parametrize("elsewhere", [IDX_FILES, IDX_FILES[1:]], ids=["all four", "the missing three"])
def test_missing_files_of_mnist_are_taken_from_the_data_directory(
    mnist_of_digits, host, tmp_path, monkeypatch, where, elsewhere
):
    host.files = {}
    put(mnist_of_digits, tmp_path / "here", IDX_FILES[:1])
    put(mnist_of_digits, tmp_path / "there" / where, elsewhere)
    monkeypatch.setenv("VAE_TF1_DATA_DIR", str(tmp_path / "there"))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets.public_api", None)  # which would look for MNIST itself
    assert read_data_sets(tmp_path / "here").name == "MNIST"
    assert list(files_in(tmp_path / "here")) == [IDX_FILES[0]]


def test_other_data_does_not_complete_mnist(mnist_of_digits, host, tmp_path, monkeypatch):
    put(mnist_of_digits, tmp_path / "here", IDX_FILES[:2])
    put(
        {name: gzip.compress(gzip.decompress(data)) for name, data in mnist_of_digits.items()},
        tmp_path / "there",
        IDX_FILES,
    )
    monkeypatch.setenv("VAE_TF1_DATA_DIR", str(tmp_path / "there"))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets.public_api", None)  # which would look for MNIST itself
    assert read_data_sets(tmp_path / "there").name == f"IDX files in {tmp_path / 'there'}"
    for source in "auto", "mnist":
        assert read_data_sets(tmp_path / "here", source=source).name == "MNIST"
    assert files_in(tmp_path / "here") == mnist_of_digits


def test_missing_files_of_mnist_that_cannot_be_downloaded(mnist_of_digits, host, tmp_path):
    put(mnist_of_digits, tmp_path, IDX_FILES[:2])
    host.answers = [404] * 2
    with pytest.warns(UserWarning, match=rf"NOT MNIST: MNIST is not in {tmp_path}, and .*{IDX_FILES[2]} answers 404"):
        assert read_data_sets(tmp_path).name == "built-in digits"
    with pytest.raises(ConnectionError, match="answers 404 Not Found; put the four IDX files there by hand"):
        read_data_sets(tmp_path, source="mnist")
    assert set(files_in(tmp_path)) == set(IDX_FILES[:2])


@pytest.mark.parametrize("exists", [False, True])
def test_the_data_directory_of_the_environment_is_mentioned(host, tmp_path, monkeypatch, exists):
    host.answers = [404] * 2
    named = tmp_path / "mistyped"
    if exists:
        named.mkdir()
    monkeypatch.setenv("VAE_TF1_DATA_DIR", str(named))
    said = f"VAE_TF1_DATA_DIR names {named}, which {'lacks it' if exists else 'does not exist'}, and "
    with pytest.warns(UserWarning, match=said):
        read_data_sets(tmp_path)
    with pytest.raises(ConnectionError, match=said):
        read_data_sets(tmp_path, source="mnist")


def test_maybe_download(host, tmp_path):
    path = input_data.base.maybe_download(IDX_FILES[0], tmp_path / "new", host.url + IDX_FILES[0])
    assert path == str(tmp_path / "new" / IDX_FILES[0])
    assert (tmp_path / "new" / IDX_FILES[0]).read_bytes() == FILES[IDX_FILES[0]]
    host.answers = [404]
    assert input_data.base.maybe_download(IDX_FILES[0], tmp_path / "new", host.url + IDX_FILES[0]) == path


@pytest.mark.parametrize("source", ["auto", "mnist"])
def test_a_failed_download_is_explained(host, tmp_path, source):
    host.answers = [404] * 2
    if source == "mnist":
        with pytest.raises(ConnectionError, match=r"answers 404 Not Found; put the four IDX files there by hand\.$"):
            read_data_sets(tmp_path, source=source)
    else:
        with pytest.warns(UserWarning, match="NOT MNIST: MNIST is not in"):
            assert read_data_sets(tmp_path, source=source).name == "built-in digits"


DOWNLOAD = """
import sys
from vae_tf1.data import mnist
from vae_tf1 import input_data
mnist.MNIST_URL = sys.argv[1]
mnist.MNIST_SHA256 = sys.argv[3:] or mnist.MNIST_SHA256
print("begins", flush=True)
input_data.read_data_sets(sys.argv[2], source="mnist")
"""


# An interrupt between opening a file and its `with` leaves the closing to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)], ids=["every 11th line", "every line"])
def test_an_interrupt_at_any_line_leaves_whole_files_or_none(host, tmp_path, step):
    for n in sweep(["_files.py", "data/download.py", "data/mnist.py"], step, lambda n: prepare(tmp_path / str(n))):
        directory = tmp_path / str(n)
        directory.mkdir(exist_ok=True)
        assert files_in(directory).items() <= FILES.items(), n
        prepare(directory)
        assert files_in(directory) == FILES
    assert n > 50


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle(host, tmp_path, number):
    host.answers = ["well", "stall"]
    process = subprocess.Popen(
        [sys.executable, "-c", DOWNLOAD, host.url, tmp_path, *vae_tf1.data.mnist.MNIST_SHA256],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs of a shell ignore it
    )
    manual = tmp_path / "downloads" / "manual"
    process.stdout.readline()
    unfinished = IDX_FILES[1].replace(".gz", ".*.part")
    while not list(manual.glob(unfinished)):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode != 0
    assert "KeyboardInterrupt" in said or number == signal.SIGKILL
    left = files_in(manual)
    assert left.pop(IDX_FILES[0]) == FILES[IDX_FILES[0]]
    assert set(left) <= {path.name for path in manual.glob(unfinished)}
    prepare(manual)
    assert files_in(manual).items() >= FILES.items()


@pytest.mark.slow
def test_two_processes_at_once_and_then_one_that_may_only_read(mnist_dir, mnist, tmp_path, monkeypatch):
    server = Host({name: (mnist_dir / name).read_bytes() for name in IDX_FILES})
    command = [sys.executable, "-c", DOWNLOAD, server.url, tmp_path]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    server.shutdown()
    server.server_close()
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    monkeypatch.setattr(vae_tf1.data.mnist, "check_writable", None)  # a call would raise, even for root
    try:
        assert read_data_sets(tmp_path, source="mnist").fingerprint() == mnist.fingerprint()
    finally:
        for path in [tmp_path, *tmp_path.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
