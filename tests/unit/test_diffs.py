"""Diffs that apply."""

from engine.diffs import unified_diff


def test_only_line_feeds_break_lines():
    assert unified_diff("a\x0cb\u2028c\n", "a\x0cb\u2028d\n", "x") == (
        "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\x0cb\u2028c\n+a\x0cb\u2028d\n"
    )


def test_a_missing_final_newline_is_marked():
    assert unified_diff("a", "b\n", "x").endswith("-a\n\\ No newline at end of file\n+b\n")
