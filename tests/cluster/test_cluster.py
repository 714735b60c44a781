"""Clusters of real processes on the loopback address: the same numbers as on one machine, and failures."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent import futures
from pathlib import Path

import cluster_member
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import vae_tf1
from vae_tf1 import cluster
from vae_tf1.cluster.__main__ import roles_here
from vae_tf1.cluster.machines import LOST, Cluster
from vae_tf1.cluster.replica import _make_synchronous
from vae_tf1.data.mnist import BUILTIN_DIR
from vae_tf1.graph.noise import random_operations, reseed
from vae_tf1.vae import train_fetches

MEMBER = Path(cluster_member.__file__)
# Tolerance for weights that 21 steps of Adam have moved by up to 2e-2: Adam enlarges rounding where gradients are tiny.
CLOSE = 1e-4
ADDRESSES = {"ps": ["127.0.0.1:1"], "chief": ["127.0.0.1:2"], "worker": ["127.0.0.1:3"]}


class Processes:
    """The processes of a cluster, with the output of each in a file."""

    def __init__(self, command, directory, roles):
        self.command, self.directory, self.roles = list(map(str, command)), directory, roles
        self.running = {}
        for member in self.roles:
            self.start(member)

    def start(self, member):
        environment = {**os.environ, "TF_CONFIG": self.roles[member], "TQDM_DISABLE": "1"}
        environment["http_proxy"] = "http://127.0.0.1:9"  # nothing listens there: a cluster must not use a proxy
        with self._output(member).open("a") as output:
            self.running[member] = subprocess.Popen(self.command, env=environment, stdout=output, stderr=output)

    def kill(self, member):
        self.running[member].kill()
        self.running[member].wait()

    def said(self, member):
        text = self._output(member).read_text()
        # TensorFlow 2.18 to 2.20 ignore the log level that was set when they were imported.
        return re.sub(r"^([IW]0000 |WARNING: All log messages before absl).*\n", "", text, flags=re.MULTILINE)

    def wait_until_said(self, member, pattern, seconds=300):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.said(member)):
            assert time.monotonic() < end, self.outputs()
            time.sleep(0.1)

    def wait(self, seconds=300):
        """Returns the exit status of each process; raises TimeoutExpired if one hangs."""
        end = time.monotonic() + seconds
        return {member: process.wait(max(1, end - time.monotonic())) for member, process in self.running.items()}

    def outputs(self):
        return "\n".join(f"--- {member}\n{self.said(member)}" for member in self.roles)

    def _output(self, member):
        return self.directory / "{}{}.log".format(*member)


@contextlib.contextmanager
def cluster_of(command, directory, workers=2, roles=None):
    """Runs a cluster; kills its processes at the end of the block, whatever happens."""
    directory.mkdir(exist_ok=True)
    processes = Processes(command, directory, roles or roles_here(workers))
    try:
        yield processes
    finally:
        for process in processes.running.values():
            process.kill()
            process.wait()


def roles_beside(address):
    """The roles of a chief and a worker whose TF_CONFIG names this address for the parameter server."""
    roles = {who: json.loads(role) for who, role in roles_here(2).items() if who != ("ps", 0)}
    for role in roles.values():
        role["cluster"]["ps"] = [address]
    return {who: json.dumps(role) for who, role in roles.items()}


def member(directory, iterations, *more):
    return [sys.executable, MEMBER, directory / "checkpoints", iterations, *more]


def program(directory, data_dir, *more):
    return [
        *(sys.executable, "-m", "vae_tf1.cluster", "--checkpoint-dir", directory / "checkpoints"),
        *("--data-dir", data_dir, *more),
    ]


def alone(iterations, batch_size, checkpoint_dir=None):
    """Trains the same model on one machine; returns its weights by name, and the reports."""
    with tf.Graph().as_default(), tf.Session(config=vae_tf1.session_config()) as sess:
        vae = cluster_member.build(lambda optimizer: optimizer)
        data = cluster_member.digits()
        reports = list(vae_tf1.train(sess, vae, data, iterations, batch_size, 100, checkpoint_dir=checkpoint_dir))
        names = [variable.op.name for variable in tf.global_variables()]
        return dict(zip(names, sess.run(tf.global_variables()))), reports


def weights_in(checkpoint_dir):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(checkpoint_dir)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def largest_difference(first, second):
    assert first.keys() == second.keys()
    return max(np.abs(first[name] - second[name]).max() for name in first)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The directory in which a chief and a worker have trained 21 iterations, with 50 images each."""
    directory = tmp_path_factory.mktemp("cluster")
    with cluster_of(member(directory, 21, 50), directory) as processes:
        assert set(processes.wait().values()) == {0}, processes.outputs()
        # On a busy machine, one may be ready seconds before another.
        assert re.fullmatch(r"(Waiting for .*\n)*Iteration 0: \d+\.\d\d nats\n", processes.said(("chief", 0)))
        assert re.fullmatch(r"(Waiting for .*\n)*", processes.said(("worker", 0)))
        assert re.fullmatch(r"(Waiting for .*\n)*", processes.said(("ps", 0)))
    return directory / "checkpoints"


def test_two_workers_with_50_images_equal_one_machine_with_100(trained):
    weights, _ = alone(21, 100)
    assert largest_difference(weights_in(trained), weights) < CLOSE


def test_one_machine_resumes_from_a_clusters_checkpoint(trained, tmp_path):
    with pytest.raises(ValueError, match="batch_size is 50 here, 100 there"):
        alone(30, 50, trained)
    weights, reports = alone(30, 100, trained)
    assert [report.iteration for report in reports] == []
    assert [report.iteration for report in vae_tf1.past_reports(trained)] == [0]
    expected, _ = alone(30, 100)
    assert largest_difference(weights, expected) < CLOSE


def test_training_evaluation_and_export_read_a_clusters_checkpoint(trained, tmp_path, digits):
    with tf.Graph().as_default(), tf.Session(config=vae_tf1.session_config()) as sess:
        vae = vae_tf1.build_vae()
        list(vae_tf1.train(sess, vae, digits, 0, initial_checkpoint=trained))
        weights = weights_in(trained)
        assert {variable.op.name for variable in tf.global_variables()} == weights.keys()
        assert 100 < vae_tf1.evaluate(sess, vae, digits.test.images[:200]).negative_elbo < 600
        vae_tf1.export_saved_model(sess, vae, tmp_path / "model")
    assert (tmp_path / "model" / "saved_model.pb").exists()


@pytest.mark.slow
def test_a_cluster_resumes_from_one_machines_checkpoint_and_the_program_evaluates(tmp_path):
    """With `python -m vae_tf1.cluster`, two workers, and a run that one machine has begun."""
    directory = tmp_path / "checkpoints"
    data = vae_tf1.read_data_sets(BUILTIN_DIR, seed=3)
    with tf.Graph().as_default(), tf.Session(config=vae_tf1.session_config()) as sess:
        list(vae_tf1.train(sess, vae_tf1.build_vae(seed=3), data, 5, 60, 10, checkpoint_dir=directory))
    options = ("--iterations=15", "--batch-size=20", "--report-every=10", "--seed=3", "--log-dir", tmp_path / "logs")
    with cluster_of(program(tmp_path, BUILTIN_DIR, *options), tmp_path, workers=3) as processes:
        assert set(processes.wait().values()) == {0}, processes.outputs()
        said = processes.said(("chief", 0))
    assert "Resuming after 5 iterations" in said
    assert re.search(r"^Iteration 10: \d+\.\d\d nats$", said, flags=re.MULTILINE)
    assert re.search(r"^Negative ELBO of the test images after 15 iterations: \d+\.\d+ ± \d\.\d+ nats$", said, re.M)
    assert [report.iteration for report in vae_tf1.past_reports(directory)] == [0, 10]
    assert list((tmp_path / "logs").glob("events*"))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "is not set, or does not name"),
        ("{", "can't be read"),
        ({"cluster": {"ps": "127.0.0.1:1"}}, "can't be read"),
        ({"cluster": {"ps": ["127.0.0.1:1"]}}, "exactly one chief"),
        ({"cluster": {**ADDRESSES, "master": ["h:1"]}}, 'the job "master"'),
        ({"cluster": {**ADDRESSES, "ps": []}}, "at least one ps"),
        ({"cluster": ADDRESSES}, "this machine is None None, which has no address"),
        ({"cluster": ADDRESSES, "task": {"type": "worker"}}, "this machine is worker None, which has no address"),
        ({"cluster": ADDRESSES, "task": {"type": "evaluator", "index": 0}}, "evaluator 0, which has no address"),
        ({"cluster": ADDRESSES, "task": {"type": "worker", "index": 1}}, "worker 1, which has no address"),
        ({"cluster": {**ADDRESSES, "worker": ["nowhere"]}, "task": {"type": "ps", "index": 0}}, 'address "nowhere"'),
        ({"cluster": {**ADDRESSES, "worker": ["127.0.0.1:1"]}, "task": {"type": "ps", "index": 0}}, "twice"),
    ],
)
def test_a_wrong_tf_config_is_one_sentence(monkeypatch, config, said):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(ValueError, match=rf"^TF_CONFIG .*{re.escape(said)}.*\.$") as raised:
        Cluster()
    assert "\n" not in str(raised.value)


def unwrapped(synchronous):
    return vae_tf1.build_vae(seed=0)


@pytest.mark.parametrize(
    ("build", "data", "directory", "said"),
    [
        (unwrapped, cluster_member.digits, "here", "build must wrap exactly one optimizer"),
        (cluster_member.build, lambda: None, "here", "data is None"),
        (cluster_member.build, cluster_member.digits, None, "checkpoint_dir is None"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_starts(monkeypatch, build, data, directory, said):
    monkeypatch.setenv("TF_CONFIG", as_chief(ADDRESSES))
    with pytest.raises((TypeError, ValueError), match=said):
        cluster.train(build, data(), checkpoint_dir=directory)


def as_chief(addresses):
    return json.dumps({"cluster": addresses, "task": {"type": "chief", "index": 0}})


def test_an_update_waits_for_all_and_takes_the_mean_of_their_gradients(graph):
    weights = [tf.get_variable(name, initializer=[0.0, 0.0], use_resource=True) for name in ("first", "second")]

    def step(factor, is_chief):
        optimizer = _make_synchronous(tf.train.GradientDescentOptimizer(1.0), 2, is_chief)
        return optimizer.minimize(tf.add_n([factor * tf.reduce_sum([1.0, 2.0] * weight) for weight in weights]))

    of_chief, of_worker = step(1.0, True), step(3.0, False)
    with tf.Session() as sess, futures.ThreadPoolExecutor(1) as executor:
        sess.run(tf.global_variables_initializer())
        for iteration in 1, 2:
            update = executor.submit(sess.run, of_chief)
            assert not futures.wait([update], 0.5).done
            sess.run(of_worker)
            update.result()
            for weight in sess.run(weights):
                np.testing.assert_array_equal(weight, [-2.0 * iteration, -4.0 * iteration])


def test_a_worker_draws_noise_from_other_seeds(graph):
    vae = vae_tf1.build_vae(seed=3)
    (theirs,) = random_operations(train_fetches(vae))
    loss, *_ = reseed(train_fetches(vae), 5)
    (own,) = random_operations([loss])
    assert (own.get_attr("seed"), own.get_attr("seed2")) == (theirs.get_attr("seed"), theirs.get_attr("seed2") + 5)
    changed = [node.name for node in loss.graph.as_graph_def().node if node not in graph.as_graph_def().node]
    assert changed == [own.name]


def test_a_port_in_use_is_one_sentence(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        here = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("TF_CONFIG", as_chief({**ADDRESSES, "chief": [here]}))
        with pytest.raises(OSError, match=rf"^chief 0 \({here}\) can't listen on its port .*; choose another\.$"):
            Cluster().start_server(100)


def test_waiting_names_the_missing_processes_and_times_out(monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", as_chief(ADDRESSES))
    here = Cluster()
    answers = {**dict.fromkeys(here.addresses, b""), here.me: here.device(here.me).encode()}
    monkeypatch.setattr(Cluster, "probe", lambda self: answers)
    everybody = r"ps 0 \(127\.0\.0\.1:1\) and worker 0 \(127\.0\.0\.1:3\)"
    with pytest.raises(TimeoutError, match=rf"^chief 0 \(127\.0\.0\.1:2\) has waited 1 s for {everybody}; start what"):
        here.wait_for_all(1)
    assert re.fullmatch(rf"Waiting for {everybody}\.\n", capsys.readouterr().out)


@pytest.mark.slow
def test_a_cluster_with_a_missing_worker_times_out(tmp_path):
    """One of two workers never starts."""
    with cluster_of(program(tmp_path, BUILTIN_DIR, "--patience=8"), tmp_path, workers=3) as processes:
        processes.kill(("worker", 1))
        statuses = processes.wait()
        assert statuses["chief", 0] == statuses["worker", 0] == statuses["ps", 0] == LOST
        for who in ("chief", 0), ("worker", 0), ("ps", 0):
            said = r"(Waiting for .*\n)*{} {} \(\S+\) has waited 8 s for .*worker 1 \(\S+\); .*\n".format(*who)
            assert re.fullmatch(said, processes.said(who))


@pytest.mark.slow
def test_what_the_chief_cannot_read_is_one_sentence_for_all(tmp_path):
    options = ("--initial-checkpoint", tmp_path / "nothing")
    with cluster_of(program(tmp_path, BUILTIN_DIR, *options), tmp_path) as processes:
        assert set(processes.wait().values()) == {1}, processes.outputs()
        assert re.fullmatch(r"(Waiting for .*\n)*There is no .*checkpoint .*\n", processes.said(("chief", 0)))
        for who in ("worker", 0), ("ps", 0):
            said = r"(Waiting for .*\n)*chief 0 \(\S+\) has failed: There is no .*checkpoint .*\n"
            assert re.fullmatch(said, processes.said(who))


@pytest.mark.slow
def test_a_worker_with_another_shuffling_seed_is_refused_in_one_sentence_for_all(tmp_path):
    with cluster_of(member(tmp_path, 21, 50), tmp_path) as processes:
        processes.kill(("worker", 0))
        processes.command.append("1")  # the same digits, shuffled by another seed
        processes.start(("worker", 0))
        assert set(processes.wait().values()) == {1}, processes.outputs()
        reason = r"worker 0 \(\S+\) differs from the chief: data seed is 0 here, 1 there; make"
        for who in processes.roles:
            assert re.search(reason, processes.said(who))
    assert not tf.train.latest_checkpoint(str(tmp_path / "checkpoints"))


def iterations_saved(directory):
    return int(tf.train.latest_checkpoint(str(directory / "checkpoints")).split("iterations-")[1].split("/")[0])


NOISY = ("--iterations=801", "--batch-size=50", "--report-every=100")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights after an undisturbed run with noise, and the processes of another cluster, which have ended: their
    TF_CONFIG named the parameter server of the first."""
    directory = tmp_path_factory.mktemp("undisturbed")
    with cluster_of(program(directory, BUILTIN_DIR, *NOISY), directory) as processes:
        processes.wait_until_said(("chief", 0), "Iteration 0:")
        (address,) = json.loads(processes.roles["ps", 0])["cluster"]["ps"]
        command = program(directory / "other", BUILTIN_DIR, *NOISY)
        with cluster_of(command, directory / "other", roles=roles_beside(address)) as others:
            assert set(others.wait().values()) == {1}, others.outputs()
        assert set(processes.wait().values()) == {0}, processes.outputs()
    return weights_in(directory / "checkpoints"), others


@pytest.mark.slow
def test_the_parameter_server_of_another_cluster_is_refused(undisturbed):
    _, others = undisturbed
    (address,) = json.loads(others.roles["chief", 0])["cluster"]["ps"]
    for who in others.roles:
        assert re.search(rf"ps 0 \({address}\) serves another cluster, or has another TF_CONFIG", others.said(who))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="asks Linux which processes there are")
def test_killed_processes_are_restarted_and_the_weights_are_the_same(tmp_path, undisturbed):
    moments, said = random.Random(0), ""
    with local_cluster(tmp_path, *NOISY, "--max-restarts=3") as process:
        for who, first, seconds in (
            (("chief", 0), None, 10),
            (("worker", 0), "Iteration", 1),
            (("ps", 0), "Iteration", 1),
        ):
            while len(children := children_of(process)) < 3:
                assert process.poll() is None
                time.sleep(0.1)
            while first is not None and (line := process.stdout.readline()):
                said += line
                if line.startswith(first):
                    break
            time.sleep(moments.uniform(0, seconds))
            os.kill(children[who], signal.SIGKILL)
            while children.items() & children_of(process).items():
                time.sleep(0.1)
        said += process.communicate()[0]
    assert process.returncode == 0, said
    ended = re.findall(r"^Ended: .*(chief|worker|ps) 0 \(status -9\).*; restarts left: (\d)\.$", said, re.MULTILINE)
    assert ended == [("chief", "3"), ("worker", "2"), ("ps", "1")]
    assert [report.iteration for report in vae_tf1.past_reports(tmp_path / "checkpoints")] == [*range(0, 801, 100)]
    assert largest_difference(weights_in(tmp_path / "checkpoints"), undisturbed[0]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("lost", "number"), [(("chief", 0), signal.SIGKILL), (("ps", 0), signal.SIGSTOP)])
def test_processes_that_lose_another_say_so_and_exit(tmp_path, lost, number):
    options = ("--iterations=100000", "--batch-size=50", "--report-every=100")
    with cluster_of(program(tmp_path, BUILTIN_DIR, *options), tmp_path) as processes:
        processes.wait_until_said(("chief", 0), "Iteration 100:")
        processes.running[lost].send_signal(number)
        for who in processes.roles.keys() - {lost}:
            assert processes.running[who].wait(300) == LOST, processes.outputs()
            said = r"{} {} \(\S+\) has lost {} {} \(\S+\); restart all processes to resume\.\n".format(*who, *lost)
            assert re.fullmatch(rf"((Waiting|Iteration) .*\n)*{said}", processes.said(who))


@pytest.mark.slow
def test_an_interrupt_of_the_chief_saves_and_ends_the_cluster(tmp_path):
    options = ("--iterations=100000", "--batch-size=50", "--report-every=100")
    with cluster_of(program(tmp_path, BUILTIN_DIR, *options), tmp_path) as processes:
        processes.wait_until_said(("chief", 0), "Iteration 100:")
        time.sleep(1)
        processes.running["chief", 0].send_signal(signal.SIGINT)
        assert processes.wait() == {("ps", 0): 0, ("chief", 0): 130, ("worker", 0): 0}, processes.outputs()
        assert re.search(
            r"^Stopped; restart all processes to resume from .*\n\Z", processes.said(("chief", 0)), re.MULTILINE
        )
    assert iterations_saved(tmp_path) > 101  # the checkpoint that the report of iteration 100 wrote


@pytest.mark.slow
def test_a_silent_server_in_place_of_the_parameter_server_blocks_nobody_forever(tmp_path):
    """At the address of the parameter server, another server accepts connections but sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as says_nothing:
        address = f"127.0.0.1:{says_nothing.getsockname()[1]}"
        command = program(tmp_path, BUILTIN_DIR, "--patience=5")
        with cluster_of(command, tmp_path, roles=roles_beside(address)) as processes:
            assert set(processes.wait().values()) == {LOST}, processes.outputs()
        for who in processes.roles:
            assert re.search(rf"has waited 5 s for .*ps 0 \({address}\).*; start what is missing", processes.said(who))


@contextlib.contextmanager
def local_cluster(directory, *options):
    """Runs the program with `--workers 2`; kills all processes at the end of the block, whatever happens."""
    command = program(directory, BUILTIN_DIR, "--workers=2", *options)
    environment = {key: value for key, value in os.environ.items() if key != "TF_CONFIG"}
    with subprocess.Popen(
        list(map(str, command)),
        env={**environment, "TQDM_DISABLE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            for pid in [process.pid, *children_of(process).values()]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def children_of(process):
    """The ids of the processes that `process` has started, by role."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, KeyError):
            parent = (directory / "stat").read_text().rpartition(")")[2].split()[1]
            environment = dict(each.partition("=")[::2] for each in (directory / "environ").read_text().split("\0"))
            if int(parent) == process.pid:
                task = json.loads(environment["TF_CONFIG"])["task"]
                found[task["type"], task["index"]] = int(directory.name)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="asks Linux which processes there are")
@pytest.mark.parametrize(
    ("kill", "number", "status", "said"),
    [
        (("worker", 0), signal.SIGKILL, LOST, r"Ended: worker 0 \(status -9\); restarts left: 0\.\n"),
        (None, signal.SIGTERM, 143, ""),
        (None, signal.SIGINT, 130, r"Stopped; restart all processes .*\n"),
    ],
)
def test_all_processes_on_one_machine_end_together(tmp_path, kill, number, status, said):
    options = ("--report-every=100", "--batch-size=50", "--max-restarts=0")
    with local_cluster(tmp_path, *options) as process:
        for line in process.stdout:
            if line.startswith("Iteration 100:"):
                break
        children = children_of(process)
        assert children.keys() == {("ps", 0), ("chief", 0), ("worker", 0)}
        os.kill(process.pid if kill is None else children[kill], number)
        rest, _ = process.communicate()
        assert process.returncode == status
        assert re.fullmatch(rf"(Iteration .*\n)*{said}", rest)
        assert not [pid for pid in children.values() if Path(f"/proc/{pid}").exists()]


@pytest.mark.slow
def test_two_workers_with_50_images_train_as_well_as_one_machine(tmp_path, mnist_dir):
    """With noise, which differs between the two workers."""
    with cluster_of(program(tmp_path, mnist_dir, "--batch-size=50", "--iterations=2000"), tmp_path) as processes:
        assert set(processes.wait().values()) == {0}, processes.outputs()
        negative_elbo = float(re.search(r"2000 iterations: (\S+) ", processes.said(("chief", 0)))[1])
    with tf.Graph().as_default(), tf.Session(config=vae_tf1.session_config()) as sess:
        vae, data = vae_tf1.build_vae(seed=0), vae_tf1.read_data_sets(mnist_dir, seed=0)
        list(vae_tf1.train(sess, vae, data, 2000, 100))
        assert abs(negative_elbo - vae_tf1.evaluate(sess, vae, data.test.images).negative_elbo) < 1
