"""The part of the chief or of a worker in training on a cluster: its graph, its session, its iterations."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.core.framework.attr_value_pb2 import AttrValue

from vae_tf1._startup import stderr_held_back
from vae_tf1.data_set import Datasets
from vae_tf1.graph import trained_of, upstream_of, variables_of
from vae_tf1.initial_checkpoint import restore_initial
from vae_tf1.lobby import Gone, Lobby
from vae_tf1.machines import LOOK_EVERY, Cluster, Member, Waiting
from vae_tf1.model import VAE
from vae_tf1.noise import random_operations
from vae_tf1.reports import Report
from vae_tf1.runs import Paused, Run, Steps, identity_of, plain_steps

# From a function that makes an optimizer synchronous to the model that is trained with it.
Build = Callable[[Callable[[tf.train.Optimizer], tf.train.Optimizer]], VAE]


class Part(NamedTuple):
    """What stays the same for this process, however often the cluster is gathered."""

    cluster: Cluster
    server: tf.train.Server
    build: Build
    alone: VAE
    data: Datasets
    batch_size: int  # of all together
    patience: float

    def identity(self) -> dict[str, Any]:
        return identity_of(self.alone, self.data, self.batch_size)


@contextlib.contextmanager
def run_of(part: Part, lobby: Lobby, name: str, members: Sequence[str] = ()) -> Iterator[Run]:
    """The run of one gathering, in a session that ends with it.

    Args:
        part: whose.
        lobby: through which the chief starts the others.
        name: of the gathering; all that the parameter servers hold of it is in a container of that name.
        members: the tokens of those whom the chief has gathered.
    """
    cluster, graph, made = part.cluster, tf.Graph(), []
    number = cluster.trainers.index(cluster.me)

    def synchronous(optimizer: tf.train.Optimizer) -> tf.train.Optimizer:
        made.append(Synchronous(optimizer, len(cluster.trainers), number))
        return made[-1]

    worker_device = f"/job:{cluster.job}/task:{cluster.task}"
    with graph.as_default(), graph.container(name):
        with tf.device(tf.train.replica_device_setter(cluster=cluster.spec, worker_device=worker_device)):
            tf.train.get_or_create_global_step()
            with _quiet():
                vae = part.build(synchronous)
        _draw_own_noise(vae, number)
        if cluster.job == "chief":  # whose step applies the mean of the gradients, too
            vae = vae._replace(train_step=tf.group(vae.train_step, *made[0].update))
    sess = cluster.session(part.server, graph, timeout=int(1000 * part.patience))
    try:
        yield _PartOfRun(part, lobby, name, members, sess, vae, made[0])
    finally:
        with stderr_held_back():  # TensorFlow complains there of a parameter server that has gone
            sess.close()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that TensorFlow gives to leave its version 1 behind."""
    before = tf.logging.get_verbosity()
    tf.logging.set_verbosity(tf.logging.ERROR)
    try:
        yield
    finally:
        tf.logging.set_verbosity(before)


class Synchronous(tf.train.SyncReplicasOptimizer):
    """Averages the gradients of all; the step is counted in the graph's global step.

    The queue of TensorFlow's own is shared, so that a fast replica could take the token of a slow one, and count twice.
    Here each has a queue for itself.

    Attributes:
        update: operations with which the chief applies the mean, and lets all go on.
    """

    def __init__(self, optimizer: tf.train.Optimizer, replicas: int, number: int):
        super().__init__(optimizer, replicas, replicas)
        self._replicas, self._number = replicas, number
        self.update: list[tf.Operation] = []

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        of_graph = tf.train.get_or_create_global_step()
        if global_step is not None and global_step is not of_graph:
            raise ValueError(
                f"build counts its steps in {global_step.op.name}; on a cluster, let it be "
                "tf.train.get_or_create_global_step()."
            )
        grads_and_vars = list(grads_and_vars)
        with tf.init_scope():  # now, because the names of those that are made in `super()` would lack this scope
            self._opt._create_slots([variable for gradient, variable in grads_and_vars if gradient is not None])
        step = super().apply_gradients(grads_and_vars, of_graph, name).op
        self.ready_for_local_init_op.mark_used()  # or TensorFlow complains that it was not
        (dequeue,) = [
            operation for operation in upstream_of([step]) if operation.name.startswith("sync_token_q_Dequeue")
        ]
        (enqueue,) = self.get_chief_queue_runner().enqueue_ops
        with tf.device(of_graph.device):
            queues = [
                tf.FIFOQueue(-1, [of_graph.dtype.base_dtype], [[]], shared_name=f"token_of_{number}")
                for number in range(self._replicas)
            ]
            self.update = [queue.enqueue(enqueue.inputs[1][0]) for queue in queues]
            with tf.control_dependencies(dequeue.control_inputs):  # all gradients have been handed in
                token = queues[self._number].dequeue()
        return tf.assign(self._local_step, token).op


def _draw_own_noise(vae: VAE, number: int) -> None:
    """Gives the noise of training other seeds on each machine; those of the weights are the same."""
    for operation in random_operations(trained_of(vae)):
        seed2 = operation.get_attr("seed2")
        if (operation.get_attr("seed"), seed2) != (0, 0):
            operation._set_attr("seed2", AttrValue(i=seed2 + number * 1_000_003))


class _PartOfRun(Run):
    """The chief's or a worker's part of a run."""

    def __init__(self, part: Part, lobby: Lobby, name: str, members: Sequence[str], sess, vae, optimizer):
        self._part, self._lobby, self._name, self._members = part, lobby, name, members
        self._optimizer = optimizer
        self._known = 0, part.data.get_state()
        self._chief = part.cluster.job == "chief"
        steps = plain_steps(sess, vae, part.data.train.black_and_white)
        super().__init__(sess, vae, part.data, part.batch_size, self._awaited(steps))
        with sess.graph.as_default():
            self._global_step = tf.train.get_global_step()
            if self._chief:
                sess.run(tf.global_variables_initializer())
        names = {variable.op.name for variable in self.variables}
        if missing := [v.op.name for v in variables_of(part.alone) if v.op.name not in names]:
            raise ValueError(
                f"build has made {missing[0]} on one machine, but not on the cluster; let it make the same variables, "
                "in the same scopes, each time."
            )

    @property
    def variables(self) -> list[tf.Variable]:
        names = {variable.op.name for variable in variables_of(self._part.alone)}
        with self.sess.graph.as_default():
            return [variable for variable in tf.global_variables() if variable.op.name in names]

    def identity(self) -> dict[str, Any]:
        return self._part.identity()

    def initialize(self, initial_checkpoint) -> None:
        if initial_checkpoint is not None:
            restore_initial(self.sess, self.variables, str(initial_checkpoint))

    def set_state(self, done: int, state: dict[str, Any], arrays) -> None:
        super().set_state(done, state, arrays)
        self._known = done, self.data.get_state()

    def begin(self) -> None:
        if not self._chief:
            self.sess.run(self._optimizer.local_step_init_op)
            return
        with self.sess.graph.as_default():
            self.sess.run(self._global_step.assign(self.done))
        self.sess.run(self._optimizer.chief_init_op)
        state, arrays = self.state()
        self._lobby.start(self._name, self._members, {**state, "done": self.done}, arrays)

    def step(self, iterations: int, report_every: int) -> Report | None:
        try:
            report = super().step(iterations, report_every)
        except (KeyboardInterrupt, Paused, TimeoutError) as error:
            done, state = self._known  # what has been drawn for this iteration is drawn again
            self.data.set_state(state)
            for _ in range(done, self.done):
                self.data.train.next_rows(self.batch_size)
            if self._chief and self.sess.run(self._global_step) != self.done:
                raise Gone("the iteration was done after all") from error
            raise
        if report is not None:
            self._known = self.done, self.data.get_state()
        return report

    def _awaited(self, steps: Steps) -> Steps:
        """`steps` on this machine's part of each batch, in a thread, so that this one can look around meanwhile."""
        cluster, executor = self._part.cluster, futures.ThreadPoolExecutor(1)
        size = self._part.batch_size // len(cluster.trainers)
        first = cluster.trainers.index(cluster.me) * size

        def awaited(rows: np.ndarray, iteration: int) -> np.ndarray:
            future = executor.submit(steps, rows[:, first : first + size], iteration)
            waiting = Waiting(cluster, self._part.patience)
            while not futures.wait([future], LOOK_EVERY).done:
                waiting.look(self._look)
            return future.result()

        return awaited

    def _look(self) -> list[Member]:
        """Those that do not answer.

        Raises:
            Gone: a parameter server is among them.
            Paused: a worker has come back, or the chief gathers all again.
            RuntimeError: the chief has failed, or a worker of this gathering.
        """
        cluster = self._part.cluster
        silent = cluster.silent()
        if gone := [member for member in silent if member in cluster.servers]:
            raise Gone(f"{cluster.named(*gone)} does not answer")
        if not self._chief:
            note = self._lobby.note()
            self._lobby.check_goes_on(note)
            if note.get("gathering") != self._name:
                raise Paused("The chief gathers the workers again.")
        elif new := [card for card in self._lobby.cards_of_others(self._members) if not card["leaves"]]:
            back = cluster.named(*(("worker", worker) for worker in sorted({card["worker"] for card in new})))
            raise Paused(f"{back} has come back; training goes on after {self.done} iterations.")
        return silent
