"""Pages as text and as Markdown: where things stand, and that foreign names stay names."""

from __future__ import annotations

import re

import pytest

from dsconv_cli.report import markdown, table
from dsconv_cli.report.page import Cell, Column, Facts, Item, Items, Layouts, Line, Page, Table, View

HOSTILE = "a|b`c\n<img src=x>*d*\x1b[31m_e_[f](g)\\"


def shown(*blocks, width=None, **view):
    return table.render(Page((blocks,)), View(width=width, **view)).splitlines()


def rows(*texts):
    return [tuple(map(Cell, text.split())) for text in texts]


NUMBERS = Table((Column("", left=True), Column("k"), Column("MACs")), rows("one 64 1,234", "two 8 5"))


def test_numbers_to_the_right_words_to_the_left():
    assert shown(NUMBERS) == [
        "      k   MACs",
        "──────────────",
        "one  64  1,234",
        "two   8      5",
    ]
    assert shown(NUMBERS, unicode=False)[1] == "-" * 14


def test_a_rule_for_each_column():
    columns = Table(NUMBERS.columns, NUMBERS.rows, "columns")
    assert shown(columns)[1] == "───  ──  ─────"
    assert shown(Table(NUMBERS.columns, NUMBERS.rows, "none"))[1] == "one  64  1,234"


def test_the_first_layout_that_fits():
    short = Table((Column("", left=True), Column("k")), rows("one 64", "two 8"))
    both = Layouts(NUMBERS, (NUMBERS, short))
    assert shown(both, width=14) == shown(NUMBERS)
    assert shown(both, width=13) == shown(short)
    assert shown(both) == shown(NUMBERS), "where nothing limits it, the preferred one"


def test_where_none_fits_one_figure_a_line():
    assert shown(NUMBERS, width=13) == ["one", "  k 64", "  MACs 1,234", "two", "  k 8", "  MACs 5"]


def test_rows_without_a_label_are_blocks():
    headings = (Column("k"), Column("MACs"), Column("params"))
    blocks = Table(headings, rows("64 1,234 7.89×", "8 5 6.00×"), "columns", labelled=False)
    assert shown(blocks, width=17)[2] == "64  1,234   7.89×"
    assert shown(blocks, width=16) == [
        *("k       64", "MACs    1,234", "params  7.89×"),
        "",
        *("k       8", "MACs    5", "params  6.00×"),
    ]


def test_what_folds_is_folded_before_anything_is_lost():
    folding = Table(
        (Column("layer", left=True, folds=True), Column("MACs"), Column("replaced", left=True, folds=True)),
        [(Cell("backbone.stage"), Cell("1,234"), Cell("no: called 2 times"))],
    )
    lines = shown(folding, width=30)
    assert max(map(len, lines)) <= 30
    assert "".join("".join(line[:11].split()) for line in lines[2:]) == "backbone.stage"
    assert " ".join(" ".join(line[18:].split()) for line in lines[2:]).split() == ["no:", "called", "2", "times"]


def test_text_is_wrapped_at_the_reading_width_or_the_window():
    words = Line("word " * 40)
    assert max(map(len, shown(words))) == 79
    assert max(map(len, shown(words, width=24))) == 24
    assert shown(Items((Item("one two three four"),)), width=14) == ["  - one two", "    three four"]


def test_marks_and_names_hang():
    answers = Items((Item("it holds", Cell("yes", "good")), Item("it does not", Cell("no"), ("more", "and more"))))
    assert shown(answers) == ["  yes  it holds", "  no   it does not", "         more", "         and more"]
    assert shown(Facts((("CPU", "a fast one"), ("cores", "4"))), width=14) == [
        "CPU   a fast",
        "      one",
        "cores 4",
    ]


def test_colours_only_where_they_are_wanted():
    line = Line("slower", "bad")
    assert shown(line) == ["slower"]
    assert shown(line, color=True) == ["\x1b[31mslower\x1b[0m"]


def test_signs_that_are_two_columns_wide():
    """A Chinese sign takes two columns of a terminal (Unicode Standard Annex 11)."""
    wide = Table((Column("name", left=True), Column("n")), rows("漢字 1", "abcd 2"))
    assert shown(wide) == ["name  n", "───────", "漢字  1", "abcd  2"]
    assert shown(Line("漢字 漢字 漢字"), width=9) == ["漢字 漢字", "漢字"]


def test_no_name_commands_a_terminal_or_breaks_a_line():
    for block in (Line(HOSTILE), Items((Item(HOSTILE, Cell(HOSTILE)),)), Facts(((HOSTILE, HOSTILE),))):
        text = "".join(shown(block, width=1000))
        assert "\x1b" not in text
        assert r"\x1b[31m" in text
    named = Table((Column("layer", left=True), Column("k")), [(Cell(HOSTILE), Cell("1"))])
    assert len(shown(named)) == 3


def paragraphs(*sections):
    return "".join(markdown.lines_of(Page(sections)))


def test_markdown():
    text = paragraphs(
        (Line("A title", "strong"), Line("told"), Line("more")),
        (Layouts(NUMBERS, ()), Line("below")),
        (Line("Why:", "lead"), Items((Item("yes it is", Cell("yes")), Item("so", Cell(""), ("and", "so"))))),
    )
    assert text == (
        "**A title**  \ntold  \nmore\n\n"
        "|  | k | MACs |\n| :--- | ---: | ---: |\n| one | 64 | 1,234 |\n| two | 8 | 5 |\n\nbelow\n\n"
        "Why:\n\n- yes: yes it is\n- so; and; so\n"
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("  stage1", "&nbsp;&nbsp;`stage1`"),
        ("a|b", "`a\\|b`"),
        ("a`b", "`` a`b ``"),
        ("a``b`", "``` a``b` ```"),
        ("two\nlines", "`two\\nlines`"),
        ("<b>*x*", "`<b>*x*`"),
    ],
)
def test_names_are_code_in_markdown(name, code):
    named = Table((Column("layer", left=True, name=True), Column("k")), [(Cell(name), Cell("1"))])
    assert paragraphs((named,)).splitlines()[-1] == f"| {code} | 1 |"


def test_markdown_takes_no_text_for_its_own():
    text = paragraphs(
        (Line(HOSTILE, "strong"),), (Table((Column("n"),), [(Cell(HOSTILE),)]),), (Items((Item(HOSTILE),)),)
    )
    assert "\x1b" not in text
    assert len(text.splitlines()) == 7, text
    # CommonMark: a backslash before ASCII punctuation makes it mean itself.
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", text.replace("**", ""))
    assert not set(bare) & set("*<`[&"), bare


def test_words_with_underscores_stay_readable():
    assert paragraphs((Line("channels_last of __main__ and _x"),)) == "channels_last of \\_\\_main\\_\\_ and \\_x\n"
