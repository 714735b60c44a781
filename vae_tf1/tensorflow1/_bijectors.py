"""The bijectors of `tf.contrib.distributions` that tensorflow-probability has dropped or defines differently."""

from typing import Any

import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp

_tfb: Any = tfp.bijectors


def AffineScalar(shift=None, scale=None, validate_args=False, name="affine_scalar"):  # noqa: N802
    """y = scale * x + shift."""
    scaling = [] if scale is None else [_tfb.Scale(scale, validate_args=validate_args)]
    return _shifted(shift, scaling, validate_args, name)


def AffineLinearOperator(shift=None, scale=None, validate_args=False, name="affine_linear_operator"):  # noqa: N802
    """y = scale @ x + shift, with a `tf.linalg.LinearOperator`."""
    scaling = [] if scale is None else [_tfb.ScaleMatvecLinearOperator(scale, validate_args=validate_args)]
    return _shifted(shift, scaling, validate_args, name)


def Affine(  # noqa: N802
    shift=None,
    scale_identity_multiplier=None,
    scale_diag=None,
    scale_tril=None,
    scale_perturb_factor=None,
    scale_perturb_diag=None,
    validate_args=False,
    name="affine",
):
    """y = scale @ x + shift, with scale = multiplier * I + diag + tril + factor @ diag(perturb) @ factor^T."""
    if scale_diag is None and scale_tril is None and scale_perturb_factor is None:
        return AffineScalar(shift, scale_identity_multiplier, validate_args, name)
    diagonal = 0.0 if scale_diag is None else tf.convert_to_tensor(scale_diag)
    if scale_identity_multiplier is not None:
        diagonal += tf.convert_to_tensor(scale_identity_multiplier)[..., tf.newaxis]
    elif scale_diag is None and scale_tril is None:
        diagonal = 1.0
    if scale_tril is not None:
        tril = tf.convert_to_tensor(scale_tril)
        operator = tf.linalg.LinearOperatorLowerTriangular(
            tf.linalg.set_diag(tril, tf.linalg.diag_part(tril) + diagonal)
        )
    else:
        if scale_diag is None:
            diagonal *= tf.ones_like(tf.convert_to_tensor(scale_perturb_factor)[..., 0])
        operator = tf.linalg.LinearOperatorDiag(diagonal)
    if scale_perturb_factor is not None:
        operator = tf.linalg.LinearOperatorLowRankUpdate(operator, scale_perturb_factor, scale_perturb_diag)
    return AffineLinearOperator(shift, operator, validate_args, name)


def _shifted(shift, scaling: list, validate_args: bool, name: str):
    shifting = [] if shift is None else [_tfb.Shift(shift, validate_args=validate_args)]
    return _tfb.Chain([*shifting, *scaling], validate_args=validate_args, name=name)


def SinhArcsinh(skewness=None, tailweight=None, validate_args=False, name="sinh_arcsinh"):  # noqa: N802
    """y = sinh((arcsinh(x) + skewness) * tailweight), without today's factor 2 / sinh(arcsinh(2) * tailweight)."""
    skewness = 0.0 if skewness is None else skewness
    tailweight = tf.convert_to_tensor(1.0 if tailweight is None else tailweight)
    factor = tf.sinh(tf.asinh(tf.constant(2.0, tailweight.dtype)) * tailweight) / 2
    inner = _tfb.SinhArcsinh(skewness, tailweight, validate_args=validate_args)
    return _tfb.Chain([_tfb.Scale(factor), inner], name=name)


class SoftmaxCentered(_tfb.SoftmaxCentered):
    """With the Jacobian of n coordinates of the simplex; today's has a factor sqrt(n + 1)."""

    def _forward_log_det_jacobian(self, x):
        return super()._forward_log_det_jacobian(x) - 0.5 * _log1p_size(x, 0)

    def _inverse_log_det_jacobian(self, y):
        return super()._inverse_log_det_jacobian(y) + 0.5 * _log1p_size(y, -1)


def _log1p_size(x, more: int):
    return tf.log1p(tf.cast(tf.shape(x)[-1] + more, x.dtype))


class MatrixInverseTriL(_tfb.MatrixInverseTriL):
    """With 1.15's Jacobian -2 n sum(log|diag|), where today's is -(n + 1) sum(log|diag|)."""

    def _forward_log_det_jacobian(self, x):
        size = tf.cast(tf.shape(x)[-1], x.dtype)
        return super()._forward_log_det_jacobian(x) * 2 * size / (size + 1)


def adapt(base: type, order: str, translate=lambda named: named, **attributes) -> type:
    """A class of tensorflow-probability with 1.15's arguments.

    Args:
        order: the names of 1.15's arguments by position.
        translate: from 1.15's arguments by name to today's.
        attributes: further attributes of the class.
    """

    def __init__(self, *arguments, **named):  # noqa: N807
        by_position = zip(order.split()[: len(arguments)], arguments, strict=True)
        super(adapted, self).__init__(**translate({**dict(by_position), **named}))

    adapted = type(base)(base.__name__, (base,), {**attributes, "__init__": __init__, "__module__": __name__})
    return adapted


CholeskyOuterProduct = adapt(_tfb.CholeskyOuterProduct, "validate_args name")
Inline = adapt(
    _tfb.Inline,
    "forward_fn inverse_fn inverse_log_det_jacobian_fn forward_log_det_jacobian_fn forward_event_shape_fn "
    "forward_event_shape_tensor_fn inverse_event_shape_fn inverse_event_shape_tensor_fn is_constant_jacobian "
    "validate_args forward_min_event_ndims inverse_min_event_ndims name",
)
MaskedAutoregressiveFlow = adapt(
    _tfb.MaskedAutoregressiveFlow, "shift_and_log_scale_fn is_constant_jacobian validate_args unroll_loop name"
)
Permute = adapt(_tfb.Permute, "permutation validate_args name")
RealNVP = adapt(_tfb.RealNVP, "num_masked shift_and_log_scale_fn is_constant_jacobian validate_args name")
Sigmoid = adapt(_tfb.Sigmoid, "validate_args name")
Softplus = adapt(_tfb.Softplus, "hinge_softness validate_args name")


def Gumbel(loc=0.0, scale=1.0, validate_args=False, name="gumbel"):  # noqa: N802
    return _tfb.GumbelCDF(loc, scale, validate_args=validate_args, name=name)


def Kumaraswamy(concentration1=None, concentration0=None, validate_args=False, name="kumaraswamy"):  # noqa: N802
    cdf = _tfb.KumaraswamyCDF(
        1.0 if concentration1 is None else concentration1, 1.0 if concentration0 is None else concentration0
    )
    return _tfb.Invert(cdf, validate_args=validate_args, name=name)


def Ordered(validate_args=False, name="ordered"):  # noqa: N802
    return _tfb.Invert(_tfb.Ascending(), validate_args=validate_args, name=name)


def ScaleTriL(diag_bijector=None, diag_shift=1e-5, validate_args=False, name="scale_tril"):  # noqa: N802
    diagonal = _tfb.Softplus() if diag_bijector is None else diag_bijector
    return _tfb.FillScaleTriL(diagonal, diag_shift, validate_args=validate_args, name=name)
