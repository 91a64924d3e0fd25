"""The graph of an exported program: what each field of its JSON may hold.

One description for torch 2.6 to 2.13 (torch/_export/serde/schema.py; newer versions add fields and rename none).
"""

from __future__ import annotations

import json
import keyword
from typing import Final

from dsconv_cli.model.exported.callables import operator, small_power
from dsconv_cli.model.exported.checks import (
    Check,
    RefusedError,
    Value,
    dropped,
    flag,
    listed,
    mapped,
    matching,
    maybe,
    number,
    one_of,
    parse_json,
    record,
    refuse,
    text,
    whole,
)
from dsconv_cli.model.exported.expressions import SYMBOL, expression, guard

_LONGEST: Final = 2000
#: torch's containers without a class of someone's behind them.
_CONTAINERS: Final = frozenset(
    {
        *("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", "torch.Size"),
        *(f"torch.fx.immutable_collections.immutable_{kind}" for kind in ("list", "dict")),
    }
)


def checked_program(data: bytes) -> bytes:
    """The JSON of a program, with what nobody needs left out.

    Raises:
        RefusedError: it holds something that is not understood; the message names the field.
    """
    try:
        return json.dumps(PROGRAM(parse_json(data))).encode()
    except RecursionError:
        raise RefusedError("nested deeper than any program") from None


def name(value: Value) -> Value:
    """A name that torch writes into the source text of `forward`."""
    if not isinstance(value, str) or len(value) > _LONGEST or not (value.isascii() and value.isidentifier()):
        refuse(value, "name of a value")
    return value if not keyword.iskeyword(value) else refuse(value, "name of a value")


def path(value: Value) -> Value:
    """The dotted name of a module or a tensor, which torch may put between double quotes in source text."""
    if not isinstance(value, str) or not value.isprintable() or any(one in value for one in '"\\'):
        refuse(value, "name of a module")
    return value if len(value) <= _LONGEST else refuse(value, "name of a module")


def nothing(value: Value) -> Value:
    """None, an empty object or an empty list: for what would be an object of some class."""
    return refuse(value, "program without custom objects") if value else value


def tree(value: Value) -> Value:
    """How arguments are nested: protocol 1 of torch's trees, in JSON of its own, made of Python's own containers."""
    if not isinstance(value, str):
        refuse(value, "tree of arguments")
    parsed = parse_json(value)
    if not isinstance(parsed, list) or len(parsed) != 2 or parsed[0] != 1:
        refuse(value, "tree of arguments of protocol 1")
    return json.dumps([1, _branch(parsed[1])])


def _keys(value: Value) -> Value:
    """The keys of a dict, or nothing: JSON once more, and text, so that torch has nothing in it to look up."""
    if value is None:
        return value
    if not isinstance(value, str):
        refuse(value, "list of keys")
    keys = parse_json(value)
    if keys is not None and not (isinstance(keys, list) and all(isinstance(one, str | int | float) for one in keys)):
        refuse(value, "list of keys")
    return json.dumps(None if keys is None else [path(one) if isinstance(one, str) else one for one in keys])


def _branch(value: Value) -> Value:
    if not isinstance(value, dict):
        refuse(value, "tree of arguments")
    kind = value.get("type")
    if kind is not None and kind not in _CONTAINERS:
        kind = value.get("context") if kind == "collections.namedtuple" else kind
        raise RefusedError(f"an input or output is a {kind}, and only tuples, lists and dicts of tensors are known")
    return record(type=maybe(text), context=_keys, children_spec=listed(_branch))(value)


def _metadata(value: Value) -> Value:
    """Of the notes on a node, which modules it was called in. The rest is for people who debug."""
    stack = value.get("nn_module_stack") if isinstance(value, dict) else refuse(value, "object")
    if stack is None:
        return {}
    modules = stack.split(";") if isinstance(stack, str) else refuse(stack, "list of modules")
    return {"nn_module_stack": ";".join(str(path(one)) for one in modules)}


def _node(value: Value) -> Value:
    node = _NODE(value)
    assert isinstance(node, dict)
    small_power(node)
    return node


def _graph(value: Value) -> Value:
    return GRAPH(value)


def _argument(value: Value) -> Value:
    return ARGUMENT(value)


_word: Final = matching(r"\w{1,100}", "word")
_version: Final = matching(r"[\w.+<>=-]{1,100}", "version")
_device: Final = record(type=matching(r"[a-z]{1,20}", "device"), index=maybe(whole))

_expression: Final = record(expr_str=expression, hint=maybe(one_of(as_int=whole, as_bool=flag, as_float=number)))
sym_int: Final = one_of(as_expr=_expression, as_int=whole)
_sym_float: Final = one_of(as_expr=_expression, as_float=number)
_sym_bool: Final = one_of(as_expr=_expression, as_bool=flag)


def tensor_meta(size: Check) -> Check:
    """A tensor's type and shape, with sizes of which `size` approves."""
    return record(
        dtype=whole,
        sizes=listed(size),
        requires_grad=flag,
        device=_device,
        strides=listed(size),
        storage_offset=size,
        layout=whole,
    )


_tensor: Final = record(name=name)
_optional_tensor: Final = one_of(as_tensor=_tensor, as_none=flag)
_int_argument: Final = one_of(as_name=name, as_int=whole)
_float_argument: Final = one_of(as_name=name, as_float=number)
_bool_argument: Final = one_of(as_name=name, as_bool=flag)

ARGUMENT: Final = one_of(
    as_none=flag,
    as_tensor=_tensor,
    as_tensors=listed(_tensor),
    as_nested_tensors=listed(listed(_tensor)),
    as_optional_tensor=_optional_tensor,
    as_optional_tensors=listed(_optional_tensor),
    as_int=whole,
    as_ints=listed(whole),
    as_int_lists=listed(listed(whole)),
    as_float=number,
    as_floats=listed(number),
    as_float_lists=listed(listed(number)),
    as_complex=record(real=number, imag=number),
    as_bool=flag,
    as_bools=listed(flag),
    as_string=text,
    as_strings=listed(text),
    as_sym_int=_int_argument,
    as_sym_ints=listed(_int_argument),
    as_sym_float=_float_argument,
    as_sym_floats=listed(_float_argument),
    as_sym_bool=_bool_argument,
    as_sym_bools=listed(_bool_argument),
    as_scalar_type=whole,
    as_memory_format=whole,
    as_layout=whole,
    as_device=_device,
    as_graph=record(name=name, graph=_graph),
    as_operator=operator,
    as_custom_obj=nothing,
    as_string_to_argument=mapped(name, _argument),
)

_NODE: Final = record(
    target=operator,
    inputs=listed(record(name=lambda value: name(value) if value else text(value), arg=ARGUMENT, kind=maybe(whole))),
    outputs=listed(ARGUMENT),
    metadata=_metadata,
    is_hop_single_tensor_return=maybe(flag),
    name=maybe(name),
)

GRAPH: Final = record(
    inputs=listed(ARGUMENT),
    outputs=listed(ARGUMENT),
    nodes=listed(_node),
    tensor_values=mapped(name, tensor_meta(sym_int)),
    sym_int_values=mapped(name, sym_int),
    sym_bool_values=mapped(name, _sym_bool),
    sym_float_values=mapped(name, _sym_float),
    custom_obj_values=nothing,
    is_single_tensor_return=flag,
)

_SIGNATURE: Final = record(
    input_specs=listed(
        one_of(
            user_input=record(arg=ARGUMENT),
            parameter=record(arg=_tensor, parameter_name=path),
            buffer=record(arg=_tensor, buffer_name=path, persistent=flag),
            tensor_constant=record(arg=_tensor, tensor_constant_name=path),
            custom_obj=nothing,
            token=nothing,
            constant_input=record(
                name=name,
                value=one_of(as_none=flag, as_int=whole, as_float=number, as_string=text, as_bool=flag),
            ),
        )
    ),
    output_specs=listed(
        one_of(
            user_output=record(arg=ARGUMENT),
            loss_output=record(arg=_tensor),
            buffer_mutation=record(arg=_tensor, buffer_name=path),
            parameter_mutation=record(arg=_tensor, parameter_name=path),
            gradient_to_parameter=record(arg=_tensor, parameter_name=path),
            gradient_to_user_input=record(arg=_tensor, user_input_name=name),
            user_input_mutation=record(arg=_tensor, user_input_name=name),
            token=nothing,
        )
    ),
)

_CALL: Final = record(
    inputs=listed(ARGUMENT),
    outputs=listed(ARGUMENT),
    in_spec=tree,
    out_spec=tree,
    forward_arg_names=maybe(listed(name)),
)

PROGRAM: Final = record(
    graph_module=record(
        graph=GRAPH,
        signature=_SIGNATURE,
        module_call_graph=listed(record(fqn=path, signature=maybe(_CALL))),
        metadata=dropped,
        treespec_namedtuple_fields=dropped,
    ),
    opset_version=mapped(_word, whole),
    range_constraints=mapped(
        matching(SYMBOL, "symbol for a size"), record(min_val=maybe(number), max_val=maybe(number))
    ),
    schema_version=record(major=whole, minor=whole),
    verifiers=listed(_word),
    torch_version=_version,
    guards_code=listed(guard),
)
