"""Model text made fit to be shown: on one line, short, and unable to steer a terminal."""

from __future__ import annotations

_GAP = " [...] "


def printable(text: str) -> str:
    r"""Put text on one line, and spell out characters that a terminal would act upon.

    Runs of white space become one space; control characters, escape sequences and marks that
    reverse the direction of text become backslash escapes.

    >>> printable("red\n\n  \x1b[31mblue")
    'red \\x1b[31mblue'
    """
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def shorten(text: str, width: int = 160) -> str:
    """Make text printable and cut out its middle where it is longer than ``width`` characters.

    >>> shorten("one two three four five six seven", width=20)
    'one tw [...] x seven'
    """
    line = printable(text)
    if len(line) <= width:
        return line
    kept = width - len(_GAP)
    head = kept // 2
    return f"{line[:head]}{_GAP}{line[len(line) - (kept - head) :]}"


def tail(text: str, width: int = 160) -> str:
    """Make text printable and keep its end where it is longer than ``width`` characters.

    >>> tail("So it is red. No, it is blue.", width=20)
    '[...] o, it is blue.'
    """
    line = printable(text)
    mark = _GAP.lstrip()
    return line if len(line) <= width else mark + line[len(line) - (width - len(mark)) :]
