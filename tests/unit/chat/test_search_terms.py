"""Folding texts and queries, and the passages that search results show."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.core.chat.search_terms import Term, fold, terms_of, terms_of_query
from parley.core.chat.snippets import SNIPPET_CHARACTERS, snippet_of


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Hello, WORLD!", ["hello", "world"]),
        ("Été à l'École", ["ete", "a", "l", "ecole"]),
        ("snake_case kebab-case a/b", ["snake", "case", "kebab", "case", "a", "b"]),
        ("Straße Œuvre Łódź Ørsted", ["strasse", "oeuvre", "lodz", "orsted"]),
        ("\ufb01ne x\u00b2", ["fine", "x2"]),
        ("soft\u00adhyphen zero\u200bwidth", ["softhyphen", "zerowidth"]),
        ("שָׁלוֹם", ["שלום"]),
        ("한국어를", ["한국어를"]),
        ("が か", ["が", "か"]),
        ("手机", ["手机", "机"]),
        ("用iPhone拍照", ["用", "iphone", "拍照", "照"]),
        ("🎉🎉", ["🎉", "🎉"]),
        ("... !? +-*/", []),
        ("x" * 70, ["x" * 64]),
    ],
)
def test_terms_of_a_text(text, terms):
    assert terms_of(text) == terms


def test_words_of_a_query_are_prefixes_and_runs_are_pairs():
    assert terms_of_query("Cafe 机器人 术 cafe") == (
        Term("cafe", is_prefix=True),
        Term("机器", is_prefix=False),
        Term("器人", is_prefix=False),
        Term("术", is_prefix=True),
    )


@given(st.text(max_size=60))
def test_every_text_is_found_by_itself_whatever_its_normal_form(text):
    for form in ("NFC", "NFD"):
        query = terms_of_query(unicodedata.normalize(form, text))
        terms = terms_of(text)
        assert all(
            any(term.startswith(each.text) if each.is_prefix else term == each.text for term in terms) for each in query
        )


@given(st.text(max_size=60))
def test_terms_hold_nothing_that_a_query_language_could_read(text):
    for term in terms_of(text):
        assert term
        assert not any(character in " '\"\\:&|!()*{}<>\x00" for character in term)


@given(st.text(max_size=400), st.text(min_size=1, max_size=20))
def test_highlights_are_within_the_snippet_in_order_and_do_not_overlap(text, query):
    snippet = snippet_of(text, query)
    assert len(snippet.text) <= SNIPPET_CHARACTERS + 2
    assert not set(snippet.text) & set("\n\r\t\u2028")
    end = 0
    for start, stop in snippet.highlights:
        assert end <= start < stop <= len(snippet.text)
        end = stop


@pytest.mark.parametrize(
    ("text", "query", "highlighted"),
    [
        ("A cafe\u0301 and a CAFÉ", "cafe", ["café", "CAFÉ"]),
        ("Cafés are here", "cafe", ["Cafés"]),
        ("Straße", "strasse", ["Straße"]),
        ("我们在上海学习", "上海", ["上海"]),
        ("我们在上海学习", "习", ["习"]),
        ("上学在学海", "上学海", ["上学", "学海"]),
        ("👩‍🚀 and 🎉", "🎉", ["🎉"]),
        ("no match", "island", []),
    ],
)
def test_highlights_are_whole_words_and_runs(text, query, highlighted):
    snippet = snippet_of(text, query)
    assert [snippet.text[start:end] for start, end in snippet.highlights] == highlighted


def test_snippet_begins_near_the_first_match_at_a_word():
    snippet = snippet_of("word " * 100 + "island " + "word " * 100, "island")
    assert snippet.text.startswith("…word ")
    assert snippet.text.endswith("…")
    assert [snippet.text[start:end] for start, end in snippet.highlights] == ["island"]


def test_what_is_behind_the_searched_part_is_left_out():
    assert len(fold("x" * 40_000).text) == 32_000
