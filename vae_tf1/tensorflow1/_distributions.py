"""`tf.contrib.distributions`, one family with `tf.distributions`.

The fourteen names of `tf.distributions` are TensorFlow's own, unchanged since 1.15. The others are
tensorflow-probability's with 1.15's arguments, attributes and numbers. `tf.contrib.distributions` takes a name from
here first, then from TensorFlow's own, then from tensorflow-probability.
"""

import inspect

import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
from tensorflow.python.ops.distributions import beta, exponential, gamma, laplace, normal, student_t
from tensorflow.python.ops.distributions import kullback_leibler as _own_kl
from tensorflow.python.ops.distributions.util import matrix_diag_transform as matrix_diag_transform
from tensorflow.python.ops.distributions.util import tridiag as tridiag
from tensorflow_probability.python.distributions import kullback_leibler as _probability_kl
from tensorflow_probability.python.internal import reparameterization as _reparameterization

from vae_tf1.tensorflow1._bijectors import adapt

_tfd, _tfb = tfp.distributions, tfp.bijectors

BetaWithSoftplusConcentration = beta.BetaWithSoftplusConcentration
ExponentialWithSoftplusRate = exponential.ExponentialWithSoftplusRate
GammaWithSoftplusConcentrationRate = gamma.GammaWithSoftplusConcentrationRate
LaplaceWithSoftplusScale = laplace.LaplaceWithSoftplusScale
NormalWithSoftplusScale = normal.NormalWithSoftplusScale
StudentTWithAbsDfSoftplusScale = student_t.StudentTWithAbsDfSoftplusScale
SeedStream = tfp.util.SeedStream
auto_correlation = tfp.stats.auto_correlation
fill_triangular, fill_triangular_inverse = tfp.math.fill_triangular, tfp.math.fill_triangular_inverse
reduce_weighted_logsumexp, softplus_inverse = tfp.math.reduce_weighted_logsumexp, tfp.math.softplus_inverse


def percentile(x, q, axis=None, interpolation=None, keep_dims=False, validate_args=False, name=None):
    return tfp.stats.percentile(x, q, axis, interpolation, keep_dims, validate_args, name=name)


def _is_own(value) -> bool:
    return isinstance(value, tf.distributions.Distribution) and not isinstance(value, _tfd.Distribution)


def _modern(value):
    """Converts TensorFlow's own distributions, alone or in a list, to tensorflow-probability's."""
    if isinstance(value, list | tuple):
        return value if not any(_is_own(one) for one in value) else [_modern(one) for one in value]
    if not _is_own(value):
        return value
    for ancestor in type(value).__mro__:
        counterpart = getattr(_tfd, ancestor.__name__, None)
        if counterpart is not None and ancestor is getattr(tf.distributions, ancestor.__name__, None):
            taken = inspect.signature(counterpart.__init__).parameters
            parameters = {name: given for name, given in value.parameters.items() if name in taken}
            if ancestor is not type(value):  # NormalWithSoftplusScale, for one, has the scale itself
                parameters |= {name: getattr(value, name) for name in parameters if hasattr(value, name)}
            return counterpart(**parameters | {"name": value.name.rstrip("/").rpartition("/")[2]})
    return value


_END = " validate_args allow_nan_stats name"


def _adapt(name: str, order: str, translate=lambda named: named, **attributes) -> type:
    """`adapt` of a distribution, whose arguments may be distributions of TensorFlow's own."""
    base = getattr(_tfd, name)
    attributes["_parameter_properties"] = classmethod(
        lambda cls, *some, **more: base._parameter_properties(*some, **more)
    )
    return adapt(
        base, order, lambda named: {key: _modern(value) for key, value in translate(named).items()}, **attributes
    )


def _without(dropped: str):
    return lambda named: {name: value for name, value in named.items() if name != dropped}


def _with_scale(named: dict) -> dict:
    return {"scale" if name == "rate" else name: value for name, value in named.items()}


def _with_multiple_of_identity(named: dict) -> dict:
    multiplier, scale_diag = named.pop("scale_identity_multiplier", None), named.get("scale_diag")
    if multiplier is not None:
        multiple = tf.convert_to_tensor(multiplier)[..., tf.newaxis]
        named["scale_diag"] = multiple * tf.ones_like(named.get("loc")) if scale_diag is None else scale_diag + multiple
    return named


def _transformed(named: dict) -> dict:
    distribution = _modern(named["distribution"])
    batch_shape, event_shape = named.pop("batch_shape", None), named.pop("event_shape", None)
    if batch_shape is not None:
        distribution = _tfd.BatchBroadcast(distribution, batch_shape)
    if event_shape is not None:
        distribution = _tfd.Sample(distribution, event_shape)
    bijector = _tfb.Identity() if named.get("bijector") is None else named["bijector"]
    return {**named, "distribution": distribution, "bijector": bijector}


_OF_ONE = {
    "probs": property(lambda self: self.probs_parameter()),
    "logits": property(lambda self: self.logits_parameter()),
}
Binomial = _adapt("Binomial", "total_count logits probs" + _END, **_OF_ONE)
Geometric = _adapt("Geometric", "logits probs" + _END, **_OF_ONE)
NegativeBinomial = _adapt("NegativeBinomial", "total_count logits probs" + _END, **_OF_ONE)
RelaxedBernoulli = _adapt("RelaxedBernoulli", "temperature logits probs" + _END, **_OF_ONE)
RelaxedOneHotCategorical = _adapt(
    "RelaxedOneHotCategorical", "temperature logits probs dtype" + _END, _without("dtype"), **_OF_ONE
)
ExpRelaxedOneHotCategorical = _adapt(
    "ExpRelaxedOneHotCategorical", "temperature logits probs dtype" + _END, _without("dtype"), **_OF_ONE
)
OneHotCategorical = _adapt(
    "OneHotCategorical",
    "logits probs dtype" + _END,
    event_size=property(lambda self: self.event_shape_tensor()[-1]),
    **_OF_ONE,
)
Poisson = _adapt(
    "Poisson",
    "rate log_rate" + _END,
    rate=property(lambda self: self.rate_parameter()),
    log_rate=property(lambda self: self.log_rate_parameter()),
)
Chi2 = _adapt(
    "Chi2",
    "df" + _END,
    concentration=property(lambda self: 0.5 * self.df),
    rate=property(lambda self: tf.constant(0.5, self.dtype)),
)
InverseGamma = _adapt("InverseGamma", "concentration rate" + _END, _with_scale, rate=property(lambda self: self.scale))
MultivariateNormalDiag = _adapt(
    "MultivariateNormalDiag", "loc scale_diag scale_identity_multiplier" + _END, _with_multiple_of_identity
)
MultivariateNormalDiagPlusLowRank = _adapt(
    "MultivariateNormalDiagPlusLowRank",
    "loc scale_diag scale_identity_multiplier scale_perturb_factor scale_perturb_diag" + _END,
    _with_multiple_of_identity,
)
MultivariateNormalTriL = _adapt("MultivariateNormalTriL", "loc scale_tril" + _END)
Independent = _adapt("Independent", "distribution reinterpreted_batch_ndims validate_args name")
QuantizedDistribution = _adapt("QuantizedDistribution", "distribution low high validate_args name")
BatchReshape = _adapt("BatchReshape", "distribution batch_shape" + _END)
Mixture = _adapt(
    "Mixture",
    "cat components validate_args allow_nan_stats use_static_graph name",
    _without("use_static_graph"),
)
MixtureSameFamily = _adapt("MixtureSameFamily", "mixture_distribution components_distribution" + _END)
TransformedDistribution = ConditionalTransformedDistribution = _adapt(
    "TransformedDistribution", "distribution bijector batch_shape event_shape validate_args name", _transformed
)


def Chi2WithAbsDf(df, *arguments, name="Chi2WithAbsDf", **named):  # noqa: N802
    return Chi2(tf.floor(tf.abs(df)), *arguments, name=name, **named)


def InverseGammaWithSoftplusConcentrationRate(  # noqa: N802
    concentration, rate, *arguments, name="InverseGammaWithSoftplusConcentrationRate", **named
):
    return InverseGamma(tf.nn.softplus(concentration), tf.nn.softplus(rate), *arguments, name=name, **named)


def MultivariateNormalDiagWithSoftplusScale(  # noqa: N802
    loc, scale_diag, validate_args=False, allow_nan_stats=True, name="MultivariateNormalDiagWithSoftplusScale"
):
    scale = tf.nn.softplus(scale_diag)
    return MultivariateNormalDiag(loc, scale, None, validate_args, allow_nan_stats, name=name)


def WishartCholesky(df, scale, cholesky_input_output_matrices=False, *arguments, **named):  # noqa: N802
    return _tfd.WishartTriL(df, scale, cholesky_input_output_matrices, *arguments, **named)


def WishartFull(df, scale, *arguments, **named):  # noqa: N802
    return WishartCholesky(df, tf.linalg.cholesky(scale), *arguments, **named)


def _unite_with_tensorflow() -> None:
    """Joins `tf.distributions` and tensorflow-probability's into one family, with one registry of KL divergences."""
    tf.distributions.Distribution.register(_tfd.Distribution)
    for name in ("ReparameterizationType", "FULLY_REPARAMETERIZED", "NOT_REPARAMETERIZED"):
        for module in (_reparameterization, _tfd):
            setattr(module, name, getattr(tf.distributions, name))
    own, probability = _own_kl._registered_kl, _probability_kl._registered_kl

    def compute_as_modern(a, b, name=None):
        return _tfd.kl_divergence(_modern(a), _modern(b), name=name)

    _own_kl._registered_kl = lambda a, b: own(a, b) or probability(a, b) or compute_as_modern
    _probability_kl._registered_kl = lambda a, b: probability(a, b) or own(a, b)


_unite_with_tensorflow()
