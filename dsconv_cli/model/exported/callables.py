"""The operators that a program may be made of: torch's own arithmetic, by name.

A target is a dotted path that torch follows with `getattr` from the module torch, operator or math, and calls what it
finds: `torch.os.system` would be one. Of aten, what deals with files or with memory by its address is left out, and of
the names that begin with an underscore all but those that an export writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from dsconv_cli.model.exported.checks import RefusedError, Value, refuse

_ATEN: Final = re.compile(r"torch\.ops\.aten\.(\w+)\.([A-Za-z]\w*)", re.ASCII)
_PRIMS: Final = re.compile(r"torch\.ops\.prims\.[a-z]\w*\.[A-Za-z]\w*", re.ASCII)
#: Files; an object of Python's; weights packed by the processor's own library, which are pointers.
_REFUSED_ATEN: Final = re.compile(r"(from_file|save|set_data|record_stream)|(fbgemm|quantized|mkldnn|miopen|mps)_\w+")
#: Core ATen (torch's documentation, "IRs"), what keeps an export's conditions, and what attention and packed sequences
#: become.
_PRIVATE_ATEN: Final = re.compile(
    r"__i?(and|or|xor|lshift|rshift)__"
    r"|_(assert|functional_assert)_(async|scalar|tensor_metadata)"
    r"|_functional_sym_constrain_range(_for_size)?"
    r"|_adaptive_avg_pool[23]d|_batch_norm_\w+|_native_batch_norm_legit\w*|_fused_rms_norm"
    r"|_cast_\w+|_cdist_forward|_pdist_forward|_euclidean_dist|_conj|_conj_copy|_conj_physical|_neg_view"
    r"|_convolution|_convolution_mode|_conv_depthwise2d|_embedding_bag|_embedding_bag_forward_only"
    r"|_fft_(c2c|c2r|r2c)|_linalg_(det|eigh|slogdet|solve_ex|svd|check_errors)"
    r"|_is_(all|any)_true|_local_scalar_dense|_logcumsumexp|_(log|safe|masked)?_?softmax"
    r"|_native_multi_head_attention|_transformer_encoder_layer_fwd|_scaled_dot_product_\w*attention\w*"
    r"|_pack_padded_sequence|_pad_packed_sequence|_pad_circular|_pad_enum|_prelu_kernel|_shape_as_tensor|_stack"
    r"|_thnn_fused_(gru|lstm)_cell|_to_copy|_trilinear|_unique2?|_unsafe_(index|index_put|masked_index|view)"
    r"|_upsample_\w+|_weight_norm|_weight_norm_interface|_int_mm|_grouped_mm|_scaled_mm|_reshape_copy"
)
_OPERATOR: Final = frozenset(
    {
        *("eq", "ne", "le", "ge", "lt", "gt", "neg", "pos", "mul", "add", "sub", "floordiv", "mod", "pow", "truediv"),
        *("and_", "or_", "lshift", "rshift", "getitem"),
    }
)
_PLAIN: Final = frozenset(
    {
        *(f"_operator.{name}" for name in _OPERATOR),
        *(f"torch.sym_{name}" for name in ("not", "int", "float", "ite", "max", "min", "sqrt", "sum")),
        "torch._sym_sqrt",
        *("math.trunc", "math.floor", "math.ceil", "math.sqrt"),
        *(f"torch.ops.higher_order.{name}" for name in ("cond", "map_impl", "while_loop", "scan", "associative_scan")),
        *(f"torch.ops.higher_order.wrap_with_{name}" for name in ("set_grad_enabled", "autocast")),
    }
)
#: Their second argument is a number in every program, and small: 1 << 10**12 is not for the machine to find out.
_POWERS: Final = frozenset({"_operator.pow", "_operator.lshift", "_operator.rshift"})
_MOST_POWER: Final = 64


def operator(value: Value) -> Value:
    """The path of an operator that does arithmetic."""
    if not isinstance(value, str):
        refuse(value, "operator")
    aten = _ATEN.fullmatch(value)
    if aten is not None:
        known = not aten[1].startswith("_") or _PRIVATE_ATEN.fullmatch(aten[1])
        if known and not _REFUSED_ATEN.fullmatch(aten[1]):
            return value
    elif value in _PLAIN or _PRIMS.fullmatch(value):
        return value
    raise RefusedError(f"{value!r} is none of torch's own operators for arithmetic")


def small_power(node: Mapping[str, Value]) -> None:
    """Refuse a power or a shift by what is no small number."""
    inputs = node.get("inputs")
    if node.get("target") not in _POWERS or not isinstance(inputs, list) or len(inputs) < 2:
        return
    exponent = inputs[1]
    while isinstance(exponent, dict):
        exponent = exponent["arg"] if "arg" in exponent else next(iter(exponent.values()), None)
    if isinstance(exponent, bool) or not isinstance(exponent, int | float) or abs(exponent) > _MOST_POWER:
        raise RefusedError(f"{node['target']} by {exponent!r}, which is not a small number")
