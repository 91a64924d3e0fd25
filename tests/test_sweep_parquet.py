"""Sweeps as Parquet: one schema, whatever was measured, that others read as it is meant."""

from __future__ import annotations

import json

import pytest
from fakes import timing

from dsconv_cli.cli import run
from dsconv_cli.comparison.keys import keys_of
from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.sweep import parquet
from dsconv_cli.sweep.files import LayerFile

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow, the extra [parquet], is not installed")

GRID = ("sweep", "--k", "3:40", "--c", "7:30:11", "--h", "55", "--stride", "1,2x1", "--profiler", "none", "--quiet")


def written(path, rows):
    with path.open("wb") as stream:
        writer = parquet.Writer(stream.write, tuple(keys_of(named=True)))
        try:
            for one in rows:
                writer.add(writer.line(one))
            writer.close()
        finally:
            writer.drop()
    return pq.read_table(path)


def test_what_stands_in_it_is_what_stands_in_json(tmp_path):
    files = [tmp_path / "rows.parquet", tmp_path / "rows.jsonl"]
    assert run([*GRID, *(part for path in files for part in ("--output", str(path)))]) == 0
    rows = pq.read_table(files[0]).to_pylist()
    assert len(rows) == 38 * 3 * 2
    for row, line in zip(rows, files[1].read_text().splitlines(), strict=True):
        document = json.loads(line)
        for key, value in row.items():
            inner = document
            for part in key.split("."):
                inner = None if inner is None else inner.get(part)
            assert value == inner, key
            assert type(value) is type(inner), key


def test_one_schema_whatever_was_measured(tmp_path):
    """A run that times and one that does not can be put together; what is missing is null, with its type."""
    spec = ConvSpec(64, 32, h=55, w=55)
    closed = closed_forms(spec, "first")
    timed = Comparison(spec, closed.cost, time=timing(warnings=("one, two; three", "four")))
    one, other = written(tmp_path / "a.parquet", [closed]), written(tmp_path / "b.parquet", [timed])
    assert one.schema == other.schema
    assert [str(one.schema.field(name).type) for name in (
        "name", "spec.k", "spec.stride", "macs.ordinary", "macs.ratio", "approximation.holds", "time.verdict",
        "time.warnings", "time.samples.pairs", "time.speedup.low",
    )] == [
        "string", "int64", "list<element: int64>", "int64", "double", "bool", "string", "list<element: string>",
        "int64", "double",
    ]  # fmt: skip
    (first,), (second,) = one.to_pylist(), other.to_pylist()
    assert (first["name"], first["time.speedup.low"], first["time.warnings"]) == ("first", None, None)
    assert (second["name"], second["time.speedup.low"]) == (None, 2.5)
    assert second["time.warnings"] == ["one, two; three", "four"]
    # 32·64·9 weights at 55·55 positions.
    assert first["macs.ordinary"] == second["macs.ordinary"] == 32 * 64 * 9 * 55 * 55


def test_a_count_that_no_column_holds_is_refused(tmp_path, capsys):
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"old")
    wide = ("--k", "4000000000", "--c", "4000000000", "--h", "55", "--w", "55", "--profiler", "none", "--quiet")
    assert run(["sweep", *wide, "--output", str(path)]) == 3
    told = capsys.readouterr().err
    assert told == (
        "error: params.ordinary is 144000000000000000000, and a column of Parquet holds no count above 2^63 - 1; "
        "CSV and JSON Lines hold any\n"
    )
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(CannotMeasureError):
        written(tmp_path / "b.parquet", [closed_forms(ConvSpec(2**62, 2))])
    # A double would be off by one.
    row = written(tmp_path / "c.parquet", [closed_forms(ConvSpec(2**61 - 1, 1, 1, 1, 1, 1, dtype="int8"))]).to_pylist()
    assert row[0]["params.ordinary"] == 2**61 - 1


def test_layers_from_parquet(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run([*GRID, "--output", "rows.parquet", "--output", "rows.csv"]) == 0
    assert run(["sweep", "--from", "rows.parquet", "--profiler", "none", "--quiet", "--output", "again.csv"]) == 0
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()
    assert run(["sweep", "--from", "rows.parquet", "--output", "rows.parquet", "--profiler", "none", "--quiet"]) == 0
    capsys.readouterr()


def test_columns_that_others_wrote(tmp_path):
    import pyarrow as pa

    path = tmp_path / "layers.parquet"
    table = pa.table({"K": [8.0, 16.0], "c": [4, 4], "stride": [[1, 1], [2, 1]], "name": ["a", None]})
    pq.write_table(table, path)
    found = list(LayerFile(str(path)).records())
    assert [(one.name, one.arguments["k"], one.arguments["stride"]) for one in found] == [
        ("a", 8, (1, 1)), ("", 16, (2, 1)),
    ]  # fmt: skip
    assert LayerFile(str(path)).count == 2
    pq.write_table(table.append_column("colour", [["red", "blue"]]), path)
    with pytest.raises(DsconvError, match=r"layers\.parquet: unknown column 'colour'; columns are k, c,"):
        LayerFile(str(path))


def test_what_is_no_parquet(tmp_path):
    path = tmp_path / "rows.parquet"
    whole = written(path, [closed_forms(ConvSpec(8, 4))])
    assert whole.num_rows == 1
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DsconvError, match=r"rows\.parquet is not Parquet, or not all of it: ") as caught:
        LayerFile(str(path))
    assert "\n" not in str(caught.value)


def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    """Rows go out in groups: after each there is nothing left of it."""
    monkeypatch.setattr(parquet, "_TOGETHER", 20_000)
    monkeypatch.setattr(parquet, "_GROUP_ROWS", 64)
    one = closed_forms(ConvSpec(8, 4))
    path = tmp_path / "rows.parquet"
    with path.open("wb") as stream:
        writer = parquet.Writer(stream.write, tuple(keys_of(named=True)))
        line = writer.line(one)
        for _ in range(1000):
            writer.add(line)
            assert writer._rows < 64
            assert len(writer._texts) < 64
        assert stream.tell() > 10_000
        writer.close()
    assert pq.ParquetFile(path).metadata.num_rows == 1000
    assert pq.ParquetFile(path).metadata.num_row_groups > 10


def test_resuming_is_for_json_lines(capsys, tmp_path):
    path = str(tmp_path / "rows.parquet")
    assert run([*GRID, "--resume", "--output", path]) == 2
    assert "--resume goes on with the rows of a file; name it with --output FILE.jsonl" in capsys.readouterr().err
    both = [*GRID, "--resume", "--output", path, "--output", str(tmp_path / "rows.jsonl")]
    assert run(both) == run(both) == 0
    assert pq.ParquetFile(path).metadata.num_rows == 228


def test_others_read_it(tmp_path):
    """No column needs quoting but for its dots, and whole numbers, doubles and truths arrive as such."""
    pandas, polars, duckdb = (pytest.importorskip(name) for name in ("pandas", "polars", "duckdb"))
    path = str(tmp_path / "rows.parquet")
    assert run([*GRID, "--output", path]) == 0
    frame = pandas.read_parquet(path)
    assert frame["macs.ordinary"].dtype == "int64"
    assert frame["macs.ratio"].dtype == "float64"
    assert frame["approximation.holds"].dtype == "bool"
    assert int(frame["macs.ordinary"].max()) == 40 * 29 * 9 * 55 * 56
    found = polars.read_parquet(path)
    assert found["macs.ordinary"].dtype == polars.Int64
    assert found["spec.stride"].to_list()[:2] == [[1, 1], [2, 1]]
    asked = f"""select max("macs.ordinary"), count(*) from '{path}' where "spec.stride"[1] = 1 and "spec.dtype" = 'float32'"""
    assert duckdb.sql(asked).fetchall() == [(40 * 29 * 9 * 55 * 56, 114)]
