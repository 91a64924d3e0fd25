"""Layers from CSV and JSON Lines."""

from __future__ import annotations

import json

import pytest

from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.spec import Bias, ConvSpec
from dsconv_cli.report.rows import csv_header, csv_line, json_line
from dsconv_cli.sweep.files import LayerFile
from dsconv_cli.sweep.sources import Shard, parse_source
from dsconv_cli.sweep.sources import layers as layers_of

SPECS = (
    ConvSpec(64, 32),
    ConvSpec(8, 4, 5, 3, 20, 30, batch=2, stride=(2, 1), padding=(2, 0), dilation=(1, 2), bias=Bias(True, False, True)),
    ConvSpec(8, 4, 2, 2, padding="same", depth_multiplier=3, dtype="float16"),
)


def layers(path):
    return [ConvSpec(**record.arguments) for record in LayerFile(str(path)).records()]


def written(tmp_path, text, name="layers.txt"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "k,c,h\n64,32,28\n16,8,14\n",
        "K;C;H\n64;32;28\n16;8;14\n",
        "k\tc\th\n64\t32\t28\n16\t8\t14\n",
        "\ufeffk,c,h\r\n64,32,28\r\n16,8,14\r\n",
        '"k","c","h"\n"64","32","28"\n\n 16 , 8 , 14 \n,,\n',
        "c,h,spec.k\n32,28,64\n8,14,16\n",
        '{"k": 64, "c": 32, "h": 28}\n\n{"k": 16, "c": "8", "h": 14}\n',
        '[{"k": 64, "c": 32, "h": 28}, {"k": 16, "c": 8, "h": 14}]',
        '[\n  {"k": 64, "c": 32, "h": 28},\n  {"k": 16, "c": 8, "h": 14}\n]\n',
        '\n[{"k": 64, "c": 32,\n"h": 28}, {"k": 16, "c": 8, "h": 14}]\n',
        '{"layers": [{"k": 64, "c": 32, "h": 28}, {"k": 16, "c": 8, "h": 14}], "model": "m"}',
    ],
)
def test_every_shape_of_file(tmp_path, text):
    file = LayerFile(str(written(tmp_path, text)))
    assert file.count == 2
    assert [ConvSpec(**record.arguments) for record in file.records()] == [
        ConvSpec(64, 32, h=28),
        ConvSpec(16, 8, h=14),
    ]
    assert set(file.names) == {"k", "c", "h"} == set(file.varying)


def test_pairs_words_and_biases(tmp_path):
    path = written(
        tmp_path,
        'k,c,stride,padding,dilation,bias,depthwise-bias,dtype\n8,4,"2,1",1x0,2,true,no,float16\n8,4,,valid,,,,\n',
    )
    assert layers(path) == [
        ConvSpec(8, 4, stride=(2, 1), padding=(1, 0), dilation=2, bias=Bias(True, False, True), dtype="float16"),
        ConvSpec(8, 4, padding="valid"),
    ]


def test_what_dsconv_wrote_comes_back(tmp_path):
    keys = tuple(KEYS)
    line, jsonl = csv_line(keys), json_line(keys)
    ones = [closed_forms(spec) for spec in SPECS]
    assert layers(written(tmp_path, csv_header(keys) + "".join(map(line, ones)))) == list(SPECS)
    assert layers(written(tmp_path, "".join(map(jsonl, ones)))) == list(SPECS)
    assert layers(written(tmp_path, json.dumps(KEYS.document(ones[1]), indent=2))) == [SPECS[1]]


def test_a_model_leaves_out_what_has_no_replacement(tmp_path):
    spec = KEYS.document(closed_forms(SPECS[0]))["spec"]
    rows = [
        {"name": "a", "type": "Conv2d", "eligible": True, "reason": None, "spec": spec},
        {"name": "b", "type": "Conv2d", "eligible": False, "reason": "kernel is 1x1", "spec": spec},
        {"name": "c", "type": "Linear", "eligible": False, "reason": "no convolution"},
    ]
    for text in ("\n".join(map(json.dumps, rows)), json.dumps({"schema_version": 1, "layers": rows})):
        file = LayerFile(str(written(tmp_path, text)))
        assert (file.count, file.ineligible) == (1, 2)
    csv = "name,type,eligible,reason,spec.k,spec.c\na,Conv2d,true,,64,32\nb,Linear,false,no convolution,,\n"
    file = LayerFile(str(written(tmp_path, csv)))
    assert (file.count, file.ineligible) == (1, 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("k,c\n64,32\n64,x\n", "line 3, c: must be a positive integer, not 'x'"),
        ("k,c\n64,32.5\n", "line 2, c: must be a positive integer"),
        ("k,c\n\n\n64,0\n", "line 4, c: must be a positive integer"),
        ("k,c,q\n64,32,1\n", "line 1: unknown column 'q'; columns are k, c,"),
        ("k,c\n64\n", "line 2 has 1 cells, and the header has 2"),
        ("k,c\n64,32,3\n", "line 2 has 3 cells"),
        ("k,c\n64,\n", "line 2 has no c; give it, or --c"),
        ("k\n64\n", "line 2 has no c"),
        ("k,c,padding\n64,32,halb\n", "line 2, padding: must be half"),
        ("k,c,bias\n64,32,maybe\n", "line 2, bias: must be true or false"),
        ("k,c,dtype\n64,32,int4\n", "line 2, dtype: must be one of float32"),
        ('k,c\n64,"32\n', "is not CSV"),
        ("k,c\n", "holds no layers"),
        ("", "holds no layers"),
        ("\n\n", "holds no layers"),
        ('{"k": 64, "c": 32}\n{"k": 64, "c": 1.5}\n', "line 2, c: must be a positive integer, not '1.5'"),
        ('{"k": 64, "c": 32}\n{"k": true, "c": 1}\n', "line 2, k: must be a positive integer, not 'true'"),
        ('{"k": 64, "c": 32}\n{"k": 64,\n', "line 2 is not JSON"),
        ('{"k": 64, "c": 32}\n[]\n{"k": 64, "c": 32, "kk": 1}\n', "line 3: unknown column 'kk'"),
        ('{"k": 64, "c": 32}\n3\n', "line 2: a layer is an object"),
        ('{"spec": {"k": 1, "c": 1, "z": 1}}\n', "unknown column 'spec.z'"),
        ('{"k": 64, "c": [1, 2]}\n', "line 1, c: must be a positive integer"),
        (b"k,c\n\xff,1\n", "is not UTF-8"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path, text, complaint):
    path = written(tmp_path, text)
    with pytest.raises(DsconvError) as caught:
        LayerFile(str(path))
    assert complaint in str(caught.value).replace(f"{path} ", "", 1)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DsconvError, match=r"cannot read .*: no such file or directory"):
        LayerFile(str(tmp_path / "none.csv"))


def test_what_only_some_layers_set_is_not_told_of_all(tmp_path):
    """Here the second layer's stride is 1, which no cell says."""
    file = LayerFile(str(written(tmp_path, "k,c,stride,h\n64,32,2,28\n64,16,,28\n")))
    assert (file.fixed, set(file.varying)) == ({"k": 64, "h": 28}, {"c", "stride"})
    same = LayerFile(str(written(tmp_path, "k,c,stride\n64,32,1\n64,16,\n")))
    assert (same.fixed, set(same.varying)) == ({"k": 64, "stride": (1, 1)}, {"c"})


def test_an_option_outranks_both_ends_of_a_padding(tmp_path):
    """A kernel of 2 on 8 rows with nothing around them: 7 rows. The file alone pads one end: 8 rows."""
    path = str(written(tmp_path, "k,c,r,s,h,w,padding,padding_end\n8,8,2,2,8,8,0,1\n"))
    for texts, rows in (({}, 8), ({"padding": "0"}, 7), ({"padding": "valid"}, 7)):
        (one,) = layers_of(parse_source(texts, file=path), Shard())
        assert one.spec.output_shape == (1, 8, rows, rows)


def test_a_tie_divides_nothing_that_a_file_says(tmp_path):
    path = str(written(tmp_path, "k\n8\n"))
    with pytest.raises(
        DsconvError, match="--zip c=k/2: only a value that is given can be divided, and k comes from the"
    ):
        parse_source({}, zips=["c=k/2"], file=path)


def test_names_are_read_and_told_of(tmp_path):
    for text in (
        "Name,k,c\nstem,64,32\n,1,1\n",
        '{"name": "stem", "k": 64, "c": 32}\n{"name": null, "k": 1, "c": 1}\n',
        '{"layers": [{"name": "stem", "eligible": true, "spec": {"k": 64, "c": 32}}, {"k": 1, "c": 1}]}',
    ):
        file = LayerFile(str(written(tmp_path, text)))
        assert file.named
        assert [record.name for record in file.records()] == ["stem", ""]
    assert not LayerFile(str(written(tmp_path, "k,c,name\n64,32,\n"))).named
