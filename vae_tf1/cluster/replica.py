"""The part of the chief or of a worker in training on a cluster: its graph, its session, its iterations."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.core.framework.attr_value_pb2 import AttrValue

from vae_tf1.cluster.machines import Cluster
from vae_tf1.cluster.rendezvous import Rendezvous
from vae_tf1.cluster.waiting import StateLost, Waiting, WatchedSession
from vae_tf1.data.data_set import Datasets
from vae_tf1.graph.noise import random_operations
from vae_tf1.graph.walk import upstream_of
from vae_tf1.inputs import training_arrays
from vae_tf1.training.initial_checkpoint import restore_initial
from vae_tf1.training.loop import Paused
from vae_tf1.training.plain import plain_steps
from vae_tf1.training.reports import Report
from vae_tf1.training.run import Run, Steps, identity_of
from vae_tf1.vae import VAE, train_fetches, variables_of

# From a function that makes an optimizer synchronous to the model that is trained with it.
Build = Callable[[Callable[[tf.train.Optimizer], tf.train.Optimizer]], VAE]


class Replica(NamedTuple):
    """What stays the same for this process, however often the cluster is gathered."""

    cluster: Cluster
    server: tf.train.Server
    waiting: Waiting
    build: Build
    model: VAE  # as one machine trains it: what checkpoints are of
    data: Datasets
    batch_size: int  # of all together

    def identity(self) -> dict[str, Any]:
        return identity_of(self.model, self.data, self.batch_size)


@contextlib.contextmanager
def run_of(replica: Replica, rendezvous: Rendezvous, generation: str, members: Sequence[str] = ()) -> Iterator[Run]:
    """The run of one generation, in a session that ends with it.

    Args:
        replica: whose.
        rendezvous: through which the chief starts the others.
        generation: all that the parameter servers hold of it is in a container of that name.
        members: the tokens of those whom the chief has gathered.
    """
    cluster, graph, made = replica.cluster, tf.Graph(), []
    number = cluster.trainers.index(cluster.me)

    def synchronous(optimizer: tf.train.Optimizer) -> tf.train.Optimizer:
        made.append(Synchronous(optimizer, len(cluster.trainers), number))
        return made[-1]

    setter = tf.train.replica_device_setter(
        cluster=cluster.spec,
        ps_device=f"/job:{cluster.job_name('ps')}",
        worker_device=cluster.device(cluster.me),
    )
    with graph.as_default(), graph.container(generation):
        with tf.device(setter):
            tf.train.get_or_create_global_step()
            with quiet():
                vae = replica.build(synchronous)
        _draw_own_noise(vae, number)
        if cluster.job == "chief":  # whose step applies the mean of the gradients, too
            vae = vae._replace(train_step=tf.group(vae.train_step, *made[0].update))
    sess = WatchedSession(cluster, replica.server, graph, replica.waiting)
    with contextlib.closing(sess):
        yield _ReplicaRun(replica, rendezvous, generation, members, sess, vae, made[0])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
        given_up: a tensor; when it is computed, no gradient of the step that is under way is taken any more. Whether
            that step will never be done, for want of gradients; otherwise nobody knows.
    """

    given_up: tf.Tensor

    def __init__(self, optimizer: tf.train.Optimizer, replicas: int, number: int):
        super().__init__(_AllAtOnce(optimizer), replicas, replicas)
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
        self.given_up = self._give_up(of_graph + 1)
        return tf.assign(self._local_step, token).op

    def _give_up(self, next_step: tf.Tensor) -> tf.Tensor:
        refusals = []
        for accumulator, device in self._accumulator_list:
            with tf.device(device):
                refusals.append(accumulator.set_global_step(next_step))
        waiting = []
        with tf.control_dependencies(refusals):
            for accumulator, device in self._accumulator_list:
                with tf.device(device):
                    waiting.append(accumulator.num_accumulated())
        return tf.reduce_any(tf.stack(waiting) > 0)


class _AllAtOnce:
    """An optimizer that changes no variable before it has the gradients of all."""

    def __init__(self, optimizer: tf.train.Optimizer):
        self._optimizer = optimizer

    def __getattr__(self, name: str):
        return getattr(self._optimizer, name)

    def apply_gradients(self, grads_and_vars, *args, **kwargs):
        gradients, variables = zip(*grads_and_vars)
        return self._optimizer.apply_gradients(list(zip(tf.tuple(gradients), variables)), *args, **kwargs)


def _draw_own_noise(vae: VAE, number: int) -> None:
    """Gives the noise of training other seeds on each machine; those of the weights are the same."""
    for operation in random_operations(train_fetches(vae)):
        seed2 = operation.get_attr("seed2")
        if (operation.get_attr("seed"), seed2) != (0, 0):
            operation._set_attr("seed2", AttrValue(i=seed2 + number * 1_000_003))


class _ReplicaRun(Run):
    """The chief's or a worker's part of a run."""

    sess: WatchedSession

    def __init__(self, replica: Replica, rendezvous: Rendezvous, generation: str, members, sess, vae, optimizer):
        self._replica, self._rendezvous = replica, rendezvous
        self._generation, self._members = generation, members
        self._optimizer = optimizer
        self._known = 0, replica.data.get_state()
        self._chief = replica.cluster.job == "chief"
        steps = plain_steps(sess, vae, training_arrays(vae, replica.data.train))
        super().__init__(sess, vae, replica.data, replica.batch_size, self._of_own_part(steps))
        if self._chief:
            with sess.graph.as_default():
                sess.run(tf.global_variables_initializer())
        names = {variable.op.name for variable in self.variables}
        if missing := [v.op.name for v in variables_of(replica.model) if v.op.name not in names]:
            raise ValueError(
                f"build has made the variable {missing[0]} at first, but no global variable of that name in the graph "
                "of the cluster; let it make the same global variables, in the same scopes, each time."
            )

    @property
    def variables(self) -> list[tf.Variable]:
        names = {variable.op.name for variable in variables_of(self._replica.model)}
        with self.sess.graph.as_default():
            return [variable for variable in tf.global_variables() if variable.op.name in names]

    def identity(self) -> dict[str, Any]:
        return self._replica.identity()

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
            self.sess.run(tf.train.get_global_step().assign(self.done))
        self.sess.run(self._optimizer.chief_init_op)
        state, arrays = self.state()
        self._rendezvous.start(self._generation, self._members, {**state, "done": self.done}, arrays)

    def step(self, iterations: int, report_every: int) -> Report | None:
        before = self.done
        self._replica.waiting.progress()  # the time that the caller took is no waiting
        try:
            report = super().step(iterations, report_every)
        except (KeyboardInterrupt, Paused, TimeoutError) as error:
            if self._chief and (self.done > before or not self.sess.run(self._optimizer.given_up)):
                raise StateLost("The iteration that was broken off may have been done, or its report") from error
            done, state = self._known  # what has been drawn for this iteration is drawn again
            self.data.set_state(state)
            for _ in range(done, self.done):
                self.data.train.next_rows(self.batch_size)
            raise
        self._replica.waiting.progress()
        if report is not None:
            self._known = self.done, self.data.get_state()
        return report

    def _of_own_part(self, steps: Steps) -> Steps:
        """`steps` on this machine's part of each batch, during which it looks at what the others do."""
        cluster = self._replica.cluster
        size = self._replica.batch_size // len(cluster.trainers)
        first = cluster.trainers.index(cluster.me) * size

        def own(rows: np.ndarray, iteration: int) -> np.ndarray:
            with self.sess.looking(self._look_at_others):
                return steps(rows[:, first : first + size], iteration)

        return own

    def _look_at_others(self) -> None:
        """Called while they are waited for.

        Raises:
            Paused: a worker has come back, or the chief gathers all again.
            RuntimeError: the chief has failed, or a worker of this generation.
        """
        if not self._chief:
            self._rendezvous.check_generation(self._rendezvous.status(), self._generation)
        elif new := self._rendezvous.requests_of_others(self._members):
            workers = sorted({("worker", request["worker"]) for request in new})
            back = self._replica.cluster.named(*workers)
            raise Paused(f"{back} has come back; training goes on after {self.done} iterations.")
