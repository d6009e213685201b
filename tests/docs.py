#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the links of every Markdown file and keeps code snippets equal to their source.

A snippet is a fenced block right after a line `<!-- from examples/echo_server.cpp -->`, or, for a
part of the file, `<!-- from examples/echo_server.cpp: main -->` where the source marks that part
with the lines `// [main]` and `// [/main]`. Without --check, snippets are rewritten in place.
"""

import argparse
import pathlib
import re
import sys
import textwrap

LINK = re.compile(r"(?<!\!)\[[^\]\n]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
SNIPPET = re.compile(r"(<!-- from (?P<path>\S+?)(?:: (?P<part>\S+))? -->\n```\w*\n)(?P<code>.*?)(^```$)",
                     re.MULTILINE | re.DOTALL)


def markdown_files(root):
    hidden = ("build", ".git", "subprojects")
    return sorted(path for path in root.rglob("*.md")
                  if path.relative_to(root).parts[0] not in hidden)


def anchors(text):
    """The fragment names of a page's headings, as forges derive them."""
    found = set()
    for title in re.findall(r"^#{1,6}\s+(.+?)\s*#*\s*$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while f"{slug}-{number}" in found or (number == 0 and slug in found):
            number += 1
        found.add(f"{slug}-{number}" if number else slug)
    return found


def link_problems(root, page):
    text = page.read_text()
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    for target in LINK.findall(prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            yield f"{page.relative_to(root)}: link to {target}: no such file"
        elif root not in file.parents and file != root:
            yield f"{page.relative_to(root)}: link to {target}: leads out of the tree"
        elif fragment and file.suffix == ".md" and fragment not in anchors(file.read_text()):
            yield f"{page.relative_to(root)}: link to {target}: no such heading"


def snippet_source(root, path, part):
    """The code that a snippet should show, or None."""
    file = root / path
    if not file.is_file():
        return None
    text = file.read_text()
    if part is None:
        return re.sub(r"\A// SPDX.*\n\n?", "", text)
    found = re.search(rf"^[ \t]*// \[{re.escape(part)}\]\n(.*?)^[ \t]*// \[/{re.escape(part)}\]$",
                      text, re.MULTILINE | re.DOTALL)
    return textwrap.dedent(found.group(1)) if found else None


def with_snippets(root, page, problems):
    def replace(match):
        code = snippet_source(root, match["path"], match["part"])
        if code is None:
            problems.append(f"{page.relative_to(root)}: no source for the snippet from "
                            f"{match['path']} {match['part'] or ''}".rstrip())
            return match[0]
        return match[1] + code + match[5]
    return SNIPPET.sub(replace, page.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    options = parser.parse_args()
    root = options.root.resolve()
    problems = []
    for page in markdown_files(root):
        problems.extend(link_problems(root, page))
        text = with_snippets(root, page, problems)
        if text != page.read_text():
            if options.check:
                problems.append(f"{page.relative_to(root)}: a snippet differs from its source; "
                                "run ./dev docs")
            else:
                page.write_text(text)
                print(f"wrote {page.relative_to(root)}")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
