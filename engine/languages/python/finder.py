"""Looks through a text for what the rules of `forbidden` and `lies` speak of: names, and here calls and constants."""

from __future__ import annotations

import ast
import re
from typing import Any

from engine.languages.python import forbidden
from engine.languages.python.folding import texts
from engine.languages.python.lies import HIDDEN
from engine.languages.python.naming import COMPARED, Finding, NameFinder
from engine.languages.python.scopes import SENSITIVE, Definition
from engine.languages.python.syntax import tree_of

_DEEPEST = 3  # of texts within texts that are run
_FIELD = re.compile(r"\{(\w*[.\[][^{}:!]*)")  # of a format: `{0.name[1].other}`


class Finder(NameFinder):
    """Notes every finding, in the order of the text.

    Args:
        speaking: names of functions that are about tests, and may name their files.
        may_exit: the text is a program's, which may end itself.
        spoken: texts of the user's; places that these name are none to be hidden.
        searches: see `NameFinder`.
        depth: how deep this text lies in others that are run as code.
    """

    def __init__(
        self, tree: ast.AST, speaking: frozenset[str], may_exit: bool, spoken: str, searches: bool, depth: int = 0
    ) -> None:
        super().__init__(tree, may_exit, searches)
        self._speaking, self._spoken, self._depth = speaking, spoken, depth

    def _inner(self, tree: ast.AST, may_exit: bool) -> Finder:
        """The same for a text within this one."""
        inner = Finder(tree, self._speaking, may_exit, self._spoken, True, self._depth + 1)
        inner.visit(tree)
        return inner

    def visit_Call(self, node: ast.Call) -> None:
        self._check_handed(self.dotted(node), node)
        name = self.dotted(node.func) or (
            node.func.id if isinstance(node.func, ast.Name) and node.func.id not in self.defined else ""
        )
        bare = name.removeprefix("builtins.")
        first = node.args[0] if node.args else None
        if bare in {"exec", "eval", "compile"} and first is not None:
            self._check_run(bare, first, node)
        elif bare in {"__import__", "importlib.import_module", "importlib.__import__"} and first is not None:
            self._check_imported(first, node)
        elif bare in {"getattr", "setattr", "delattr", "hasattr"} and len(node.args) > 1:
            self._check_access(bare, node.args[0], node.args[1], node)
        elif bare in {"operator.attrgetter", "operator.methodcaller"} and first is not None:
            for each in node.args if bare == "operator.attrgetter" else node.args[:1]:
                self._check_access("getattr", None, each, node)
                if isinstance(text := self.folded(each), str) and SENSITIVE & set(text.split(".")[:-1] or [text]):
                    self._report(f"{bare} {text}", f"reaches modules through another ({text})", node)
        elif bare in {"pickle.loads", "_pickle.loads"} and isinstance(self.folded(node.args[0]), bytes):
            self._report(bare, "loads a pickle that it brings along", node)
        elif bare in forbidden.EXIT_CALLS:
            self._report(bare, f"ends the test process ({bare})", node, refused=not self._may_exit)
        elif bare in forbidden.DESCRIPTORS | {"open", "io.open", "io.FileIO"} and first is not None:
            self._check_descriptor(bare, first, node)
        elif bare in forbidden.RUNNERS and first is not None and (self.decodes() or self.folded(first) is not None):
            self._check_run(bare, first, node)
        elif bare.startswith("types.") and bare.rpartition(".")[2] in {"FunctionType", "CodeType", "LambdaType"}:
            self._report(bare, f"takes functions apart ({bare})", node)
        elif bare in {"globals", "locals", "vars", "breakpoint", "input", "dir"}:
            self._report(bare, f"looks at names as data ({bare})", node, refused=False)
            self._check_names_as_data(bare, first, node)
        for keyword in node.keywords:
            if keyword.arg in COMPARED:
                self._report(keyword.arg, f"makes a class that compares in a way of its own ({keyword.arg})", node)
            elif keyword.arg == "stack_info" and self.folded(keyword.value):
                self._report("stack_info", f"{forbidden.FRAMES} (stack_info)", node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in {"update", "setdefault", "pop", "clear"}:
            inner = node.func.value
            if isinstance(inner, ast.Attribute) and inner.attr == "__dict__":
                self._check_changed(self.dotted(inner.value), "__dict__", node)
        if not self._check_source(node):
            self._visit_expression(node)

    def _check_source(self, node: ast.Call) -> bool:
        """`inspect.getsource` of what the function was given is what it is asked to look at."""
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        asked = called.startswith("getsource") and len(node.args) == 1 and self.is_parameter(node.args[0])
        if asked:
            self._report("getsource", "reads source code (inspect)", node, refused=False)
        return asked

    def _check_run(self, how: str, code: ast.expr, node: ast.Call) -> None:
        text = self.folded(code)
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        if isinstance(text, str):
            self._report(how, f"runs a text ({how})", node, refused=self._depth >= _DEEPEST)
            try:
                tree = tree_of(text.strip())
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return
            for each in self._inner(tree, self._may_exit).found:
                self.found.append(Finding(each.key, f"runs a text that {each.message}", node.lineno, each.refused))
            return
        words = (each.value for each in ast.walk(self.around()) if isinstance(each, ast.Constant))
        hidden = any(isinstance(each, str) and "_" in each and " " not in each for each in words)
        harmless = how == "eval" and not self.decodes() and not hidden
        self._report(how, f"runs a text that is not known beforehand ({how})", node, refused=not harmless)

    def _check_imported(self, module: ast.expr, node: ast.Call) -> None:
        name = self.folded(module)
        if isinstance(name, str):
            self._check_import(name, node)
        else:
            given = self.is_parameter(module)
            self._report("import", "imports a module by a computed name", node, refused=not given)

    def _check_access(self, how: str, holder: ast.expr | None, name: ast.expr, node: ast.Call) -> None:
        owner = self.dotted(holder) if holder is not None else ""
        known = self.folded(name)
        if isinstance(known, str):
            if how in {"setattr", "delattr"}:
                self._check_changed(owner, known, node)
                if isinstance(holder, ast.Call) and self._is_class_of_another(holder):
                    self._report("type()", f"changes a class that is not its own ({ast.unparse(node)[:40]})", node)
                if known in {"__class__", "__code__"}:
                    self._report(known, f"changes {known} of an object", node)
            self._check_name(f"{owner}.{known}" if owner else known, known.rpartition(".")[2], node)
            return
        hidden = self.decodes() and not self.is_given(name)
        certain = owner.partition(".")[0] in SENSITIVE or hidden or self._picks_names()
        self._report(f"{how} {owner}", f"uses computed names ({how})", node, refused=certain)
        if how in {"setattr", "delattr"}:
            self._check_changed(owner, "...", node)

    def _picks_names(self) -> bool:
        """Whether a name is found among those of an object by a piece of it that only some names have."""
        nodes = list(ast.walk(self.around()))
        used = {each.id for each in nodes if isinstance(each, ast.Name)}
        used |= {each.attr for each in nodes if isinstance(each, ast.Attribute)}
        if not used & {"dir", "vars", "__dict__", "__dir__", "getmembers"}:
            return False
        words = (each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str))
        return any(forbidden.PIECES.search(word) for word in words)

    def _check_descriptor(self, how: str, first: ast.expr, node: ast.Call) -> None:
        number = self.folded(first)
        is_number = isinstance(number, int) and not isinstance(number, bool)
        if how in forbidden.DESCRIPTORS and not is_number:
            calls = (each.func for each in ast.walk(self.around()) if isinstance(each, ast.Call))
            opened = {ast.unparse(each).rpartition(".")[2] for each in calls}
            is_number = isinstance(first, ast.Name) and not self.is_parameter(first) and not opened & forbidden.OPENERS
        if is_number:
            self._report(how, f"uses a descriptor by its number ({how})", node)
        mode = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "mode"), None)
        if how in {"open", "io.open"} and mode is not None and set("wax+") & set(str(self.folded(mode))):
            self._report(how, "writes files (open)", node, refused=False)

    def _check_names_as_data(self, how: str, first: ast.expr | None, node: ast.Call) -> None:
        parent = self.parents.get(node)
        owner = self.dotted(first) if first is not None else ""
        if owner.partition(".")[0] in SENSITIVE:
            self._report(f"{how} {owner}", f"searches {owner} for names", node)
        elif isinstance(parent, ast.Subscript) and self.folded(parent.slice) is None and self.decodes():
            self._report(f"{how}[]", f"uses computed names ({how})", node)

    # Constants, and expressions that come to one.

    def _visit_expression(self, node: ast.expr) -> None:
        known = self.folded(node)
        if known is None:
            self.generic_visit(node)
        else:
            self._check_spelled(node, known)

    visit_BinOp = visit_JoinedStr = _visit_expression

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        self._visit_target(node.target)
        if isinstance(node.target, ast.Name):
            left = ast.Name(node.target.id, ast.Load())
            whole = ast.copy_location(ast.BinOp(left, node.op, node.value), node)
            self._check_spelled(whole, self.keep(node.target.id, whole))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._check_handed(self.dotted(node), node)
        self._visit_expression(node)

    def _check_spelled(self, node: ast.expr, known: Any) -> None:
        for text in texts(known):
            if text in forbidden.SPELLED or text in HIDDEN or any(name in text for name in forbidden.LONG_NAMES):
                self._report(f"spelled {text}", f"spells {text[:40]!r} in pieces", node)
            else:
                self._check_text(text, node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(self.parents.get(node), ast.Expr):
            return  # a docstring
        for text in texts(node.value):
            inner = {part for each in _FIELD.findall(text) for part in re.split(r"[.\[\]]", each)}
            if (
                self._is_forbidden(text.rpartition(".")[2])
                or text in HIDDEN
                or text in {"__builtins__", "__import__"}
                or text in forbidden.MOCKED
                or any(map(self._is_forbidden, inner))
            ):
                self._report(f"named {text}", f"names {text!r} in a string", node)
            else:
                self._check_text(text, node)
                self._check_program(text, node)

    def _check_program(self, text: str, node: ast.AST) -> None:
        """A text that is a program may be run: by another interpreter, or as an annotation that is evaluated."""
        if self._depth >= _DEEPEST or not ("import " in text or "(" in text):
            return
        try:
            tree = tree_of(text.strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        self.found += [
            Finding(each.key, f"has a text that {each.message}", getattr(node, "lineno", 1), refused=True)
            for each in self._inner(tree, True).found  # another interpreter may be ended
            if each.refused
        ]

    def _check_text(self, text: str, node: ast.AST) -> None:
        about_tests = any(isinstance(f, Definition) and f.name in self._speaking for f in self.functions)
        if text in forbidden.FOLDERS and self.is_only_compared(node):
            return
        for pattern, why in forbidden.PLACES:
            if pattern.search(text):
                spoken = why in forbidden.SPOKEN and self._is_spoken(text)
                self._report(f"place {text}", f"{why} ({text[:40]!r})", node, refused=not (about_tests or spoken))
                return

    def _is_spoken(self, text: str) -> bool:
        """Whether the user's texts have it in quotes, or as a part of a path in quotes."""
        return re.search(rf"""(?<=['"`/\\]){re.escape(text)}(?=['"`/\\])""", self._spoken) is not None
