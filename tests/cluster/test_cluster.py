"""Clusters of real processes on the loopback address: the numbers of one machine, and what happens when one fails."""

import contextlib
import json
import os
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
from vae_tf1.cluster.machines import Cluster, server_of
from vae_tf1.cluster.processes import roles_here
from vae_tf1.cluster.replica import Synchronous
from vae_tf1.cluster.waiting import Waiting
from vae_tf1.data.mnist import BUILTIN_DIR
from vae_tf1.graph.walk import upstream_of

MEMBER = Path(cluster_member.__file__)
# Of weights that 21 steps of Adam have moved by up to 2e-2: rounding, which Adam enlarges where gradients are tiny.
CLOSE = 1e-4
ADDRESSES = {"ps": ["127.0.0.1:1"], "chief": ["127.0.0.1:2"], "worker": ["127.0.0.1:3"]}


class Processes:
    """A cluster, each process with its output in a file."""

    def __init__(self, command, directory, roles):
        self.command, self.directory, self.roles = list(map(str, command)), directory, roles
        self.running = {}
        for member in self.roles:
            self.start(member)

    def start(self, member):
        environment = {**os.environ, "TF_CONFIG": self.roles[member], "TQDM_DISABLE": "1"}
        environment["http_proxy"] = "http://127.0.0.1:9"  # where nothing is: a cluster needs no proxy
        with self._output(member).open("a") as output:
            self.running[member] = subprocess.Popen(self.command, env=environment, stdout=output, stderr=output)

    def kill(self, member):
        self.running[member].kill()
        self.running[member].wait()

    def said(self, member):
        text = self._output(member).read_text()
        # TensorFlow 2.18 to 2.20 do not keep to the level of messages that they were imported with.
        return re.sub(r"^([IW]0000 |WARNING: All log messages before absl).*\n", "", text, flags=re.MULTILINE)

    def wait_until_said(self, member, pattern, seconds=120):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.said(member)):
            assert time.monotonic() < end, self.outputs()
            time.sleep(0.1)

    def wait(self, seconds=240):
        """The exit status of each."""
        end = time.monotonic() + seconds
        return {member: process.wait(max(1, end - time.monotonic())) for member, process in self.running.items()}

    def outputs(self):
        return "\n".join(f"--- {member}\n{self.said(member)}" for member in self.roles)

    def _output(self, member):
        return self.directory / "{}{}.log".format(*member)


@contextlib.contextmanager
def cluster_of(command, directory, workers=2, roles=None):
    """No process of it is left behind, whatever happens."""
    directory.mkdir(exist_ok=True)
    processes = Processes(command, directory, roles or roles_here(workers))
    try:
        yield processes
    finally:
        for process in processes.running.values():
            process.kill()
            process.wait()


def roles_beside(address):
    """Those of a chief and a worker whose TF_CONFIG has that address for the parameter server."""
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
    """The weights of the same model that one machine has trained, by name, and the reports."""
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
    """Where a chief and a worker have trained 21 iterations, each with 50 images."""
    directory = tmp_path_factory.mktemp("cluster")
    with cluster_of(member(directory, 21, 50), directory) as processes:
        assert set(processes.wait().values()) == {0}, processes.outputs()
        assert re.fullmatch(r"(Waiting for .*\n)*Iteration 0: \d+\.\d\d nats\n", processes.said(("chief", 0)))
        # On a busy machine, one may be ready seconds before another.
        begins = r"worker 0 trains with the chief from iteration 0 on\.\n"
        assert re.fullmatch(rf"(Waiting for .*\n)*{begins}", processes.said(("worker", 0)))
        assert re.fullmatch(r"(Waiting for .*\n)*", processes.said(("ps", 0)))
    return directory / "checkpoints"


def test_two_workers_with_50_images_are_one_machine_with_100(trained):
    weights, _ = alone(21, 100)
    assert largest_difference(weights_in(trained), weights) < CLOSE


def test_one_machine_goes_on_from_the_checkpoint_of_a_cluster(trained, tmp_path):
    with pytest.raises(ValueError, match="its batch_size is 100, here it is 50"):
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
def test_a_cluster_goes_on_from_the_checkpoint_of_one_machine_and_the_program_evaluates(tmp_path):
    """With the program, two workers, and a run that one machine has begun."""
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
        (None, "TF_CONFIG is not set"),
        ("{", "TF_CONFIG can't be read"),
        ({"cluster": {"ps": "127.0.0.1:1"}}, "TF_CONFIG can't be read"),
        ({"cluster": {"ps": ["127.0.0.1:1"]}}, "exactly one chief"),
        ({"cluster": {**ADDRESSES, "master": ["h:1"]}}, 'the job "master"'),
        ({"cluster": {**ADDRESSES, "ps": []}}, "at least one ps"),
        ({"cluster": ADDRESSES}, "does not say which of them this machine is"),
        ({"cluster": ADDRESSES, "task": {"type": "worker"}}, "does not say which of them this machine is"),
        ({"cluster": ADDRESSES, "task": {"type": "evaluator", "index": 0}}, 'of type "evaluator"'),
        ({"cluster": ADDRESSES, "task": {"type": "worker", "index": 1}}, "is worker 1, but has 1 of them"),
        ({"cluster": {**ADDRESSES, "worker": ["nowhere"]}, "task": {"type": "ps", "index": 0}}, 'address "nowhere"'),
        ({"cluster": {**ADDRESSES, "worker": ["127.0.0.1:1"]}, "task": {"type": "ps", "index": 0}}, "twice"),
    ],
)
def test_a_wrong_tf_config_is_one_sentence(monkeypatch, config, said):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        Cluster.from_environment()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("build", "data", "said"),
    [
        (lambda synchronous: vae_tf1.build_vae(seed=0), {"seed": 0}, "build has made 0 optimizers synchronous"),
        (cluster_member.build, {}, "data has no seed"),
    ],
)
def test_what_would_train_apart_is_refused_before_anything_starts(monkeypatch, tmp_path, build, data, said):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": ADDRESSES, "task": {"type": "chief", "index": 0}}))
    digits = vae_tf1.read_data_sets("unused", source="builtin", **data)
    with pytest.raises(ValueError, match=said):
        cluster.train(build, digits, checkpoint_dir=tmp_path)


def test_nobody_takes_the_token_of_another(graph):
    """Or a fast worker's gradients would count twice, and a slow one's not at all."""
    tf.train.get_or_create_global_step()
    weight = tf.get_variable("weight", [2], use_resource=True)
    synchronous = Synchronous(tf.train.AdamOptimizer(), replicas=3, number=1)
    step = synchronous.minimize(tf.reduce_sum(weight))
    taken = [operation.inputs[0].op for operation in upstream_of([step]) if "Dequeue" in operation.type]
    filled = [operation.inputs[0].op for operation in synchronous.update]
    names = [queue.get_attr("shared_name") for queue in (*taken, *filled)]
    assert names == [b"token_of_1", b"token_of_0", b"token_of_1", b"token_of_2"]


def test_a_step_that_is_given_up_changes_nothing(graph):
    """Not even if a worker was killed between two of its gradients, and the others come in late."""
    global_step = tf.train.get_or_create_global_step()
    weights = [tf.get_variable(name, [2], use_resource=True) for name in ("first", "second")]
    synchronous = Synchronous(tf.train.AdamOptimizer(), replicas=2, number=0)
    step = tf.group(synchronous.minimize(tf.add_n([tf.reduce_sum(each) for each in weights])), *synchronous.update)
    accumulators = [accumulator for accumulator, _ in synchronous._accumulator_list]
    handed_in = [accumulator.num_accumulated() for accumulator in accumulators]
    of_the_worker = [accumulator.apply_grad(tf.ones([2])) for accumulator in accumulators]

    def wait_until_handed_in(counts):
        end = time.monotonic() + 60
        while sess.run(handed_in) != counts:
            assert time.monotonic() < end
            time.sleep(0.05)

    with tf.Session() as sess, futures.ThreadPoolExecutor(1) as executor:
        sess.run(tf.global_variables_initializer())
        sess.run(synchronous.chief_init_op)
        before = sess.run(weights)
        future = executor.submit(sess.run, step)
        wait_until_handed_in([1, 1])
        sess.run(of_the_worker[0])
        wait_until_handed_in([0, 1])  # the mean of the first is taken
        assert sess.run(synchronous.given_up)
        sess.run(of_the_worker[1])
        assert not futures.wait([future], 1).done
        np.testing.assert_array_equal(sess.run(weights), before)
        assert sess.run(global_step) == 0
        sess.close()
        with pytest.raises(tf.errors.CancelledError):
            future.result()


def test_whether_a_step_that_may_be_done_is_given_up_is_unknown(graph):
    tf.train.get_or_create_global_step()
    weight = tf.get_variable("weight", [2], use_resource=True)
    synchronous = Synchronous(tf.train.AdamOptimizer(), replicas=1, number=0)
    step = tf.group(synchronous.minimize(tf.reduce_sum(weight)), *synchronous.update)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(synchronous.chief_init_op)
        sess.run(step)
        assert not sess.run(synchronous.given_up)


def test_a_port_in_use_is_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        here = f"127.0.0.1:{taken.getsockname()[1]}"
        taken_by = Cluster((("chief", (here,)), ("ps", ("127.0.0.1:1",))), "chief", 0)
        with pytest.raises(OSError, match=f"chief 0 \\({here}\\) can't listen at its port"):
            server_of(taken_by, 100)


def test_a_wait_says_for_whom_and_ends(monkeypatch, capsys):
    monkeypatch.setattr(vae_tf1.cluster.waiting, "LOOK_EVERY", 0)
    of_three = Cluster(tuple((job, tuple(hosts)) for job, hosts in ADDRESSES.items()), "chief", 0)
    waiting = Waiting(of_three, patience=60)
    for _ in range(2):
        waiting.look(lambda: [("worker", 0)])
    assert capsys.readouterr().out == "Waiting for worker 0 (127.0.0.1:3).\n"
    waiting = Waiting(of_three, patience=0)
    with pytest.raises(TimeoutError, match=r"chief 0 \(\S+\) has waited 0 s for worker 0 \(127\.0\.0\.1:3\); start"):
        waiting.look(lambda: [("worker", 0)])
    waiting.look(lambda: [])  # it has come back: the wait begins anew
    with pytest.raises(TimeoutError, match="though all of them answer"):
        waiting.look(lambda: [])


@pytest.mark.slow
def test_a_cluster_that_never_gathers_ends_with_a_sentence(tmp_path):
    """One of two workers never comes; the other asks to join again and again."""
    with cluster_of(program(tmp_path, BUILTIN_DIR, "--patience=12"), tmp_path, workers=3) as processes:
        processes.kill(("worker", 1))
        statuses = processes.wait()
        assert statuses["chief", 0] == statuses["worker", 0] == statuses["ps", 0] == 1
        assert re.fullmatch(
            r"(?:Waiting for .*\n)*Waiting for (worker 1 \(\S+\))\.\nchief 0 \(\S+\) has waited 12 s for \1; .*\n",
            processes.said(("chief", 0)),
        )
        # Said again and again if the other's requests counted as progress.
        assert processes.said(("chief", 0)).count("\nWaiting for worker 1 (") <= 1
        for who in ("worker", 0), ("ps", 0):
            assert re.search(r"The chief has ended: chief 0|has waited 12 s for worker 1", processes.said(who))


@pytest.mark.slow
def test_what_the_chief_cannot_read_is_one_sentence_for_all(tmp_path):
    options = ("--initial-checkpoint", tmp_path / "nothing", "--patience=60")
    with cluster_of(program(tmp_path, BUILTIN_DIR, *options), tmp_path) as processes:
        assert set(processes.wait(100).values()) == {1}, processes.outputs()
        assert re.fullmatch(r"(Waiting for .*\n)*There is no checkpoint .*\n", processes.said(("chief", 0)))
        for who in ("worker", 0), ("ps", 0):
            assert re.search(r"^The chief has ended: There is no checkpoint", processes.said(who), re.MULTILINE)


@pytest.mark.slow
def test_a_worker_that_shuffles_otherwise_is_refused_and_the_others_wait_for_a_right_one(tmp_path):
    with cluster_of(member(tmp_path, 21, 50), tmp_path) as processes:
        processes.kill(("worker", 0))
        right = processes.command
        processes.command = [*right, "1"]  # the same digits, shuffled by another seed
        processes.start(("worker", 0))
        assert processes.running["worker", 0].wait(60) == 1
        reason = r"worker 0 has data seed 1, the chief has 0; make them equal\."
        assert re.search(reason, processes.said(("worker", 0)))
        assert re.search(reason, processes.said(("chief", 0)))
        processes.command = right
        processes.start(("worker", 0))
        assert set(processes.wait().values()) == {0}, processes.outputs()
    weights, _ = alone(21, 100)
    assert largest_difference(weights_in(tmp_path / "checkpoints"), weights) < CLOSE


NOISY = ("--iterations=801", "--batch-size=50", "--report-every=100", "--patience=60")


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory):
    """The weights after a run with noise to which nothing has happened."""
    directory = tmp_path_factory.mktemp("unharmed")
    with cluster_of(program(directory, BUILTIN_DIR, *NOISY), directory) as processes:
        assert set(processes.wait().values()) == {0}, processes.outputs()
    return weights_in(directory / "checkpoints")


@pytest.mark.slow
@pytest.mark.parametrize("who", [("worker", 0), ("chief", 0), ("ps", 0)])
def test_a_process_that_is_killed_and_started_again_goes_on_and_the_numbers_are_the_same(tmp_path, unharmed, who):
    """Killed twice, some iterations after a report."""
    with cluster_of(program(tmp_path, BUILTIN_DIR, *NOISY), tmp_path) as processes:
        for iteration in 200, 500:
            processes.wait_until_said(("chief", 0), f"Iteration {iteration}:")
            processes.kill(who)
            time.sleep(3)
            processes.start(who)
        assert set(processes.wait().values()) == {0}, processes.outputs()
        print(processes.outputs())
    assert [report.iteration for report in vae_tf1.past_reports(tmp_path / "checkpoints")] == [*range(0, 801, 100)]
    assert largest_difference(weights_in(tmp_path / "checkpoints"), unharmed) == 0


def iterations_saved(directory):
    return int(tf.train.latest_checkpoint(str(directory / "checkpoints")).split("iterations-")[1].split("/")[0])


@pytest.mark.slow
@pytest.mark.parametrize("lost", [[], [("worker", 0)], [("worker", 0), ("ps", 0)]])
def test_an_interrupt_of_the_chief_ends_the_cluster(tmp_path, lost):
    """Also while it waits for others; what a parameter server still holds is saved."""
    options = ("--iterations=100000", "--batch-size=50", "--report-every=100", "--patience=60")
    with cluster_of(program(tmp_path, BUILTIN_DIR, *options), tmp_path) as processes:
        processes.wait_until_said(("chief", 0), "Iteration 100:")
        time.sleep(1)
        for who in lost:
            processes.kill(who)
        if lost:
            processes.wait_until_said(("chief", 0), r"Waiting for .*worker 0 \(\S+\)\.")
        processes.running["chief", 0].send_signal(signal.SIGINT)
        assert processes.running["chief", 0].wait(30) == 130, processes.outputs()
        assert "Stopped; start all again" in processes.said(("chief", 0))
        for who in processes.roles.keys() - {("chief", 0), *lost}:
            assert processes.running[who].wait(30) == 1, processes.outputs()
            assert "The chief has ended: it was stopped" in processes.said(who)
    if ("ps", 0) not in lost:
        assert iterations_saved(tmp_path) > 101  # which the report of iteration 100 has saved


@pytest.mark.slow
@pytest.mark.parametrize("lost", [("chief", 0), ("ps", 0)])
def test_when_nobody_comes_back_all_end_within_their_patience(tmp_path, lost):
    options = ("--iterations=100000", "--batch-size=50", "--report-every=100", "--patience=12")
    with cluster_of(program(tmp_path, BUILTIN_DIR, *options), tmp_path, workers=3) as processes:
        processes.wait_until_said(("chief", 0), "Iteration 100:")
        processes.kill(lost)
        staying = processes.roles.keys() - {lost}
        for who in staying:
            assert processes.running[who].wait(120) == 1, processes.outputs()
        for who in staying:
            assert re.search(r"has waited 12 s for .*; start what is missing|The chief has ended", processes.said(who))
            assert "Traceback" not in processes.said(who)


@pytest.mark.slow
def test_where_something_else_answers_nobody_waits_without_end(tmp_path):
    """At the address of the parameter server: a server that takes connections, but says nothing at all."""
    with socket.socket() as says_nothing:
        says_nothing.bind(("127.0.0.1", 0))
        says_nothing.listen()
        address = f"127.0.0.1:{says_nothing.getsockname()[1]}"
        command = program(tmp_path, BUILTIN_DIR, "--patience=10")
        with cluster_of(command, tmp_path, roles=roles_beside(address)) as processes:
            assert set(processes.wait(120).values()) == {1}, processes.outputs()
        for who in processes.roles:
            assert re.search(rf"has waited 10 s for ps 0 \({address}\).*; start what is missing", processes.said(who))


@pytest.mark.slow
def test_the_parameter_server_of_another_cluster_is_refused_and_the_other_is_not_disturbed(tmp_path, unharmed):
    with cluster_of(program(tmp_path, BUILTIN_DIR, *NOISY), tmp_path / "first") as first:
        first.wait_until_said(("chief", 0), "Iteration 200:")
        (address,) = json.loads(first.roles["ps", 0])["cluster"]["ps"]
        command = program(tmp_path / "second", BUILTIN_DIR, *NOISY)
        with cluster_of(command, tmp_path / "second", roles=roles_beside(address)) as second:
            assert set(second.wait(120).values()) == {1}, second.outputs()
            for who in second.roles:
                assert re.search(rf"ps 0 \({address}\) serves another cluster, or has", second.said(who))
        assert set(first.wait().values()) == {0}, first.outputs()
        assert "lost" not in first.outputs()
    assert largest_difference(weights_in(tmp_path / "checkpoints"), unharmed) == 0


def children_of(process):
    """The processes that `process` has started, by their role."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
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
        ("worker", signal.SIGKILL, 1, r"worker 0 was ended by signal 9; the others are ended, too\.\n"),
        (None, signal.SIGTERM, 143, ""),
        (None, signal.SIGINT, 130, r"Stopped; start all again .*\n(The chief has ended: it was stopped.*\n)*"),
    ],
)
def test_all_processes_on_one_machine_end_together(tmp_path, kill, number, status, said):
    command = program(tmp_path, BUILTIN_DIR, "--workers=2", "--report-every=100", "--batch-size=50")
    environment = {key: value for key, value in os.environ.items() if key != "TF_CONFIG"}
    with subprocess.Popen(
        list(map(str, command)),
        env={**environment, "TQDM_DISABLE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            for line in process.stdout:
                if line.startswith("Iteration 100:"):
                    break
            children = children_of(process)
            assert children.keys() == {("ps", 0), ("chief", 0), ("worker", 0)}
            if kill is not None:
                os.kill(children[kill, 0], number)
            else:
                process.send_signal(number)
            rest = process.stdout.read()
            assert process.wait(60) == status
            assert re.fullmatch(rf"(Iteration .*\n)*{said}", rest)
            assert not [pid for pid in children.values() if Path(f"/proc/{pid}").exists()]
        finally:
            for pid in [process.pid, *children_of(process).values()]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_two_workers_with_50_images_train_to_what_one_machine_does_at_the_end(tmp_path, mnist_dir, mnist):
    with cluster_of(program(tmp_path, mnist_dir, "--batch-size=50"), tmp_path) as processes:
        assert set(processes.wait(1200).values()) == {0}, processes.outputs()
        negative_elbo = float(re.search(r"20000 iterations: (\S+) ", processes.said(("chief", 0)))[1])
    print(negative_elbo)
    assert 87.3 < negative_elbo < 88.9
