"""Archives that would run code, or take the machine's memory, if torch read them as they are."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import pt2
import pytest
from pt2 import Parts, first, touch

from dsconv_cli.cli import run
from dsconv_cli.errors import DsconvError
from dsconv_cli.model.exported.reading import load_program


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "net.pt2"
    pt2.export_network(path)
    return path


@pytest.fixture
def parts(good):
    return Parts(good)


def refused(path, *words):
    """It is refused for that reason, and nothing of it has run."""
    with pytest.raises(DsconvError) as caught:
        load_program(path)
    assert caught.value.exit_code == 2
    said = str(caught.value)
    assert said.startswith(f"{path} is not read: ")
    for word in words:
        assert word in said
    assert not list(path.parent.rglob(pt2.SENTINEL))


def test_the_command_refuses_in_one_line(parts, tmp_path, capsys):
    parts.entries["data/constants/opaque_obj_0"] = pt2.bomb(tmp_path)
    path = parts.write(tmp_path / "bad.pt2")
    assert run(["model", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        f"error: {path} is not read: it holds pickled objects or compiled code (net/data/constants/op"
    )
    assert err.count("\n") == 1
    assert not (tmp_path / pt2.SENTINEL).exists()


# --- entries ---------------------------------------------------------------------------------------------------

PICKLED = "holds pickled objects or compiled code"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("data/constants/opaque_obj_0", PICKLED),
        ("data/constants/Opaque_obj_0", PICKLED),
        ("data/constants/custom_obj_0", PICKLED),
        ("data/aotinductor/model/x.so", PICKLED),
        ("data/weights/model.pt", PICKLED),
        ("data/constants/model.pt", PICKLED),
        ("data/sample_inputs/model.pt", PICKLED),
        ("data/weights/Weight_0", "an entry that torch does not write"),
        ("data/weights/extra.py", "an entry that torch does not write"),
        ("models/other.json", "an entry that torch does not write"),
        ("data\\weights\\weight_0", "with a name that torch does not write"),
        ("../ran-code", "with a name that torch does not write"),
        ("data//weights/weight_0", "with a name that torch does not write"),
        ("data/./weight_0", "with a name that torch does not write"),
        ("data/weights/weight_0\n", "with a name that torch does not write"),
        ("data/weights/weight_٣", "an entry that torch does not write"),
    ],
)
def test_entries(parts, tmp_path, name, words):
    parts.entries[name] = pt2.bomb(tmp_path)
    refused(parts.write(tmp_path / "bad.pt2"), words)


def test_a_name_that_ends_early(parts, tmp_path):
    """Python's reader cuts a name at a zero byte, torch's does not."""
    parts.entries["data/constants/opaque_obj_0@"] = pt2.bomb(tmp_path)
    path = parts.write(tmp_path / "bad.pt2")
    path.write_bytes(path.read_bytes().replace(b"opaque_obj_0@", b"tensor_99\0_0@"))
    refused(path, "with a name that torch does not write")


def test_an_entry_in_another_folder(parts, tmp_path):
    path = parts.write(tmp_path / "bad.pt2")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("Net/data/weights/weight_0", b"")
    refused(path, "'Net/data/weights/weight_0'")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_twice(parts, tmp_path):
    path = parts.write(tmp_path / "bad.pt2")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"net/{Parts.PROGRAM}", b"{}")
    refused(path, "the same name")


@pytest.mark.parametrize("name", [Parts.INPUTS, "data/weights/model.pt"])
def test_pickles_in_the_format_of_today(parts, tmp_path, name):
    parts.entries[name] = pt2.saved_bomb(tmp_path)
    refused(parts.write(tmp_path / "bad.pt2"), name, PICKLED, "posix.system")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"cbuiltins\neval\n(V1+1\ntR.", "UNICODE"),
        (b"cbuiltins\neval\n.", "builtins.eval"),
        (b"ctorch\nload\n.", "torch.load"),
        (b"ccollections\nOrderedDict\n)R}b.", "BUILD"),
        (b"(ios\nsystem\n.", "INST"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "STACK_GLOBAL"),
        (b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_parameter\n)))tR.", "of its own making"),
        (b"\x80\x02](K\x01K\x02", "damaged pickle"),
        (b"\x80\x02]K\x01R.", "damaged pickle"),
        (b"\x80\x02X\xff\xff\xff\x7f.", "damaged pickle"),
    ],
)
def test_pickles_by_hand(parts, tmp_path, code, words):
    parts.entries[Parts.INPUTS] = saved(code)
    refused(parts.write(tmp_path / "bad.pt2"), Parts.INPUTS, words)


def saved(*parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"".join(parts))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        # A list of two lists of two lists …, in nine bytes each.
        (
            b"\x80\x02]q\0" + b"".join(b"]q%c(h%ch%ce" % (n + 1, n, n) for n in range(60)) + b".",
            "more than it has bytes",
        ),
        (b"\x80\x02]q\0h\0a.", "more than it has bytes"),
        (b"\x80\x02" + b"]" * 3000 + b"a" * 2999 + b".", "deeper"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "remembers more than it holds"),
    ],
    ids=["laughs", "in itself", "deep", "memo"],
)
def test_pickles_that_grow(parts, tmp_path, code, words):
    parts.entries[Parts.INPUTS] = saved(code)
    refused(parts.write(tmp_path / "bad.pt2"), Parts.INPUTS, words)


def test_a_pickle_in_the_layout_before_torch_2_8(parts, tmp_path):
    path = tmp_path / "bad.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", parts.entries[Parts.PROGRAM])
        archive.writestr("serialized_state_dict.pt", pt2.saved_bomb(tmp_path))
        archive.writestr("version", "8.2")
    refused(path, "serialized_state_dict.pt", PICKLED)


# --- a file that is larger than it is --------------------------------------------------------------------------


def test_compressed(parts, tmp_path):
    path = tmp_path / "bad.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.entries.items():
            archive.writestr(f"net/{name}", content)
    refused(path, "is compressed or encrypted")


def test_eight_gigabytes_in_a_table_of_contents(parts, tmp_path):
    """Both sizes of one entry, as the table of contents has them, changed to 2 GB; the entry is where it was."""
    path = parts.write(tmp_path / "bad.pt2")
    data = path.read_bytes()
    at = data.index(b"net/data/weights/weight_0", data.index(b"PK\x01\x02")) - 46
    path.write_bytes(data[: at + 20] + struct.pack("<II", 2**31, 2**31) + data[at + 28 :])
    refused(path, "its entries claim 2,147,")


def test_one_entry_listed_many_times(parts, tmp_path):
    """As in Fifield's bomb: the table of contents points to the same bytes again and again."""
    parts.entries["data/weights/weight_0"] = bytes(10**6)
    path = parts.write(tmp_path / "bad.pt2")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("net/data/weights/weight_0")
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(100, 110):
            copy = zipfile.ZipInfo(f"net/data/weights/weight_{number}")
            copy.CRC, copy.file_size, copy.compress_size, copy.header_offset = info.CRC, 10**6, 10**6, 0
            archive.filelist.append(copy)
            archive._didModify = True
    refused(path, "bytes, and the file has")


def meta_of(parts, table=Parts.WEIGHTS):
    document = parts.document(table)
    return document, first(document, "tensor_meta")["tensor_meta"]


@pytest.mark.parametrize(
    ("sizes", "strides", "words"),
    [
        ([2**31], [1], "a tensor claims 8,589,934,592 bytes"),
        ([2, 2], [1, 2**40], "a tensor claims"),
        ([2**31], [0], "its tensors claim 8,589,9"),
        ([2**62, 2**62], [0, 0], "its tensors claim"),
        ([-8], [1], "impossible sizes"),
        ([8], [], "impossible sizes"),
        ([1] * 100, [1] * 100, "impossible sizes"),
        ([2**70], [1], "is no 64-bit integer"),
        ([1.5], [1], "is no 64-bit integer"),
        ([True], [1], "is no 64-bit integer"),
    ],
)
def test_weights_larger_than_their_entry(parts, tmp_path, sizes, strides, words):
    document, meta = meta_of(parts)
    meta["sizes"], meta["strides"] = ([{"as_int": one} for one in many] for many in (sizes, strides))
    parts.put(document, Parts.WEIGHTS)
    refused(parts.write(tmp_path / "bad.pt2"), Parts.WEIGHTS, words)


def test_weights_without_numbers(parts, tmp_path):
    """torch makes zeros where an entry is empty, as many as the table says."""
    document, meta = meta_of(parts)
    meta["sizes"], meta["strides"] = [{"as_int": 2**31}], [{"as_int": 1}]
    parts.put(document, Parts.WEIGHTS)
    parts.entries["data/weights/weight_0"] = b""
    refused(parts.write(tmp_path / "bad.pt2"), "and the file holds 0 for it")


def test_one_entry_in_very_many_weights(parts, tmp_path):
    document, _ = meta_of(parts)
    name, one = next(iter(document["config"].items()))
    parts.entries["data/weights/weight_0"] = bytes(10**6)
    one["tensor_meta"]["sizes"], one["tensor_meta"]["strides"] = [{"as_int": 250_000}], [{"as_int": 1}]
    document["config"].update({f"{name}{number}": one for number in range(200)})
    parts.put(document, Parts.WEIGHTS)
    refused(parts.write(tmp_path / "bad.pt2"), "its tensors claim 20")


def test_an_example_input_larger_than_its_numbers(parts, tmp_path):
    import torch

    buffer = io.BytesIO()
    torch.save(((torch.ones(1).expand(2**31),), {}), buffer)
    parts.entries[Parts.INPUTS] = buffer.getvalue()
    refused(parts.write(tmp_path / "bad.pt2"), Parts.INPUTS, "its tensors claim 8,589,934,592 bytes")


def test_damaged(good, tmp_path):
    data = good.read_bytes()
    at = data.index(b"weight_0") + 200
    for number, broken in enumerate(
        [b"", b"PK\x05\x06", data[: len(data) // 2], data[:at] + b"\0\1" + data[at + 2 :], data.replace(b"PK", b"XX")]
    ):
        path = tmp_path / f"{number}.pt2"
        path.write_bytes(broken)
        refused(path)


# --- texts that are evaluated, imported or written into source -------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [1, "true", None, [], 0, True],
)
def test_use_pickle_is_false_and_nothing_else(parts, tmp_path, use):
    document = parts.document(Parts.WEIGHTS)
    first(document, "use_pickle")["use_pickle"] = use
    parts.put(document, Parts.WEIGHTS)
    refused(parts.write(tmp_path / "bad.pt2"), "use_pickle")


@pytest.mark.parametrize("name", ["../../x", "weight_999", "weight_0/../weight_1", "/etc/passwd", "Weight_0", ""])
def test_an_entry_that_a_table_names(parts, tmp_path, name):
    document = parts.document(Parts.WEIGHTS)
    first(document, "path_name")["path_name"] = name
    parts.put(document, Parts.WEIGHTS)
    refused(parts.write(tmp_path / "bad.pt2"), Parts.WEIGHTS)


def expressions(where):
    code = touch(where)
    return [
        code,
        f"({code} and None) or Symbol('s0')",
        f"[{code}][0]",
        f"Max(Integer(1), {code})",
        f"Symbol('s0', positive={code})",
        f"Symbol(*[{code}])",
        f"Pow(Symbol('s0'), Integer(2, x={code}))",
        f"s0 ** Rational(1, 2, x={code})",
        "Symbol('s0').__class__",
        "(lambda: 1)()",
        "lambdify('x', 'x')",
        "sympify('1')",
        "S('1')",
        "eval('1')",
        "open('ran-code', 'w')",
        "s0 if s1 else s2",
        "f'{s0}'",
        "s0 := 1",
        "[s0 for s0 in s1]",
        "s0; s1",
        "s0\n+s1",
        "s0 # comment",
        "ｓ0",
        "'s0'",
        "Integer('1')",
        "",
        "(" * 300 + "s0" + ")" * 300,
        "-" * 3000 + "s0",
        "s0" + "+s0" * 6000,
        "s0**s0",
        "2**1000000000",
        "Pow(Pow(Pow(Symbol('s0'), Integer(60)), Integer(60)), Integer(60))",
        "PowByNatural(Integer(9), Symbol('s0'))",
        f"Pow(Symbol('s0'), Rational(1{'0' * 400}, 3))",
        "(s0 + s1 + s2 + s3)**10",
        "Mul(" + ", ".join(["Add(Symbol('s0'), Symbol('s1'), Symbol('s2'))"] * 9) + ")",
        "1 << 100000000",
        "9" * 5000,
    ]


@pytest.mark.parametrize("number", range(len(expressions("."))))
def test_sizes(parts, tmp_path, number):
    document = parts.document()
    first(document, "expr_str")["expr_str"] = expressions(tmp_path)[number]
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "expr_str")


@pytest.mark.parametrize("number", range(len(expressions("."))))
def test_guards(parts, tmp_path, number):
    document = parts.document()
    document["guards_code"] = [expressions(tmp_path)[number]]
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "guards_code")


@pytest.mark.parametrize(
    "guard",
    ["L['x'].__class__", "L['x'].item()", "L['x'].size(0)", "L.size()", "x.size()", "L['x'].size().__len__()"],
)
def test_guards_that_ask_too_much(parts, tmp_path, guard):
    document = parts.document()
    document["guards_code"] = [f"{guard} == 1"]
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "guards_code")


@pytest.mark.parametrize("symbol", ["u999999999999", "__import__('os')", "s0+s1", "x" * 9, ""])
def test_symbols_of_ranges(parts, tmp_path, symbol):
    document = parts.document()
    document["range_constraints"][symbol] = {"min_val": 1, "max_val": 2}
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "range_constraints", "symbol for a size")


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.save.default",
        "torch.ops.aten.fbgemm_linear_fp16_weight.default",
        "torch.ops.aten.add.__call__",
        "torch.ops.aten.__class__.mro",
        "torch.ops.aten._reshape_alias.default",
        "torch.ops.mine.op.default",
        "torch.ops.load_library",
        "torch.ops.higher_order.call_torchbind",
        "torch.load",
        "torch.hub.load",
        "torch.sym_max.__globals__",
        "_operator.methodcaller",
        "_operator.attrgetter",
        "_operator.setitem",
        "math.__loader__.load_module",
        "#mine:op",
        "",
        None,
        7,
    ],
)
def test_operators(parts, tmp_path, target):
    document = parts.document()
    first(document, "target")["target"] = target
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "nodes.0.target")


def test_an_operator_as_an_argument(parts, tmp_path):
    document = parts.document()
    first(document, "arg")["arg"] = {"as_operator": "torch.os.system"}
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "as_operator")


@pytest.mark.parametrize("last", [{"name": "", "arg": {"as_int": 10**12}, "kind": 1}, {}])
def test_a_shift_by_very_much_or_by_nothing(parts, tmp_path, last):
    document = parts.document()
    node = first(document, "target")
    node["target"] = "_operator.lshift"
    node["inputs"] = [{"name": "", "arg": {"as_int": 1}, "kind": 1}, last]
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "not a small number")


@pytest.mark.parametrize("name", ["x=print(1)", "x, y", "x\n", "x y", "def", "é", "", "x" * 3000])
def test_names_that_become_source(parts, tmp_path, name):
    """Of inputs and values: torch writes them into the text of a function and compiles that."""
    parts.rename("x", name)
    refused(parts.write(tmp_path / "bad.pt2"), "name of a value")


def test_names_of_arguments(parts, tmp_path):
    document = parts.document()
    first(document, "forward_arg_names")["forward_arg_names"] = [f"x={touch(tmp_path)}", "options"]
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "forward_arg_names")


@pytest.mark.parametrize("name", ['weight") or open("ran-code", "w") or getattr(self, "weight', "a\\", "a\nb", "a\0"])
def test_names_of_weights(parts, tmp_path, name):
    """torch writes getattr(self, "NAME") for what is no identifier."""
    parts.rename("head.weight", name)
    refused(parts.write(tmp_path / "bad.pt2"), "name of a module")


def test_names_of_modules(parts, tmp_path):
    document = parts.document()
    notes = first(document, "nn_module_stack")
    notes["nn_module_stack"] += '") + ("'
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "metadata")


def branch(kind, context):
    return json.dumps([1, {"type": kind, "context": context, "children_spec": []}])


@pytest.mark.parametrize(
    "tree",
    [
        branch(
            "collections.defaultdict",
            {"default_factory_module": "antigravity", "default_factory_name": "x", "dict_context": []},
        ),
        branch("builtins.dict", '{"__enum__": true, "fqn": "antigravity:x", "name": "y"}'),
        branch("builtins.dict", '[{"__enum__": true, "fqn": "antigravity:x", "name": "y"}]'),
        branch("builtins.dict", {"a": 1}),
        branch("builtins.dict", "["),
        branch("mine.Output", "null"),
        branch("collections.namedtuple", "Output"),
        branch("builtins.tuple", "null").replace("[1,", "[2,"),
        '[1, {"type": null, "type": "mine"}]',
        '[1, {"type": null, "context": null, "children_spec": [], "more": 1}]',
        "[1, " + '{"type": "builtins.tuple", "context": "null", "children_spec": [' * 900 + "]}" * 900 + "]",
        "1",
        "x",
        "\ud800",
        7,
    ],
)
def test_trees_of_arguments(parts, tmp_path, tree):
    """Of which torch imports what a default factory or an enumeration is said to come from."""
    document = parts.document()
    first(document, "in_spec")["in_spec"] = tree
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "in_spec")


# --- documents -------------------------------------------------------------------------------------------------


def test_unknown_keys(parts, tmp_path):
    for place in ("target", "expr_str", "path_name", "guards_code", "graph", "tensor_values"):
        changed = Parts.__new__(Parts)
        changed.entries = dict(parts.entries)
        table = Parts.WEIGHTS if place == "path_name" else Parts.PROGRAM
        document = parts.document(table)
        first(document, place)["surprise"] = touch(tmp_path)
        changed.put(document, table)
        refused(changed.write(tmp_path / "bad.pt2"), "unknown key 'surprise'")


def test_custom_objects(parts, tmp_path):
    document = parts.document()
    document["graph_module"]["graph"]["custom_obj_values"] = {"x": {"name": "x", "class_fqn": "mine.Class"}}
    parts.put(document)
    refused(parts.write(tmp_path / "bad.pt2"), "custom objects")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (b'"guards_code"', b'"verifiers": [], "guards_code"', "the key 'verifiers' stands twice"),
        (b'"guards_code"', b'"x": ' + b"[" * 5000 + b', "guards_code"', "nested deeper"),
        (b'"guards_code"', b'"guards_code\xff"', "not JSON"),
        (b'"guards_code"', b'"guards_code": NULL, "x"', "not JSON"),
        (b'"guards_code"', b'"x": ' + b"9" * 5000 + b', "guards_code"', "not JSON"),
    ],
)
def test_json(parts, tmp_path, before, after, words):
    parts.entries[Parts.PROGRAM] = parts.entries[Parts.PROGRAM].replace(before, after)
    refused(parts.write(tmp_path / "bad.pt2"), Parts.PROGRAM, words)


@pytest.mark.parametrize("name", [Parts.PROGRAM, Parts.WEIGHTS, Parts.CONSTANTS, "archive_format"])
def test_a_missing_entry(parts, tmp_path, name):
    del parts.entries[name]
    refused(parts.write(tmp_path / "bad.pt2"), f"it has no entry {name!r}")


@pytest.mark.parametrize("name", [Parts.PROGRAM, Parts.WEIGHTS, Parts.CONSTANTS])
@pytest.mark.parametrize("content", [b"[]", b"1", b"null", b'{"config": []}', b'{"graph_module": 3}', b""])
def test_other_documents(parts, tmp_path, name, content):
    parts.entries[name] = content
    refused(parts.write(tmp_path / "bad.pt2"), name)


def test_numbers_in_the_other_order(parts, tmp_path):
    parts.entries["byteorder"] = b"big"
    refused(parts.write(tmp_path / "bad.pt2"), "byteorder")
