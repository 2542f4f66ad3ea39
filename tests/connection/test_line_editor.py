"""The line editor alone: keys, history, kills, and what a terminal shows of it."""

from __future__ import annotations

import re
from time import process_time
from typing import Any

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_connection.constants import (
    PTY_ECHO,
    PTY_ICANON,
    PTY_ISIG,
    PTY_ONLCR,
    PTY_OPOST,
    PTY_VEOF,
    PTY_VERASE,
    PTY_VINTR,
    PTY_VKILL,
)
from ssh_connection.editor import LineEditor
from ssh_connection.editor.bindings import DEFAULT_BINDINGS
from ssh_connection.editor.cells import next_position, previous_position, shown
from ssh_connection.editor.events import EventKind, InputEvent
from ssh_connection.editor.history import MAX_CHARACTERS, History
from ssh_connection.editor.keys import MAX_SEQUENCE, KeyDecoder
from tests.connection.terminal import Emulator, Terminal

LEFT, RIGHT, UP, DOWN = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B"


def line(text: str) -> InputEvent:
    """The event of a line."""
    return InputEvent(EventKind.LINE, text + "\n")


# --- Keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "result"),
    [
        ("hello", "hello"),
        ("helo\x02l", "hello"),
        ("ello\x01h", "hello"),
        ("ello\x1b[Hh", "hello"),
        ("ello\x1bOHh", "hello"),
        ("hllo" + LEFT * 3 + "e", "hello"),
        ("hllo\x01\x06e\x05!", "hello!"),
        ("hllo\x01" + RIGHT + "e\x1b[4~!", "hello!"),
        ("hellx\x7fo", "hello"),
        ("hellx\x08o", "hello"),
        ("xhello\x01\x04", "hello"),
        ("xhello\x01\x1b[3~", "hello"),
        ("hello world\x02\x02\x0b", "hello wor"),
        ("hello\x15", ""),
        ("one two\x02\x15", "o"),
        ("one two-three\x17", "one "),
        ("one two-three\x1b\x7f", "one two-"),
        ("one two\x01\x1bd", " two"),
        ("one two\x1bbX", "one Xtwo"),
        ("one two\x01\x1bfX", "oneX two"),
        ("one two\x1b[1;5DX", "one Xtwo"),
        ("one two\x1b\x1b[DX", "one Xtwo"),
        ("one two\x01\x1b[1;3CX", "oneX two"),
        ("ba\x14", "ab"),
        ("bac\x02\x14", "bca"),
        ("one two\x01\x1bu", "ONE two"),
        ("ONE two\x01\x1bl\x1bl", "one two"),
        ("one two\x01\x1bc\x1bc", "One Two"),
        ("one two\x17\x01\x19 ", "two one "),
        ("a b c\x17\x17\x01\x19", "b ca "),
        ("one\x15two\x15\x19\x1by", "one"),
        ("one\x15two\x15\x19\x1by\x1by", "two"),
        ("a\x16\x03b", "a\x03b"),
        ("a\tb", "a\tb"),
        ("\x1b[200~a\x01b\x1b[201~c", "a\x01bc"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1bP1$r0m\x1b\\b", "ab"),
        ("a\x1b[?1;2c", "a"),
        ("a\x1b]0;title\x1b[Db", "ba"),  # what begins behind a broken report is a key
        ("a\x1b[[Ab", "ab"),  # F1 of the Linux console
        ("e\u0301x\x7f\x7f", ""),
        ("ae\u0301" + LEFT + "b", "abe\u0301"),
        ("\u4e16\u754c\x02x", "\u4e16x\u754c"),
    ],
)
def test_keys(typed: str, result: str) -> None:
    assert Terminal(columns=40).type(typed + "\r")[-1] == line(result)


@pytest.mark.parametrize(
    "key",
    [
        *("\x02", "\x06", "\x7f", "\x0b", "\x15", "\x17", "\x19", "\x1by", "\x14", "\x1a", "\x9b"),
        *(UP, DOWN, "\x1bd", "\x1bb", "\x1bf", "\x1bu", "\x1b[99~", "\x1bz", "\x1b<", "\x1b>"),
    ],
)
def test_nothing_to_do_is_a_beep(key: str) -> None:
    terminal = Terminal()
    assert terminal.type(key) == []
    assert terminal.sent == "\a"


def test_one_beep_for_many() -> None:
    terminal = Terminal()
    terminal.type("\x02" * 500)
    assert terminal.sent == "\a"


def test_interrupt_throws_the_line_away() -> None:
    terminal = Terminal()
    assert terminal.type("rm -rf\x02\x03ls\r") == [InputEvent(EventKind.INTERRUPT), line("ls")]
    assert terminal.rows == ["rm -rf^C", "ls"]


def test_end_only_on_an_empty_line() -> None:
    terminal = Terminal()
    assert terminal.type("\x04a\x04\x01\x04\x04") == [InputEvent(EventKind.END)] * 2
    assert terminal.sent.count("\a") == 1


def test_line_ends() -> None:
    assert Terminal().type("a\rb\nc\r\n") == [line("a"), line("b"), line("c"), line("")]


def test_what_is_typed_behind_a_line_waits() -> None:
    editor = LineEditor()
    editor.feed("one\rtwo\rthree")
    assert editor.next_event() == line("one")
    assert editor.take_output() == "one\r\n"
    assert editor.next_event() == line("two")
    assert editor.next_event() is None
    assert not editor.pending
    assert editor.end() == InputEvent(EventKind.DATA, "three")
    assert editor.end() is None


def test_length_of_a_line() -> None:
    terminal = Terminal(max_line_length=8)
    assert terminal.type("0123456789\x01ab\r") == [line("01234567")]
    assert terminal.type("\x15" + "0123\x15\x19\x19\x19\r") == [line("01230123")]
    with pytest.raises(ValueError, match="positive"):
        LineEditor(max_line_length=0)
    with pytest.raises(ValueError, match="positive"):
        LineEditor(history_size=-1)


def test_long_upper_case_is_cut_off() -> None:
    terminal = Terminal(max_line_length=4)
    assert terminal.type("stra\u00dfe\x01\x1bu\r") == [line("STRA")]
    assert terminal.type("\u00df\u00df\u00df\x01\x1bu\r") == [line("SSSS")]


@pytest.mark.parametrize("key", ["\x1bP", "\x1b]", "\x1b_", "\x1bX", "\x1b^"])
def test_keys_that_begin_a_report_do_not_lock_the_terminal(key: str) -> None:
    """Meta-P is no key of ours, but what comes behind must not be lost for ever."""
    terminal = Terminal()
    assert terminal.type(key + "\x03") == [InputEvent(EventKind.INTERRUPT)]
    assert terminal.lines(key + "\rls\r")[1:] == ["ls\n"]


def test_yank_pop_behind_a_line_that_was_replaced() -> None:
    terminal = Terminal()
    terminal.type("abc \x17xyz\x19")
    terminal.editor.set_input("", 0)
    assert terminal.type("\x1by") == []
    terminal.type("\x19")
    terminal.editor.set_line_mode(False)
    terminal.editor.set_line_mode(True)
    assert terminal.lines("\x1byok\r") == ["abc ", "ok\n"]


@pytest.mark.parametrize(
    ("line_before", "key"),
    [
        ("x" * 1020, "\x1bb\x05"),
        ("x" + "\u0301" * 1020, "\x05\x02"),
        ("x" + "\u0301" * 1020, "\x14"),
        ("x" * 1020, "\x0c"),
    ],
)
def test_keys_that_are_much_work_are_not_done_in_one_go(line_before: str, key: str) -> None:
    """Each of these keys goes through the whole line; others are to have their turn in between."""
    terminal = Terminal()
    terminal.type(line_before)
    editor = terminal.editor
    editor.feed(key * 1000)
    turns = 0
    while editor.pending:
        editor.next_event()
        turns += 1
    assert turns >= 200


# --- What the client's terminal has set ------------------------------------------------------


def test_special_characters_of_the_terminal() -> None:
    modes = {PTY_VINTR: 0x07, PTY_VERASE: 0x1F, PTY_VKILL: 0x18, PTY_VEOF: 255}
    terminal = Terminal(modes=modes)
    assert terminal.type("ab\x1fc\r") == [line("ac")]
    assert terminal.type("ab\x18c\r") == [line("c")]
    assert terminal.type("ab\x07") == [InputEvent(EventKind.INTERRUPT)]
    assert terminal.type("\x04") == []


def test_special_characters_that_would_be_a_trap() -> None:
    modes = {PTY_VINTR: ord("a"), PTY_VKILL: 0x0D, PTY_VEOF: 0x1B, PTY_VERASE: 255}
    assert Terminal(modes=modes).type("aba\x7f\r") == [line("ab")]


def test_modes_of_the_terminal() -> None:
    assert Terminal(modes={PTY_ICANON: 0}).type("ab\r") == [InputEvent(EventKind.DATA, "ab\r")]
    hidden = Terminal(modes={PTY_ECHO: 0})
    assert hidden.type("ab\r") == [line("ab")]
    assert hidden.sent == "\r\n"
    assert Terminal(modes={PTY_ISIG: 0, PTY_VINTR: 7}).type("a\x03b\x07\r") == [line("ab")]
    for modes in ({PTY_OPOST: 0}, {PTY_ONLCR: 0}):
        terminal = Terminal(modes=modes)
        terminal.write("a\nb")
        assert terminal.sent == "a\nb"


# --- History ---------------------------------------------------------------------------------


def test_history() -> None:
    terminal = Terminal()
    terminal.type("one\rtwo\r \rtwo\rthree\r")
    assert terminal.lines(UP * 3 + "\r") == ["one\n"]
    assert terminal.lines("new" + UP + DOWN + "er\r") == ["newer\n"]
    assert terminal.lines("x\x1b<\r") == ["one\n"]
    assert terminal.lines("\x1b<\x1b>last\r") == ["last\n"]
    assert terminal.lines(UP + UP + "!\r") == ["one!\n"]
    assert terminal.lines("\x10\x10\x0e\r") == ["one!\n"]


def test_history_is_bounded() -> None:
    history = History(3)
    for number in range(10):
        history.add(str(number))
    assert len(history) == 3
    history = History(1000)
    for number in range(1000):
        history.add(f"{number:04}" + "x" * 10_000)
    assert len(history) == MAX_CHARACTERS // 10_004
    history = History(0)
    history.add("line")
    assert len(history) == 0
    assert Terminal(history_size=0).type("a\r" + UP + "\r") == [line("a"), line("")]


# --- Hidden input ----------------------------------------------------------------------------


def test_hidden_input() -> None:
    terminal = Terminal()
    terminal.type("visible\r")
    terminal.editor.set_echo(False)
    terminal.write("Password: ")
    assert terminal.type("secret" + UP + "\x17secret\r") == [line("secret")]
    assert terminal.rows == ["visible", "Password:"]
    terminal.editor.set_echo(True)
    # Neither remembered nor kept among what was killed.
    assert terminal.type("\x19" + UP + "\r") == [line("visible")]
    assert "secret" not in terminal.sent


def test_hidden_input_does_not_get_into_the_history_by_leaving_it() -> None:
    terminal = Terminal()
    terminal.type("one\rtwo\r")
    terminal.editor.set_echo(False)
    terminal.type("secret" + UP + "\x1b<")
    assert "secret" not in vars(terminal.editor._history).values()
    terminal.editor.clear_input()
    terminal.type(UP)
    terminal.editor.set_echo(True)
    assert terminal.lines(UP + "\r") == ["two\n"]


def test_a_line_behind_a_hidden_one_that_was_cleared_is_remembered() -> None:
    terminal = Terminal(echo=False)
    terminal.type("secret")
    terminal.editor.set_echo(True)
    terminal.editor.clear_input()
    terminal.type("shown\r")
    assert terminal.lines(UP + "\r") == ["shown\n"]


def test_a_line_that_was_hidden_in_part_is_not_remembered() -> None:
    terminal = Terminal(echo=False)
    terminal.type("sec")
    terminal.editor.set_echo(True)
    terminal.type("ret\r")
    assert terminal.type(UP + "\r") == [line("")]
    terminal.type("shown")
    terminal.editor.set_echo(False)
    terminal.editor.set_echo(True)
    terminal.type("\r")
    assert terminal.type(UP + "\r") == [line("")]


# --- Without editing -------------------------------------------------------------------------


def test_line_mode() -> None:
    terminal = Terminal()
    terminal.write("> ")
    terminal.type("ab")
    terminal.editor.set_line_mode(False)
    terminal.show()
    everything = "".join(terminal.lines("c\r\x03\x1b[A") + terminal.lines("\x1b") + ["!"])
    assert everything == "abc\r\x03\x1b[A\x1b!"
    assert terminal.rows == ["> ab"]
    terminal.write("\nx")
    assert terminal.rows == ["> ab", "x"]
    terminal.editor.set_line_mode(True)
    assert terminal.lines("y\r") == ["y\n"]
    assert terminal.rows == ["> ab", "xy"]


def test_half_a_key_is_not_lost_with_line_mode() -> None:
    terminal = Terminal()
    terminal.type("a\x1b[1;")
    terminal.editor.set_line_mode(False)
    assert terminal.lines("5C") == ["a\x1b[1;", "5C"]


def test_what_is_left_when_editing_stops() -> None:
    terminal = Terminal()
    terminal.editor.feed("one\rtwo\rthr\x1b[")
    assert terminal.editor.next_event() == line("one")
    assert terminal.editor.stop() == "two\rthr\x1b["
    terminal = Terminal()
    terminal.type("ab\x1b[1;")
    assert terminal.editor.stop() == "ab\x1b[1;"
    assert not terminal.editor.pending


# --- What applications do --------------------------------------------------------------------


def test_set_and_clear_input() -> None:
    terminal = Terminal()
    terminal.write("> ")
    terminal.editor.set_input("yes/no", 3)
    terminal.show()
    assert (terminal.rows, terminal.cursor) == (["> yes/no"], (0, 5))
    assert terminal.type("!\r") == [line("yes!/no")]
    terminal.editor.set_input("far", 99)
    terminal.editor.set_input("far", -99)
    assert terminal.type("so \r") == [line("so far")]
    terminal.editor.feed("abc\rdef\r")
    assert terminal.editor.next_event() == line("abc")
    terminal.editor.clear_input()
    assert not terminal.editor.pending
    assert terminal.type("x\r") == [line("x")]


def test_keys_of_applications() -> None:
    calls: list[tuple[str, int]] = []

    def complete(text: str, position: int) -> bool | tuple[str, int]:
        calls.append((text, position))
        return (text + "lete", len(text) + 4) if text == "comp" else text != "pass"

    terminal = Terminal()
    terminal.editor.register_key("\t", complete)
    assert terminal.type("comp\t!\r") == [line("complete!")]
    assert "\a" not in terminal.sent
    assert terminal.type("what\x02\t\r") == [line("what")]
    assert "\a" in terminal.sent
    assert terminal.type("pass\t\r") == [line("pass\t")]
    assert calls == [("comp", 4), ("what", 3), ("pass", 4)]
    terminal.editor.unregister_key("\t")
    assert terminal.type("comp\t\r") == [line("comp\t")]
    terminal.editor.register_key("\x1bOP", lambda text, position: ("F1", 0))
    assert terminal.type("\x1bOP\r") == [line("F1")]
    terminal.editor.register_key("q", lambda text, position: ("Q", 1))
    assert terminal.type("xq\r") == [line("Q")]
    for wrong in ("", "ab", "\x1b", "\x1b[", "\x1b[Ax"):
        with pytest.raises(ValueError, match="not a key"):
            terminal.editor.register_key(wrong, complete)
    for wrong in ("\t", "", "ab"):
        with pytest.raises(KeyError):
            terminal.editor.unregister_key(wrong)


def test_characters_without_a_handler_are_inserted_at_once() -> None:
    terminal = Terminal()
    terminal.editor.register_key("?", lambda text, position: (text + "!", position + 1))
    assert terminal.lines("what?? " + "x" * 1000 + "?\r") == ["what!! " + "x" * 1000 + "!\n"]


def test_handler_that_clears_the_input() -> None:
    terminal = Terminal()

    def clear(text: str, position: int) -> bool:
        terminal.editor.clear_input()
        return True

    terminal.editor.register_key("\x07", clear)
    assert terminal.type("abc\x07def\r") == []


# --- The screen ------------------------------------------------------------------------------


def test_output_comes_in_front_of_the_line() -> None:
    terminal = Terminal()
    terminal.write("> ")
    terminal.type("typed" + LEFT)
    terminal.write("news\n> ")
    assert (terminal.rows, terminal.cursor) == (["> news", "> typed"], (1, 6))


def test_prompt_that_ends_at_the_margin() -> None:
    terminal = Terminal(columns=10)
    terminal.write("0123456789")
    terminal.type("ab")
    terminal.type("\x7f\x7f")
    assert (terminal.rows, terminal.cursor) == (["0123456789"], (1, 0))
    terminal.type("cd")
    terminal.write("more\n")
    assert terminal.rows == ["0123456789", "more", "cd"]


@pytest.mark.parametrize(
    ("prompt", "column"),
    [
        ("\x1b[1;32m$\x1b[0m ", 2),
        ("\x1b]0;title\x07> ", 2),
        ("\x1b]0;title\x1b\\> ", 2),
        ("50%\r60%\r70% ", 4),
        ("a\tb", 9),
        ("abc\b\b", 1),
        ("\x1b[5G>", 5),
        ("\x1b[3C>", 4),
        ("abcd\x1b[2D", 2),
        ("\x1b[2;7H>", 7),
        ("\x1b[H>", 1),
        ("abc\x1b[E>", 1),
        ("\x1b(B>", 1),
        ("\u4e16 ", 3),
        ("\x07\x00> ", 2),
        ("x" * 5003, 5003 % 20),
        ("\u00e4" * 5003, 5003 % 20),
    ],
)
def test_column_of_a_prompt(prompt: str, column: int) -> None:
    terminal = Terminal()
    terminal.write(prompt)
    assert terminal.cursor[1] == column
    terminal.type("ab" + LEFT * 2 + "c")
    assert terminal.cursor[1] == column + 1
    assert terminal.rows[-1].endswith("cab")


@pytest.mark.parametrize(
    "prompt",
    [
        "\u4e16\b>",
        "ab\u4e16\x1b[1D>",
        "e\u0301\b>",
        "e\u0301x\x1b[2D>",
        "\u4e16\u754c\x1b[2G>",
        "\x1b[8C",
        "\t\x1b[3Gc",
    ],
)
def test_line_behind_a_prompt_that_goes_back(prompt: str) -> None:
    """Where a character was replaced, the line is wrapped as if it had never been there."""
    for size in range(5, 13):
        typed = "0123456789ab"[:size]
        terminal, at_once = Terminal(columns=10), Emulator(10, 8)
        terminal.write(prompt)
        pyte_feed(at_once, prompt)
        terminal.type(typed)
        terminal.type("\x01c")
        pyte_feed(at_once, "c" + typed)
        assert terminal.screen.display == at_once.display


@pytest.mark.parametrize("again", ["\x12", "\x0c", "resize"])
def test_long_prompt_is_written_again(again: str) -> None:
    """Of a long line its end is written, at the beginning of a row."""
    for size in range(28, 40, 2):
        typed = "y" * size
        terminal, at_once = Terminal(columns=40, rows=200), Emulator(40, 200)
        terminal.write("x" * 5003)
        terminal.type(typed)
        if again == "resize":
            terminal.editor.resize(40, 199)
            terminal.show()
        else:
            terminal.type(again)
        terminal.type("\x01c")
        pyte_feed(at_once, "x" * 2048 + "c" + typed)
        expected = [row.rstrip() for row in at_once.display if row.strip()]
        assert terminal.rows[-3:] == expected[-3:]


@pytest.mark.parametrize("prompt", ["\t" * 4000, "\x1b[999C" * 580, "\x1b[999C\x1b[2G" * 300])
def test_prompt_that_is_much_work_to_follow(prompt: str) -> None:
    """What applications show may come from somebody who means no good: it took 5 s."""
    editor = LineEditor()
    editor.feed("x")
    editor.next_event()
    began = process_time()
    editor.write(prompt)
    assert process_time() - began < 2.5
    assert len(editor._screen._prompt.cells()) <= 4096 * 8


def test_clear_screen_and_reprint() -> None:
    terminal = Terminal()
    terminal.write("before\n\x1b[1m$\x1b[m ")
    terminal.type("typed" + LEFT + "\x12")
    assert (terminal.rows, terminal.cursor) == (["before", "$ typed", "$ typed"], (2, 6))
    terminal.type("\x0c")
    assert (terminal.rows, terminal.cursor) == (["$ typed"], (0, 6))


def test_resize_draws_anew() -> None:
    terminal = Terminal(columns=40)
    terminal.write("$ ")
    terminal.type("0123456789" * 2 + "\x01")
    terminal.resize(30, 8)
    terminal.type("\x05x")
    assert terminal.rows == ["$ " + "0123456789" * 2 + "x"]
    terminal.editor.resize(30, 8)
    assert terminal.show() == ""


def test_resize_does_not_erase_from_the_corner_on() -> None:
    """Seen with tmux: it keeps what was erased from there on, and shows it twice later."""
    terminal = Terminal(columns=40)
    terminal.write("$ ")
    terminal.type("0123456789" * 2 + "\x02")
    terminal.editor.resize(12, 8)
    output = terminal.editor.take_output()
    assert output.startswith("\x1b[1A\r")
    screen = Emulator(12, 8)
    pyte_feed(screen, "$ " + "0123456789" * 2 + "\b")
    stream = pyte.Stream(screen)
    for part in re.split(r"(?=\x1b\[J)", output):
        if part.startswith("\x1b[J"):
            assert (screen.cursor.y, screen.cursor.x) != (0, 0)
        stream.feed(part)
    assert [row.rstrip() for row in screen.display[:3]] == ["$ 0123456789", "0123456789", ""]


def test_line_that_is_larger_than_the_screen() -> None:
    terminal = Terminal(columns=10, rows=3, max_line_length=500)
    terminal.write("> ")
    text = "".join(chr(ord("a") + n % 26) for n in range(200))
    terminal.type(text)
    row, column = terminal.cursor
    shown_text = "".join(terminal.rows)
    assert shown_text.endswith(text[-8:])
    assert (row, column) == (len(terminal.rows) - 1, len(terminal.rows[-1]))
    terminal.type("\x01")
    assert "".join(terminal.rows)[-15:] in text
    assert terminal.type("\r") == [line(text)]


def test_plain_terminal_gets_no_sequences() -> None:
    for term_type in ("dumb", ""):
        editor = LineEditor(term_type, 10, 5)
        editor.write("> ")
        editor.feed("hello\x01big \x05\x7f\x7f!\x0c\x12" + LEFT * 3 + "\x0b\x03")
        while editor.pending:
            editor.next_event()
        editor.resize(20, 5)
        output = editor.take_output()
        assert "\x1b" not in output
        emulator = Emulator(30, 8)
        pyte_feed(emulator, output)
        assert emulator.display[2].rstrip() == "> big h^C"


def pyte_feed(screen: Emulator, text: str) -> None:
    """Show a text on a screen."""
    pyte.Stream(screen).feed(text)


def test_controls_are_never_shown_as_they_are() -> None:
    terminal = Terminal(columns=60)
    terminal.type("\x1b[200~\x01\x1bc\x9b\x7f\u2028\udc80\x1b[201~")
    assert terminal.rows == ["^A^[c\\u009b^?\\u2028\\x80"]


# --- Properties ------------------------------------------------------------------------------

KEYS = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12),
    st.sampled_from([key for key in DEFAULT_BINDINGS if key not in ("\x0c", "\x12", "\r", "\n")]),
    st.sampled_from(
        ["\u4e16", "\u754c", "e\u0301", "\u0301", "\t", "\x16\x01", "\u00e4", "\udc80"]
    ),
)
TYPED = st.lists(KEYS, max_size=30)


@settings(max_examples=400)
@given(
    columns=st.integers(4, 24),
    prompt=st.text(st.sampled_from("ab\u4e16 "), max_size=30),
    typed=TYPED,
    news=st.lists(st.sampled_from(["", "x", "news\n> ", "\n", "0123456789abcdef"]), max_size=30),
)
def test_what_is_shown_is_what_drawing_it_at_once_shows(
    columns: int, prompt: str, typed: list[str], news: list[str]
) -> None:
    """Whatever was typed, the screen is that of a terminal that gets prompt and line in one go."""
    terminal = Terminal(columns, 60, max_line_length=150)
    terminal.write(prompt)
    for number, key in enumerate(typed):
        if "\x03" in terminal.lines(key) or key in ("\x03", "\x04"):
            return  # the line is gone, and the rest is another case
        if number < len(news) and news[number]:
            terminal.write(news[number])
        pieces, cursor = terminal.editor._screen._drawn, terminal.editor._buffer.cursor
        at_once = Emulator(columns, 60)
        pyte_feed(at_once, terminal.output + "".join(pieces))
        assert terminal.screen.display == at_once.display
        if pieces and cursor < len(pieces) and len(pieces[cursor]) == 1:
            # The cursor is where the character under it was put.
            before = Emulator(columns, 60)
            pyte_feed(before, terminal.output + "".join(pieces[: cursor + 1]))
            expected = before.cursor.y, before.cursor.x - shown(pieces[cursor])[1]
            assert terminal.cursor == expected


@given(st.text(max_size=300), st.integers(1, 7))
def test_chunks_do_not_matter(text: str, size: int) -> None:
    at_once, in_pieces = Terminal(), Terminal()
    at_once.type(text)
    for start in range(0, len(text), size):
        in_pieces.type(text[start : start + size])
    assert at_once.events == in_pieces.events
    assert at_once.editor._buffer.text == in_pieces.editor._buffer.text


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=50), KEYS, st.text("\x1b[]PO;0123456789~Am\x07\\\x18", max_size=60)
        )
    ),
    st.sampled_from(["xterm", "dumb"]),
    st.integers(0, 100),
    st.integers(0, 20),
)
def test_anything_may_be_typed(typed: list[str], term: str, columns: int, rows: int) -> None:
    editor = LineEditor(term, columns, rows, history_size=5, max_line_length=30)
    for text in typed:
        editor.feed(text)
        while editor.pending:
            event = editor.next_event()
            assert event is None or len(event.text) <= 31
            output = editor.take_output()
            without = re.sub(r"\x1b\[(\d+[ABCD]|J|H|2J)", "", output)
            assert not re.search(r"[\x00-\x06\x0b\x0c\x0e-\x1f\x7f-\x9f]", without)
        assert len(editor._buffer.text) <= 30
        assert sum(map(len, editor._buffer._kills)) <= 8 * 30
        assert len(editor._history) <= 5
        assert len(editor._keys._held) <= MAX_SEQUENCE + 2


DONE = st.one_of(
    st.tuples(st.just("type"), st.one_of(KEYS, st.text(max_size=20))),
    st.tuples(
        st.just("write"), st.text(st.sampled_from("ab\u4e16\t\n\r\b\x1b[5CDGHJ;"), max_size=30)
    ),
    st.tuples(st.sampled_from(["set_echo", "set_line_mode"]), st.booleans()),
    st.tuples(st.just("set_input"), st.text(max_size=40), st.integers(-5, 50)),
    st.tuples(st.just("resize"), st.integers(0, 40), st.integers(0, 10)),
    st.tuples(st.just("clear_input")),
    st.tuples(st.sampled_from(["type"]), st.sampled_from(["\x19", "\x1by", "\x15", "\x14", UP])),
)


@settings(max_examples=300)
@given(st.lists(DONE, max_size=40), st.sampled_from(["xterm", "dumb"]))
def test_applications_may_do_anything_at_any_time(done: list[tuple[Any, ...]], term: str) -> None:
    editor = LineEditor(term, 12, 4, history_size=5, max_line_length=30)
    for name, *arguments in done:
        if name == "type":
            editor.feed(*arguments)
            while editor.pending:
                editor.next_event()
        else:
            getattr(editor, name)(*arguments)
        buffer = editor._buffer
        assert 0 <= buffer.cursor <= len(buffer.text) <= 30
        assert len(editor.take_output()) < 2000
    editor.stop()
    assert not editor.pending


@given(st.text("\x1b[O]PX^_;0123456789~Aab\x07\\\x18\x1a\n\u00e4"))
def test_key_decoder_keeps_little(text: str) -> None:
    decoder = KeyDecoder()
    for char in text:
        key = decoder.push(char)
        assert key is None or 0 < len(key) <= MAX_SEQUENCE + 2
        assert len(decoder._held) <= MAX_SEQUENCE + 2
        assert key is None or decoder.idle


def test_overlong_sequence_is_thrown_away() -> None:
    assert Terminal().lines("a\x1b[" + "1;" * 100_000 + "Ab\r") == ["ab\n"]


@given(st.characters())
def test_width_of_every_character(char: str) -> None:
    text, width = shown(char)
    assert 0 <= width <= 6
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text)
    assert 0 <= width <= max(2, len(text))


@given(st.text(st.sampled_from("ae\u0301\u4e16"), min_size=1), st.integers(0, 20))
def test_positions(text: str, position: int) -> None:
    position = min(position, len(text))
    if position < len(text):
        assert position < next_position(text, position) <= len(text)
    if position:
        assert 0 <= previous_position(text, position) < position


def test_narrow_character_in_the_place_of_a_wide_one_at_the_margin() -> None:
    terminal = Terminal(columns=5)
    terminal.type("abcd")
    terminal.type("\u4e16")
    assert terminal.rows == ["abcd", "\u4e16"]
    terminal.type("\x7fe")
    assert (terminal.rows, terminal.cursor) == (["abcde"], (1, 0))
    terminal.type("\x7f\u4e16")
    assert (terminal.rows, terminal.cursor) == (["abcd", "\u4e16"], (1, 2))
