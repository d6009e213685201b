#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Finds co_await expressions that compilers break without a word, and cleanup that cancellation skips.

usage: ringfence-await-lint [--list] [--strict] <file or folder>...

Errors make the exit status 1; advice does so only with --strict. One finding is silenced by a comment
on its line or the line above: `// await-lint: ok <reason>`. `--list` prints what each check is about.

The source is read as tokens, not compiled: types are unknown, so a check that depends on one (a
captured class, a class-typed ?:) reports what looks like it. Of types, only the structs defined in the
given files are known, for the check on aggregates; `f({...})`, which names no type, passes. Only braces,
brackets and lambdas are understood, which is what it takes to know which expression an await is part of.
"""

import argparse
import dataclasses
import pathlib
import re
import sys

CHECKS = {
    "condition": "co_await in a condition that declares nothing (GCC 12 drops the function's body): "
                 "write `bool go = co_await x; if (go)` or `if (auto r = co_await x)`",
    "lambda": "a temporary lambda that captures by value in an awaiting expression (GCC 12 destroys "
              "it twice): name it first, or capture by reference",
    "capture": "co_await in a lambda's capture list (GCC 12 destroys the capture twice): await first",
    "ternary": "?: with class-typed arms in an awaiting expression (GCC 12 destroys the result "
               "twice): use if/else into a local",
    "braces": "co_await inside a braced list (GCC 12 breaks aggregates and initializer_list): await "
              "into locals first",
    "aggregate": "a temporary aggregate with members that own something, in an awaiting expression "
                 "(GCC 12 destroys it twice): name it first, or give the type a constructor",
    "statement-expression": "co_await in a GNU statement expression (GCC fails): use a function",
    "binding": "a structured binding of an awaited temporary (GCC 15 and 16 leak it when the task "
               "is cancelled): name it first, then `auto& [a, b] = it`",
    "macro": "co_await inside a macro's argument (it may be evaluated twice): await into a local first",
    "escape": "`await-lint: ok` without a reason",
    "catch": "advice: a catch block that cleans up after an await does not run on cancellation: use "
             "rf::finally or a scope guard",
}
ADVICE = {"catch"}
SUFFIXES = {".cpp", ".hpp", ".cc", ".hh", ".cxx", ".hxx", ".h", ".ipp"}
HEADERS = {".hpp", ".hh", ".hxx", ".h"}
SKIPPED_FOLDERS = {".git", "build", "subprojects", "await_lint"}

TOKEN = re.compile(r"""
    (?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
  | (?P<string>(?:u8|[uUL])?R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"|(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
  | (?P<number>\.?\d(?:'?[\w.]|[eEpP][+-])*)
  | (?P<char>(?:u8|[uUL])?'(?:\\.|[^'\\\n])+')
  | (?P<word>[A-Za-z_]\w*)
  | (?P<sign>::|->\*?|\.\.\.|<=>|[-+*/%&|^=!<>]=|&&|\|\||\+\+|--|<<=?|.)
""", re.VERBOSE | re.DOTALL)

CLOSING = {"(": ")", "[": "]", "{": "}"}
CONTROL = {"if", "while", "switch", "for", "catch"}


@dataclasses.dataclass
class Token:
    text: str
    line: int
    kind: str  # word, sign, number, string, char


@dataclasses.dataclass
class Group:
    """Everything between two matching brackets."""
    text: str  # the opening bracket
    line: int
    items: list
    kind: str = "group"


@dataclasses.dataclass
class Lambda:
    line: int
    captures: Group
    body: Group
    text: str = "lambda"
    kind: str = "lambda"


# Reading: text to tokens, tokens to groups, groups to lambdas.


def without_directives(text, last_branch):
    """Blanks out preprocessor lines, and of each #if all branches but the first (or the last)."""
    lines = text.split("\n")
    stack = []  # per #if: is the branch being read one that is kept
    result = []
    continued = False
    for number, line in enumerate(lines):
        directive = re.match(r"\s*#\s*(\w+)", line)
        if directive and not continued:
            word = directive[1]
            if word in ("if", "ifdef", "ifndef"):
                stack.append(not last_branch or not has_other_branch(lines, number))
            elif word in ("else", "elif", "elifdef", "elifndef") and stack:
                stack[-1] = last_branch and not has_other_branch(lines, number)
            elif word == "endif" and stack:
                stack.pop()
        blank = directive or continued or not all(stack)
        result.append("" if blank else line)
        continued = bool((directive or continued) and line.endswith("\\"))
    return "\n".join(result)


def has_other_branch(lines, start):
    """Whether the conditional opened or continued at line `start` has a later branch."""
    depth = 0
    for line in lines[start + 1:]:
        word = (re.match(r"\s*#\s*(\w+)", line) or [None, ""])[1]
        if word in ("if", "ifdef", "ifndef"):
            depth += 1
        elif word == "endif":
            if depth == 0:
                return False
            depth -= 1
        elif depth == 0 and word in ("else", "elif", "elifdef", "elifndef"):
            return True
    return False


def tokens_of(text):
    line = 1
    for match in TOKEN.finditer(text):
        kind = match.lastgroup if match.lastgroup != "mark" else "string"
        if kind != "comment" and not match[0].isspace():
            yield Token(match[0] if kind != "string" else '""', line, kind)
        line += match[0].count("\n")


def grouped(tokens):
    """Nests tokens by brackets; a bracket that closes nothing is dropped."""
    top = Group("{", 1, [])
    stack = [top]
    for token in tokens:
        if token.kind == "sign" and token.text in CLOSING:
            group = Group(token.text, token.line, [])
            stack[-1].items.append(group)
            stack.append(group)
        elif token.kind == "sign" and token.text in CLOSING.values():
            if len(stack) > 1 and CLOSING[stack[-1].text] == token.text:
                stack.pop()
        else:
            stack[-1].items.append(token)
    with_lambdas(top)
    return top


def is_value(item):
    """Whether `[` after this item is a subscript."""
    if item is None:
        return False
    if item.kind == "word":
        return item.text not in {"return", "co_return", "co_await", "co_yield", "throw", "case",
                                 "else", "do", "in", "new"}
    return item.kind in ("number", "string", "lambda") or (item.kind == "group" and item.text in "([")


def with_lambdas(group):
    """Replaces, inside out, `[captures] ... { body }` by a Lambda."""
    for item in group.items:
        if item.kind == "group":
            with_lambdas(item)
    items, result, at = group.items, [], 0
    while at < len(items):
        item = items[at]
        end = lambda_end(items, at) if item.text == "[" and item.kind == "group" and \
            not is_value(result[-1] if result else None) else None
        if end is None:
            result.append(item)
            at += 1
        else:
            result.append(Lambda(item.line, item, items[end]))
            at = end + 1
    group.items = result


def lambda_end(items, at):
    """Index of the body of the lambda whose introducer is items[at], or None if it is none."""
    if len(items[at].items) == 1 and items[at].items[0].text == "[":
        return None  # an attribute
    previous = items[at - 1] if at else None
    if previous is not None and previous.text in ("auto", "&", "&&") and at >= 1 and \
            at + 1 < len(items) and items[at + 1].text in ("=", ":"):
        return None  # a structured binding
    for index in range(at + 1, len(items)):
        item = items[index]
        if item.kind == "group" and item.text == "{":
            return index
        if item.kind == "sign" and item.text in (";", ",", "=", "?"):
            if item.text == "," and inside_angles(items, at + 1, index):
                continue
            return None
    return None


def inside_angles(items, start, end):
    depth = 0
    for item in items[start:end]:
        depth += {"<": 1, ">": -1, ">>": -2}.get(item.text, 0) if item.kind == "sign" else 0
    return depth > 0


# Understanding: statements and the full expressions in them.


def awaits(items):
    """co_await tokens that belong to these items, not to a lambda's body inside them."""
    for item in items:
        if item.text == "co_await":
            yield item
        elif item.kind == "group":
            yield from awaits(item.items)
        elif item.kind == "lambda":
            yield from awaits(item.captures.items)


def first_await(items):
    return next(awaits(items), None)


def opens_block(before, braces):
    """Whether `{` after these items of the statement starts a block rather than a braced list."""
    if not before or holds_statements(braces):
        return True
    last = before[-1]
    words = {item.text for item in before if item.kind == "word"}
    if last.kind == "group":
        return last.text != "["  # after `{`: a constructor's body follows its initialisers
    if last.text in {"else", "do", "try", "const", "noexcept", "override", "final", "mutable",
                     "namespace", "requires"}:
        return True
    if last.text == ":" and (before[0].text in ("case", "default") or len(before) == 2):
        return True
    if words & {"struct", "class", "union", "enum", "namespace", "concept"} and \
            not any(item.text in ("=", "(", "return") for item in before if item.kind != "lambda"):
        return True
    if last.kind == "word" or last.text in (">", "*", "&", ">>"):
        return has_trailing_return(before)
    return False


def holds_statements(braces):
    return any(item.text == ";" for item in braces.items)


def is_statement_expression(group):
    return group.text == "(" and bool(group.items) and group.items[0].kind == "group" and \
        group.items[0].text == "{" and holds_statements(group.items[0])


def has_trailing_return(before):
    """`(...) [const...] -> type` at the end, with no operator after the arrow but those of types."""
    for index in range(len(before) - 1, 0, -1):
        item = before[index]
        if item.text == "->":
            return before[0].text not in ("return", "co_return", "co_await") and \
                any(prior.text == "(" for prior in before[:index]) and \
                not any(prior.text in ("=", ".") for prior in before[:index])
        if item.kind == "group" and item.text != "(":
            return False
    return False


class File:
    """Findings of one file."""

    def __init__(self, text, aggregates):
        self.text = text
        self.aggregates = aggregates  # names of types that must not be temporaries of an await
        self.found = {}  # (line, check), in order of finding

    def report(self, line, check):
        self.found.setdefault((line, check), None)

    def block(self, items):
        """A sequence of statements."""
        statement = []
        at = 0
        while at < len(items):
            item = items[at]
            if item.text == ";":
                self.expression(statement)
                statement = []
            elif item.kind == "group" and item.text == "{" and opens_block(statement, item):
                self.expression(statement)
                self.block(item.items)
                if [part.text for part in statement] == ["try"]:
                    self.handlers(item, items, at + 1)
                statement = []
            elif item.text in CONTROL and header_after(items, at) is not None:
                self.expression(statement)
                statement = []
                at = header_after(items, at)
                self.control(item.text, items[at])
            elif item.text != "else":
                statement.append(item)
            at += 1
        self.expression(statement)

    def control(self, word, header):
        """The parentheses after if, while, switch, for or catch."""
        clauses = split(header.items, ";")
        if word in ("if", "while", "switch") and first_await(clauses[-1]) and \
                not declares(clauses[-1]):
            self.report(first_await(clauses[-1]).line, "condition")
        for clause in clauses:
            self.expression(clause)

    def expression(self, items):
        """One full expression or declaration: an await anywhere in it concerns all of it."""
        self.nested_blocks(items)
        here = first_await(items)
        if here is None:
            return
        for index, item in enumerate(items):
            if item.text == "auto" and binding_at(items, index):
                self.report(item.line, "binding")
        self.parts(items)

    def nested_blocks(self, items):
        """Lambda bodies and statement expressions are statements of their own."""
        for item in items:
            if item.kind == "lambda":
                self.nested_blocks(item.captures.items)
                self.block(item.body.items)
            elif item.kind == "group":
                inner = item.items
                if is_statement_expression(item):
                    self.block(inner[0].items)
                    inner = inner[1:]
                self.nested_blocks(inner)

    def parts(self, items):
        """The suspicious parts of an awaiting expression, at any depth."""
        self.ternaries(items)
        for index, item in enumerate(items):
            before = items[index - 1] if index else None
            if item.kind == "lambda":
                if first_await(item.captures.items):
                    self.report(item.line, "capture")
                elif captures_by_value(item.captures) and not names_variable(items[:index]):
                    self.report(item.line, "lambda")
            elif item.kind == "group":
                inside = first_await(item.items)
                if inside and item.text == "{" and not single_scalar(items[:index], item):
                    self.report(inside.line, "braces")
                elif item.text == "{" and before is not None and before.text in self.aggregates:
                    self.report(before.line, "aggregate")
                if inside and is_statement_expression(item):
                    self.report(inside.line, "statement-expression")
                    continue
                if inside and item.text == "(" and before is not None and before.kind == "word" and \
                        re.fullmatch(r"[A-Z][A-Z0-9_]{2,}|assert", before.text):
                    self.report(inside.line, "macro")
                self.parts(item.items)

    def ternaries(self, items):
        for part in split(items, ","):
            question = next((i for i, item in enumerate(part) if item.text == "?"), None)
            if question is None:
                continue
            arms = split_arms(part[question + 1:])
            if any(is_plain(arm) for arm in arms):
                continue
            awaited = any(first_await(arm) for arm in arms)
            if awaited or any(makes_object(arm) for arm in arms):
                self.report(part[question].line, "ternary")

    def handlers(self, tried, items, at):
        """The catch clauses that follow a try block."""
        while at + 2 < len(items) and items[at].text == "catch":
            body = items[at + 2]
            statements = [part for part in split(body.items, ";") if part] \
                if body.kind == "group" else []
            kinds = [part[0].text for part in statements]
            every = items[at + 1].items and items[at + 1].items[0].text == "..."
            rethrows = any([item.text for item in part] == ["throw"] for part in statements)
            acts = [kind for kind in kinds if kind not in ("throw", "return", "co_return")]
            if first_await(tried.items) and acts and (rethrows or every):
                self.report(items[at].line, "catch")
            at += 3


def header_after(items, at):
    """Index of the parentheses that belong to the control word at `at`, or None."""
    at += 2 if at + 1 < len(items) and items[at + 1].text == "constexpr" else 1
    return at if at < len(items) and items[at].text == "(" else None


def split(items, sign):
    result = [[]]
    for item in items:
        if item.text == sign and item.kind == "sign":
            result.append([])
        else:
            result[-1].append(item)
    return result


def split_arms(items):
    """The two arms after a `?`; nested ?: stay in the second."""
    depth = 0
    for index, item in enumerate(items):
        if item.text == "?":
            depth += 1
        elif item.text == ":":
            if depth == 0:
                return items[:index], items[index + 1:]
            depth -= 1
    return items, []


def is_plain(arm):
    """A number, character, true, false or nullptr: then the other arm is no class either."""
    return len(arm) in (1, 2) and (arm[-1].kind in ("number", "char")
                                   or arm[-1].text in ("true", "false", "nullptr"))


def makes_object(arm):
    """Whether the arm looks like a class prvalue: T{...} or std::string(...)."""
    for index, item in enumerate(arm):
        before = arm[index - 1] if index else None
        if item.kind == "group" and item.text == "{" and before is not None:
            return True
        if item.kind == "group" and item.text == "(" and before is not None and \
                before.text in ("string", "vector", "optional", "function", "move") and \
                index > 1 and arm[index - 2].text == "::":
            return True
    return False


def declares(clause):
    """Whether a condition declares a variable: `auto x = ...`, `T* x{...}`, `const T& x = ...`."""
    for index, item in enumerate(clause):
        if item.text == "=" or (item.kind == "group" and item.text == "{"):
            head = clause[:index]
            if head and head[-1].text == "[":
                head = head[:-1]  # a structured binding
                return bool(head)
            return len(head) >= 2 and head[0].kind == "word" and head[-1].kind == "word" and \
                (head[-2].kind == "word" or head[-2].text in (">", "*", "&", "&&", ">>")) and \
                not any(part.text in (".", "->", "co_await", "(") for part in head)
    return False


def binding_at(items, index):
    """Whether auto at `index` starts `auto [a, b] = ... co_await ...`."""
    at = index + 1
    while at < len(items) and items[at].text in ("&", "&&"):
        at += 1
    return at + 1 < len(items) and items[at].kind == "group" and items[at].text == "[" and \
        items[at + 1].text in ("=", "{", ":") and first_await(items[at + 1:]) is not None


def captures_by_value(captures):
    for capture in split(captures.items, ","):
        if not capture or capture[0].text in ("&", "this"):
            continue
        if len(capture) == 1 and capture[0].text == "...":
            continue
        return True
    return False


def names_variable(before):
    """`auto name =` just before: the lambda is moved into a variable, not a temporary of the await."""
    return len(before) >= 3 and before[-1].text == "=" and before[-2].kind == "word" and \
        before[-3].text in ("auto", "const")


def single_scalar(before, braces):
    """`auto x{co_await y}` and the like: one value into something that is not an aggregate."""
    if len(split(braces.items, ",")) > 1 or len(before) < 2 or braces.items[0].text == ".":
        return False
    scalar = {"auto", "bool", "int", "long", "short", "char", "unsigned", "float", "double", "size_t",
              "ssize_t", "ptrdiff_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "int8_t",
              "int16_t", "int32_t", "int64_t", "byte"}
    return before[-1].kind == "word" and any(part.text in scalar for part in before[-4:-1])


# Types. An aggregate with a member that is not trivially destructible is what GCC 12 breaks.

OWNERS = {"string", "wstring", "vector", "deque", "list", "map", "set", "unordered_map",
          "unordered_set", "unique_ptr", "shared_ptr", "weak_ptr", "function", "any", "path", "task",
          "thread", "jthread"}
VIEWS = {"*", "&", "&&", "span", "string_view", "reference_wrapper", "static"}
NO_MEMBER = {"using", "typedef", "friend", "struct", "class", "enum", "union", "template", "operator",
             "static_assert"}


@dataclasses.dataclass
class Record:
    """A struct or class: whether it is an aggregate, what it is made of, whether it has a destructor."""
    aggregate: bool
    parts: set
    owns: bool


def records_of(items, found):
    """All definitions of structs and classes among the items, at any depth: name -> [Record]."""
    for at, item in enumerate(items):
        if item.text in ("struct", "class") and item.kind == "word":
            head = []
            for part in items[at + 1:]:
                if part.kind == "group" and part.text == "{":
                    words = [word.text for word in head if word.kind == "word"]
                    if words:
                        record = record_of(item.text, words[0], words[1:], part.items)
                        found.setdefault(words[0], []).append(record)
                    break
                if part.text in (";", "=", ">", ",") or (part.kind == "group" and part.text == "("):
                    break
                head.append(part)
        if item.kind == "group":
            records_of(item.items, found)
        elif item.kind == "lambda":
            records_of(item.body.items, found)
    return found


def record_of(keyword, name, bases, body):
    texts = [item.text for item in body]
    constructed = any(item.text == name and following.text == "(" and before != "~"
                      for before, item, following in zip([""] + texts, body, body[1:]))
    hidden = "private" in texts or "protected" in texts or (keyword == "class" and
                                                           "public" not in texts)
    destructor = "~" in texts and "default" not in texts[texts.index("~"):texts.index("~") + 6]
    parts = set(bases)
    statement = []
    for item in body:
        if item.text == ";" or (item.kind == "group" and item.text == "{" and
                                any(part.text == "(" for part in statement)):
            parts |= member_parts(statement)
            statement = []
        elif item.text == ":" and statement and statement[-1].text in ("public", "private",
                                                                       "protected"):
            statement = []
        else:
            statement.append(item)
    aggregate = not constructed and not hidden and "virtual" not in texts
    return Record(aggregate, parts, destructor)


def member_parts(statement):
    """The words of a data member's type; nothing for functions, types and what owns nothing."""
    words = {part.text for part in statement}
    end = next((i for i, part in enumerate(statement) if part.text in ("=", "{")), len(statement))
    if not statement or words & NO_MEMBER or any(part.text == "(" for part in statement[:end]) or \
            {part.text for part in statement[:end]} & VIEWS:
        return set()
    return {part.text for part in statement[:end - 1] if part.kind == "word"}


def owning_aggregates(records):
    """Names of which every definition is an aggregate that owns something."""
    owning = set()
    while True:
        more = {name for name, all_of_it in records.items()
                if all(one.owns or one.parts & (OWNERS | owning) for one in all_of_it)}
        if more == owning:
            break
        owning = more
    return {name for name in owning if all(one.aggregate for one in records[name])}


def types_in(text):
    found = {}
    for last_branch in (False, True):
        records_of(grouped(tokens_of(without_directives(text, last_branch))).items, found)
    return found


# Reporting.


def lint(text, records=None):
    """[(line, check)] of one file's text, escapes applied. `records`: of the types in other files."""
    file = File(text, owning_aggregates({**(records or {}), **types_in(text)}))
    for last_branch in (False, True):
        file.block(grouped(tokens_of(without_directives(text, last_branch))).items)
    for match in re.finditer(r"^[ \t]*#[ \t]*define\b(?:\\\n|[^\n])*", text, re.MULTILINE):
        if re.search(r"\(\s*(?:\\\n\s*)*\{", match[0]) and "co_await" in match[0]:
            file.report(text.count("\n", 0, match.start()) + 1, "statement-expression")
    lines = text.split("\n")
    found = set()
    for line, check in file.found:
        nearby = lines[max(0, line - 2):line]
        if not any(re.search(r"//\s*await-lint: ok\s+\S", near) for near in nearby):
            found.add((line, check))
    for number, line in enumerate(lines, 1):
        if re.search(r"//\s*await-lint: ok\s*$", line):
            found.add((number, "escape"))
    return sorted(found)


def source_files(paths):
    for path in paths:
        if path.is_file():
            yield path
            continue
        for file in sorted(path.rglob("*")):
            if file.suffix in SUFFIXES and file.is_file() and \
                    not SKIPPED_FOLDERS & set(file.relative_to(path).parts[:-1]):
                yield file


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the checks")
    parser.add_argument("--strict", action="store_true", help="fail on advice too")
    parser.add_argument("paths", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    if options.list:
        for check, text in CHECKS.items():
            print(f"{check}: {text}")
        return 0
    if not options.paths:
        parser.error("name a file or folder")
    failed = False
    texts = {path: path.read_text(errors="replace") for path in source_files(options.paths)}
    records = {}
    for path, text in texts.items():
        if path.suffix in HEADERS:
            for name, found in types_in(text).items():
                records.setdefault(name, []).extend(found)
    for path, text in texts.items():
        if "co_await" not in text and "await-lint" not in text:
            continue
        for line, check in lint(text, records):
            failed = failed or check not in ADVICE or options.strict
            print(f"{path}:{line}: {CHECKS[check]} [{check}]")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
