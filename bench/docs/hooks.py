"""MkDocs hooks: generated reference pages, links that leave docs/, the language of a page."""

from __future__ import annotations

import functools
import logging
import os
import re
from pathlib import Path

from bench.docs import reference


def _page(model: str) -> str:
    """Return a model's page that draws."""
    from ganbaru import native
    from ganbaru.export import page

    return page.text(native.load_player(model))


LOG = logging.getLogger("mkdocs.hooks.ganbaru")  # a warning fails a strict build
LIVE = {f"try/{name}.html": functools.partial(_page, f"zoo:{name}") for name in ("digits", "mnist")}
SHIM = "https://unpkg.com/iframe-worker/shim"  # of the theme's search, for pages that are files
_LINK = re.compile(
    r"\[(?P<text>[^\[\]]*)\]\((?P<target>(?![a-z]+:|/)[^)#\s]+)(?P<anchor>#[^)\s]*)?\)"
)


def repository() -> str:
    """Return the address of the repository that GitHub builds for; elsewhere none is known."""
    owner = os.environ.get("GITHUB_REPOSITORY")
    return owner and f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{owner}" or ""


def on_config(config):
    """Make anchors of Japanese headings as GitHub does, of their own words; link the repository."""
    from markdown.extensions.toc import slugify_unicode

    config.mdx_configs["toc"]["slugify"] = slugify_unicode
    if address := repository():
        config.extra["social"] = [{"icon": "fontawesome/brands/github", "link": address}]
    return config


def on_files(files, config):
    """Add the pages that are made of the code: every option, name, address and preset."""
    from mkdocs.structure.files import File

    for problem in reference.undocumented():
        LOG.warning("no docstring: %s", problem)
    for name, made in {**reference.PAGES, **LIVE}.items():
        files.append(File.generated(config, name, content=made()))
    return files


def on_page_markdown(markdown, page, config, files):
    """Lead links to files outside docs/ to the repository, or name them where it has no address.

    A file that is missing is a warning.
    """
    docs = Path(config.docs_dir).resolve()
    folder = (docs / page.file.src_uri).parent

    def link(found: re.Match[str]) -> str:
        target = (folder / found["target"]).resolve()
        if target.is_relative_to(docs):
            return found[0]
        if not target.exists():
            LOG.warning("%s links to %s, which does not exist", page.file.src_uri, found["target"])
        place = target.relative_to(docs.parent).as_posix()
        if not repository():
            named = found["text"].strip("`") in (place, target.name)
            return f"`{place}`" if named else f"{found['text']} (`{place}`)"
        kind = "tree" if target.is_dir() else "blob"
        return f"[{found['text']}]({repository()}/{kind}/main/{place}{found['anchor'] or ''})"

    if page.file.src_uri.startswith("ja/"):  # where a line break would show as a space
        joined = r"(?<=[^\x00-\xff])\n(?=[^\x00-\xff])|(?<=[、。）」])\n(?=[A-Za-z`\[])"
        markdown = re.sub(joined, "", markdown)
    return _LINK.sub(link, markdown)


def on_post_page(output, page, config):
    """State the language of Japanese pages, and load no script from another server."""
    if page.file.src_uri.startswith("ja/"):
        output = output.replace('<html lang="en"', '<html lang="ja"', 1)
    output = output.replace(SHIM, "../" * page.url.count("/") + "assets/worker.js")
    for address in re.findall(r'(?:src|link[^>]* href)="?(https?://[^"\s>]+)', output):
        LOG.warning("%s asks another server for %s", page.file.src_uri, address)
    return output
