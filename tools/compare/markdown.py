"""Markdown in which nothing that people or files say can be more than text."""

import json

ABSENT = object()  # the value of what one side does not have


def code(text: str, longest: int = 600) -> str:
    """`text` as a code span on one line, cut at `longest` characters.

    In a code span Markdown sees no link, tag or table, and GitHub no mention and no reference.
    """
    text = " ".join(text.split())
    # Also gone: what cannot be seen, or turns the direction of writing.
    text = "".join(char for char in text if char.isprintable())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    text = " ".join(text.split()) or "(nothing)"
    fence = "`"
    while fence in text:  # a span ends only at a run of backticks as long as its first
        fence += "`"
    space = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def value(thing: object) -> str:
    """A number, string or list of a metrics or params file."""
    if thing is ABSENT:
        return "—"
    return code(json.dumps(thing, ensure_ascii=False, default=str), longest=120)


def table(header: list[str], rows: list[list[str]], longest: int = 100) -> list[str]:
    """Lines of a table whose first column is text and whose others are figures."""
    lines = [row_line(header), "|---|" + "---:|" * (len(header) - 1)]
    lines += [row_line(row) for row in rows[:longest]]
    if len(rows) > longest:
        lines += ["", f"and {len(rows) - longest} more"]
    return lines


def row_line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def folded(summary: str, lines: list[str]) -> list[str]:
    """Lines that a click unfolds; `summary` is the project's own text."""
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>"]
