"""The reference in Markdown, ``docs/rest.md``: every route, for readers."""

import json
from collections.abc import Iterable
from itertools import groupby

from synap.protocol.http import tags
from synap.protocol.http.description import Tag
from synap.protocol.http.openapi.document import ABOUT
from synap.protocol.http.openapi.failures import Failure
from synap.protocol.http.openapi.fields import ALWAYS, REQUIRED, Row, about_of, rows_of, shapes_of, word_of
from synap.protocol.http.openapi.operation import Form, Operation, Output, Reference
from synap.protocol.http.openapi.schemas import REFERENCE, in_words

_HEAD = """\
# REST reference

Made from the server's own table of routes by `python -m synap.protocol.http.openapi`; change nothing here. A running
server tells the same at `/docs`, and to programs at `/openapi.json`.
"""

_CREDENTIALS = """\
Where authentication is on, a route needs credentials of the role that stands beside it (*reader*, *writer*, *admin*),
or of one after it; what is *public* needs none. With curl: `-H "Authorization: Bearer KEY"`, `-H "X-API-Key: KEY"`, or
`--user NAME:PASSWORD`.
"""


def text_of(reference: Reference) -> str:
    """The whole text."""
    told = [operation for operation in reference.operations if operation.is_first]
    used = [tag for tag in tags.ALL if any(operation.tag == tag for operation in told)]
    parts = [_HEAD, ABOUT, _CREDENTIALS, _contents(used, told)]
    for tag in used:
        parts.append(f"## {tag.name}\n\n{tag.about}\n")
        parts += [_operation(operation, reference) for operation in told if operation.tag == tag]
    parts += [_shapes(reference), _errors(reference)]
    return "\n".join(parts)


def _contents(used: Iterable[Tag], told: list[Operation]) -> str:
    lines = ["## Contents", ""]
    for tag in used:
        lines.append(f"* [{tag.name}](#{_anchor(tag.name)})")
        lines += [
            f"  * [`{operation.method} {operation.pattern}`](#{operation.name}) {operation.summary}"
            for operation in told
            if operation.tag == tag
        ]
    lines += ["* [Shapes](#shapes)", "* [Errors](#errors)", ""]
    return "\n".join(lines)


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def _operation(operation: Operation, reference: Reference) -> str:
    paths = [f"`{operation.method} {pattern}`" for pattern in (operation.pattern, *operation.others)]
    parts = [
        f'<a id="{operation.name}"></a>\n\n### {operation.summary}\n',
        f"{' or '.join(paths)} · *{operation.role.name.lower()}*\n",
    ]
    parts += [operation.text + "\n"] if operation.text else []
    parts.append(f"```sh\n{operation.curl}\n```\n")
    if operation.inputs:
        rows = [
            (f"`{each.name}`", each.place, in_words(each.schema), REQUIRED if each.required else "", about_of(each))
            for each in operation.inputs
        ]
        parts.append(_table(("parameter", "in", "type", "", ""), rows))
    if operation.body is not None:
        parts.append(f"**Body**: {_media(operation.body.forms)}. {operation.body.about}".rstrip() + "\n")
        parts += _fields(rows_of(operation.body.forms[0].schema, reference), REQUIRED)
    parts += [_output(output, reference) for output in operation.outputs]
    parts.append(_failures([each for each in operation.failures if not each.everywhere]))
    return "\n".join(parts)


def _output(output: Output, reference: Reference) -> str:
    media = f" ({_media(output.forms)})" if output.forms else ""
    parts = [f"**{output.status}**{media}: {output.about}\n"]
    if output.forms:
        parts += _fields(rows_of(output.forms[0].schema, reference), ALWAYS)
    if output.fields:
        parts += [f"* `{each.name}`: {each.about}" for each in output.fields] + [""]
    if output.example is not None and output.forms[0].media_type == "application/json":
        parts.append(f"```json\n{json.dumps(output.example, ensure_ascii=False)}\n```\n")
    return "\n".join(parts)


def _media(forms: tuple[Form, ...]) -> str:
    return " or ".join(f"`{form.media_type}`" for form in forms)


def _fields(rows: list[Row], always: str) -> list[str]:
    """A table of fields; ``always`` is what is said of those that are not optional."""
    cells = [(f"`{row.name}`", row.words, always if row.always else "", row.about) for row in rows]
    return [_table(("field", "type", "", ""), cells)] if cells else []


def _failures(failures: list[Failure]) -> str:
    if not failures:
        return "Errors: those of [every route](#errors).\n"
    by_status = groupby(failures, key=lambda failure: failure.status)
    named = [f"{status} {', '.join(f'`{each.type}`' for each in those)}" for status, those in by_status]
    return f"Errors: those of [every route](#errors), and {'; '.join(named)}.\n"


def _shapes(reference: Reference) -> str:
    parts = ["## Shapes\n"]
    for name in shapes_of(reference):
        parts.append(f"### {name}\n\n{reference.schemas[name].get('description', '')}\n")
        parts += _fields(rows_of({"$ref": REFERENCE + name}, reference), word_of(name, reference))
    return "\n".join(parts)


def _errors(reference: Reference) -> str:
    found = {failure.type: failure for operation in reference.operations for failure in operation.failures}
    failures = sorted(found.values(), key=lambda failure: (failure.status, failure.type))
    rows = [
        (str(failure.status), f"`{failure.type}`", "yes" if failure.everywhere else "", failure.about)
        for failure in failures
    ]
    fields = _fields(rows_of({"$ref": REFERENCE + "ErrorBody"}, reference), ALWAYS)
    about = str(reference.schemas["ErrorBody"].get("description", ""))
    return "\n".join(["## Errors\n", about + "\n", *fields, _table(("status", "type", "every route", ""), rows)])


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines) + "\n"
