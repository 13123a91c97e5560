"""/docs: the OpenAPI document as one plain page. No script and nothing from elsewhere: keys are near."""

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any, Final

CONTENT_SECURITY_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
code, pre { font: 14px/1.45 ui-monospace, monospace } pre { background: #f4f4f4; padding: .8rem; overflow-x: auto }
h2 { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem }
td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0 } summary { cursor: pointer }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #e6e6e6 } pre { background: #242424 } a { color: #8ab4ff }
}
"""


def page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    info = document["info"]
    parts = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{escape(info['title'])} REST</title><style>{_STYLE}</style>",
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{_text(info['description'])}</p>",
        "<p>Send your key in the header <code>x-api-key</code>.",
        'For programs: <a href="/openapi.json">openapi.json</a>.</p>',
        "<h2>Routes</h2>",
        f"<ul>{''.join(_contents(document['paths']))}</ul>",
        *_operations(document["paths"]),
        "<h2>Shapes</h2>",
        *_schemas(document["components"]["schemas"]),
        "</html>",
    ]
    return "\n".join(parts)


def _operations(paths: dict[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f'<h2 id="{_anchor(method, path)}"><code>{method.upper()} {escape(path)}</code></h2>'
            yield f"<p>{_text(operation['summary'])}.</p>"
            if "x-scope" in operation:
                yield f"<p>The key needs the scope <code>{escape(operation['x-scope'])}</code>.</p>"
            if operation.get("parameters"):
                yield f"<h3>Parameters</h3><table>{''.join(map(_parameter, operation['parameters']))}</table>"
            if "requestBody" in operation:
                yield f"<h3>Body</h3><p>{_content(operation['requestBody'])}</p>"
            rows = "".join(_answer(status, answer) for status, answer in operation["responses"].items())
            yield f"<h3>Answers</h3><table>{rows}</table>"


def _contents(paths: dict[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            route = f'<a href="#{_anchor(method, path)}"><code>{method.upper()} {escape(path)}</code></a>'
            yield f"<li>{route} {_text(operation['summary'])}"


def _anchor(method: str, path: str) -> str:
    return escape(f"{method}-{path}")


def _text(text: str) -> str:
    """Plain text, what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _parameter(parameter: dict[str, Any]) -> str:
    name, place = escape(parameter["name"]), escape(parameter["in"])
    return f"<tr><td><code>{name}</code><td>{place}<td>{_text(parameter.get('description', ''))}"


def _answer(status: str, answer: dict[str, Any]) -> str:
    return f"<tr><td>{escape(status)}<td>{_content(answer)}<td>{_text(answer['description'])}"


def _content(holder: dict[str, Any]) -> str:
    """The media types with a link to the shape of each."""
    texts = []
    for media_type, content in holder.get("content", {}).items():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        shape = f' <a href="#{escape(name)}">{escape(name)}</a>' if name else ""
        texts.append(f"<code>{escape(media_type)}</code>{shape}")
    return ", ".join(texts)


def _schemas(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        text = escape(json.dumps(schema, indent=2))
        yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary><pre>{text}</pre></details>'
