"""Writes what can be looked up: docs/reference, from the command line and the schemas, the man page, and the text of
`help CODE`.

    python scripts/reference.py [--check]

`--check` writes nothing and fails where a file isn't what would be written.
Whoever adds an option or a field describes it where it is defined, and runs
`make docs`.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kubectl_glasskube_purge.cli.commands import COMMANDS, Command  # noqa: E402
from kubectl_glasskube_purge.cli.options import COMMON, KUBECTL, NAMESPACE, Option  # noqa: E402
from kubectl_glasskube_purge.cli.usage import CONNECTION, PROGRAM, SHARED, WIDTH, invocation  # noqa: E402
from kubectl_glasskube_purge.purge.model.outcome import EXIT_CODES  # noqa: E402
from kubectl_glasskube_purge.report import document, guide  # noqa: E402

GENERATED = "This file is written by `make docs`"
NAME = "kubectl-glasskube-purge"
ENVIRONMENT: Mapping[str, str] = {
    "KUBECONFIG": "Kubeconfig files to merge, where `--kubeconfig` names none.",
    "HTTPS_PROXY, HTTP_PROXY, NO_PROXY": "The proxy to the API server and for downloads, and exceptions from it.",
    "NO_COLOR": "Where set: no colour.",
    "COLUMNS": "Width to write for. Without it, the width of the terminal; nothing is wrapped into a pipe.",
    "XDG_STATE_HOME": "Backups are in its folder `kubectl-glasskube-purge`; default `~/.local/state`.",
    "XDG_CACHE_HOME": "Downloaded manifests are in its folder `kubectl-glasskube-purge`; default `~/.cache`.",
}
"""What of the environment counts. macOS and Windows have folders of their own instead of the last two."""

Schema = Mapping[str, Any]


# -- the command line, in Markdown


def commands() -> str:
    """docs/reference/commands.md."""
    parts = [
        "# Commands and options\n\n"
        f"{GENERATED} from the table that the command line is read by; `--help` says the same.\n\n"
        "Options stand before or after the command's name, and take their value behind `=` or as the next word; those\n"
        "written with `[=…]` take one behind `=` only. Nothing but the bare command deletes: an unknown word after it\n"
        "is an error.\n"
    ]
    rows = [(f"[`{invocation(one)}`](#{anchor(title(one))})", f"{one.summary}") for one in COMMANDS.values()]
    parts.append(table(("Command", "What it does"), rows))
    parts += [described(one) for one in COMMANDS.values()]
    parts.append("## Options that every command has\n\n" + options(COMMON))
    parts.append(f"## {CONNECTION}\n\nEvery command has these, too.\n\n" + options((*KUBECTL, NAMESPACE)))
    parts.append("## Exit codes\n\n" + table(("Code", "Meaning"), EXIT_CODES.items()))
    variables = [(", ".join(f"`{one}`" for one in name.split(", ")), meaning) for name, meaning in ENVIRONMENT.items()]
    parts.append("## Environment\n\n" + table(("Variable", "Meaning"), variables))
    return "\n".join(parts)


def title(command: Command) -> str:
    """A command's heading."""
    return command.name or "The purge"


def described(command: Command) -> str:
    """A command's section."""
    parts = [f"## {title(command)}\n", f"```text\n{invocation(command)} [options]\n```\n", command.description + "\n"]
    if command.argument_values:
        parts.append(f"{command.argument} is one of {', '.join(f'`{one}`' for one in command.argument_values)}.\n")
    for heading, offered in command.sections:
        own = [option for option in offered if option not in SHARED]
        if own:
            parts.append(f"**{heading}**\n\n{options(own)}")
    if command.examples:
        parts.append("**Examples**\n")
        lines = "\n\n".join(f"# {purpose}\n{line}" for purpose, line in command.examples)
        parts.append(f"```sh\n{lines}\n```\n")
    return "\n".join(parts)


def options(offered: Iterable[Option[Any]]) -> str:
    """A table of options."""
    return table(("Option", "Meaning"), [(f"`{spelled(one)}`", one.help) for one in offered])


def spelled(option: Option[Any]) -> str:
    """An option with its short form and its value."""
    return (f"{option.short}, " if option.short else "") + option.name + option.form


# -- the documents, in Markdown


def report() -> str:
    """docs/reference/report.md."""
    schema, line = document.schema(), document.schema("stream.schema.json")
    parts = [
        "# The report\n\n"
        f"{GENERATED} from the JSON Schemas\n"
        "([document](../../kubectl_glasskube_purge/report/schema.json),"
        " [event](../../kubectl_glasskube_purge/report/stream.schema.json),\n"
        "[explanation](../../kubectl_glasskube_purge/report/explanation.schema.json)), which the tests hold what is\n"
        "written against. Fields and values may be added; those that are here stay as they are. A field that is\n"
        "always there is so wherever the object that it is in is.\n\n"
        "`-o json` and `-o yaml` write one document to stdout, whatever became of the run; only for a wrong command\n"
        "line (exit code 2) there is none. `-o jsonl` writes [events](#events), and the document last; `explain`\n"
        "writes an [explanation](#explanation).\n"
    ]
    parts += object_tables(schema, "")
    for name, definition in schema["$defs"].items():
        parts.append(f"## {name}\n\n{definition['description']}\n")
        parts += object_tables(definition, name)
    parts.append(f"## Events\n\n{line['description']}\n")
    parts.append(table(HEAD, fields(line, "")))
    for event in line["oneOf"]:
        own = {**event, "properties": {key: one for key, one in event["properties"].items() if key != "type"}}
        parts.append(f"### Event {event['properties']['type']['const']}\n\n{event['description']}\n")
        parts.append(table(HEAD, fields(own, "", line["$defs"])))
    answer = document.schema("explanation.schema.json")
    parts.append(f"## Explanation\n\n{answer['description']}\n")
    parts += object_tables(answer, "an explanation")
    return "\n".join(parts)


HEAD = ("Field", "Type", "Always", "Meaning")


def object_tables(schema: Schema, of: str) -> Iterator[str]:
    """The fields of an object, and the values of those that have few."""
    yield table(HEAD, fields(schema, ""))
    for path, choices in chosen(schema, ""):
        heading = f"### Values of `{path}`" + (f" of {of}" if of else "")
        yield f"{heading}\n\n" + table(("Value", "Meaning"), [(f"`{k}`", v) for k, v in choices])


def fields(schema: Schema, path: str, inlined: Schema | None = None) -> Iterator[tuple[str, str, str, str]]:
    """Every field of an object and of the objects in it: path, type, whether it is always there, meaning.

    Definitions that are `inlined` have their fields here, others sections of their own.
    """
    required = schema.get("required", ())
    for name, found in schema.get("properties", {}).items():
        field = inlined[found["$ref"].rpartition("/")[2]] if inlined and "$ref" in found else found
        here = f"{path}{name}" + ("[]" if "items" in field else "")
        meaning = field.get("description", "As there.")
        yield f"`{here}`", kind(field), "yes" if name in required else "", meaning
        yield from fields(field.get("items", field), f"{here}.", inlined)


def kind(schema: Schema) -> str:
    """A field's type in words."""
    if "$ref" in schema:
        *_, name = schema["$ref"].split("/")
        return f"[{name}](#{anchor(name)})" if "$defs" in schema["$ref"] else f"as `{name}`"
    if "items" in schema:
        return f"list of {kind(schema['items'])}"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "oneOf" in schema and "type" not in schema:
        return "one of the values below"
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    return "RFC 3339" if schema.get("format") == "date-time" else str(schema["type"])


def chosen(schema: Schema, path: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Fields with few values, and what each of them means."""
    for name, found in schema.get("properties", {}).items():
        inner = found.get("items", found)
        here = f"{path}{name}" + ("[]" if "items" in found else "")
        if "oneOf" in inner:
            yield here, [(one["const"], one["description"]) for one in inner["oneOf"]]
        yield from chosen(inner, f"{here}.")


# -- Markdown


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def anchor(heading: str) -> str:
    """What leads to a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


# -- the man page


def man() -> str:
    """docs/man/kubectl-glasskube-purge.1."""
    purge = COMMANDS[""]
    lines = [
        r".\" Written by make docs from the table of the command line; don't edit.",
        f'.TH {roff(NAME.upper())} 1 "" "{roff(NAME)}" "User Commands"',
        ".SH NAME",
        rf"{roff(NAME)}, {roff('kubectl-glasskube_purge')} \- {roff(purge.summary[0].lower() + purge.summary[1:])}",
        ".SH SYNOPSIS",
        *synopsis(purge),
        ".br",
        rf"\fB{roff(PROGRAM)}\fR \fICOMMAND\fR [\fIoptions\fR]",
        ".SH DESCRIPTION",
        roff(purge.description),
        ".PP",
        "Nothing but the bare command deletes: an unknown word after it is an error, and never a purge.",
        ".SH OPTIONS",
        *sections(purge),
        ".SH COMMANDS",
    ]
    for command in COMMANDS.values():
        if command.name:
            lines += [f".SS {roff(command.name)}", *synopsis(command), ".PP", roff(command.description)]
            for heading, _ in command.sections:
                lines += [line for option in own_options(command, heading) for line in entry(option)]
    lines += [".SH OPTIONS OF EVERY COMMAND", *(line for option in COMMON for line in entry(option))]
    lines += [".SS " + roff(CONNECTION), *(line for option in (*KUBECTL, NAMESPACE) for line in entry(option))]
    lines += [
        ".SH EXIT STATUS",
        *(line for code, meaning in EXIT_CODES.items() for line in tagged(roff(code), meaning)),
    ]
    lines += [".SH ENVIRONMENT", *(line for name, use in ENVIRONMENT.items() for line in tagged(bold(name), use))]
    lines.append(".SH EXAMPLES")
    for command in COMMANDS.values():
        for purpose, line in command.examples:
            lines += [".PP", roff(purpose) + ":", ".PP", ".RS 4", ".EX", roff(line), ".EE", ".RE"]
    lines += [".SH SEE ALSO", r"\fBkubectl\fR(1)"]
    return "\n".join(lines) + "\n"


def synopsis(command: Command) -> list[str]:
    """How a command is typed."""
    name = " ".join(part for part in (PROGRAM, command.name) if part)
    argument = rf" \fI{roff(command.argument)}\fR" if command.argument else ""
    return [rf"\fB{roff(name)}\fR{argument} [\fIoptions\fR]"]


def own_options(command: Command, section: str) -> list[Option[Any]]:
    """What a command has in a section for itself."""
    offered = dict(command.sections).get(section, ())
    return [option for option in offered if option not in SHARED]


def sections(command: Command) -> Iterator[str]:
    """A command's own options, under their headings."""
    for heading, _ in command.sections:
        own = own_options(command, heading)
        if own:
            yield f".SS {roff(heading)}"
        for option in own:
            yield from entry(option)


def entry(option: Option[Any]) -> list[str]:
    """An option."""
    names = ", ".join(bold(name) for name in (option.short, option.name) if name)
    given = option.form
    if option.metavar:
        given = given.replace(option.metavar, f"\0{option.metavar}\1")
    shown = roff(given).replace("\0", r"\fI").replace("\1", r"\fR")
    return tagged(names + shown, option.help)


def tagged(tag: str, meaning: str) -> list[str]:
    """A paragraph with a tag, which is roff already."""
    return [".TP", tag, spans(meaning)]


def bold(text: str) -> str:
    """Text as it is typed."""
    return rf"\fB{roff(text)}\fR"


def spans(text: str) -> str:
    """Text whose backquoted parts are as typed."""
    return re.sub(r"`([^`]*)`", r"\\fB\1\\fR", roff(text).replace(r"\(ga", "`"))


def roff(text: str) -> str:
    """Text with nothing in it that roff would take for more than text."""
    escaped = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
    made = "".join(escaped.get(one) or (one if one.isascii() else f"\\[u{ord(one):04X}]") for one in text)
    return rf"\&{made}" if made.startswith(".") else made


# -- the troubleshooting page, as plain text


def troubleshooting() -> str:
    """kubectl_glasskube_purge/cli/troubleshooting.txt: each heading with the codes that lead to it."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    made = [f"{GENERATED} from docs/troubleshooting.md.\n"]
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        heading, *blocks = section.strip().split("\n\n")
        codes = [code for code, there in guide.ANCHORS.items() if there == heading]
        made.append(f"## {' '.join(dict.fromkeys([heading, *codes]))}\n")
        made += [f"{wrapped(text)}\n" for block in blocks for text in paragraphs(block)]
    return "\n".join(made)


def paragraphs(block: str) -> Iterator[str]:
    """A block's paragraphs: one for each row of a table."""
    if not block.startswith("|"):
        yield block
        return
    for row in block.splitlines()[2:]:
        code, why, what = (cell.strip() for cell in row.strip("|").split("|"))
        yield f"{code.strip('`')}: {why}. What to do: {what}."


def named(label: str, page: str | None) -> str:
    """A link in words."""
    return label if not page or label == page else f"{label} (docs/{page})"


def wrapped(text: str) -> str:
    """Text in lines, without marks, and what is typed in one piece."""
    plain = re.sub(r"\[([^]]*)\]\((?:(\w[^)#]*)[^)]*|#[^)]*)\)", lambda link: named(link[1], link[2]), text)
    plain = plain.replace("**", "")
    whole = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", "\0").replace("\n", "\0"), plain)
    lines = textwrap.wrap(" ".join(whole.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


# -- files

FILES = {
    ROOT / "docs" / "reference" / "commands.md": commands,
    ROOT / "docs" / "reference" / "report.md": report,
    ROOT / "docs" / "man" / f"{NAME}.1": man,
    ROOT / "kubectl_glasskube_purge" / "cli" / "troubleshooting.txt": troubleshooting,
}


def main() -> int:
    """Writes the files, or checks them. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of date")
    check = parser.parse_args().check
    stale = [file for file, make in FILES.items() if not file.exists() or file.read_text("utf-8") != make()]
    for file in stale:
        if check:
            print(f"{file.relative_to(ROOT)} is out of date: run `make docs`", file=sys.stderr)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(FILES[file](), "utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
