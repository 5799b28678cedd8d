import pytest

from synap.protocol.http.openapi.markup import blocks, element, inline


def test_elements() -> None:
    assert element("a", "b", "<i>c</i>", href='x"><script>', class_="d") == (
        '<a href="x&quot;&gt;&lt;script&gt;" class="d">b<i>c</i></a>'
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("with `code <b>` in it", "with <code>code &lt;b&gt;</code> in it"),
        ("an [Inner](#inner) one", 'an <a href="#inner">Inner</a> one'),
        ("no [link](http://example.com)", "no [link](http://example.com)"),
    ],
)
def test_lines(text: str, shown: str) -> None:
    assert inline(text) == shown


def test_paragraphs_and_lists() -> None:
    assert blocks("one\ntwo\n\nthree") == "<p>one two</p><p>three</p>"
    assert blocks("* one\n  goes on\n* two") == "<ul><li>one goes on</li><li>two</li></ul>"
    assert blocks("") == ""


def test_tables() -> None:
    shown = blocks("| a | `b` |\n| --- | --- |\n| 1 | <2> |\n|  | 3 |")
    assert "<tr><th>a</th><th><code>b</code></th></tr>" in shown
    assert "<tr><td>1</td><td>&lt;2&gt;</td></tr><tr><td></td><td>3</td></tr>" in shown
