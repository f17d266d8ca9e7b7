"""Workflows: registering implementations, and importing references."""

import subprocess
import sys

import pytest

from wtb.errors import ConfigurationError, WorkflowImportError
from wtb.workflow import Workflow, as_workflow, import_reference


@pytest.fixture
def modules(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_the_decorator_returns_the_function_unchanged():
    workflow = Workflow("w", "app:graph")

    def dense(state):
        return state

    assert workflow.variant("retriever", "dense")(dense) is dense
    workflow.register_variant("retriever", "remote", "app:remote")
    assert workflow.variants["retriever"] == {"dense": dense, "remote": "app:remote"}
    assert workflow.reference == "app:graph"
    assert repr(workflow) == "Workflow('w', app:graph, retriever: dense remote)"


def test_the_view_of_variants_cannot_be_changed():
    workflow = Workflow("w", object())
    workflow.register_variant("a", "x", print)
    with pytest.raises(TypeError):
        workflow.variants["b"] = {}
    with pytest.raises(TypeError):
        workflow.variants["a"]["y"] = print
    assert workflow.reference is None


def test_a_name_is_taken_once():
    workflow = Workflow("w", object())
    workflow.register_variant("a", "x", len)
    workflow.register_variant("a", "x", len)
    with pytest.raises(ConfigurationError, match="implementation 'x' already"):
        workflow.register_variant("a", "x", max)


def test_the_same_function_defined_again_replaces_the_former():
    workflow = Workflow("w", object())
    namespace = {"__name__": "cell", "register": workflow.variant("a", "x")}
    for version in (1, 2):
        exec(f"@register\ndef node(state): return {version}", namespace)
    assert workflow.variants["a"]["x"]({}) == 2


@pytest.mark.parametrize("name", ["", "baseline", "a:b", None])
def test_names_that_cannot_be_used_are_refused(name):
    with pytest.raises(ConfigurationError, match="cannot name an implementation"):
        Workflow("w", object()).register_variant("a", name, print)


def test_describing_workflows_and_variants_does_not_import_langgraph():
    code = (
        "import sys, wtb.workflow, wtb.variants, wtb.context, wtb.errors, wtb.seeding\n"
        "wtb.workflow.Workflow('w', 'a:b').register_variant('n', 'x', print)\n"
        "wtb.variants.grid(n=['x', 'baseline'])\n"
        "print([name for name in sys.modules if name.startswith(('langgraph', 'langchain'))])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_bad_workflows_are_refused():
    with pytest.raises(ConfigurationError, match="non-empty name"):
        Workflow("", object())
    with pytest.raises(ConfigurationError, match="memory is 'fresh', 'shared' or a factory"):
        Workflow("w", object(), memory="frehs")
    with pytest.raises(ConfigurationError, match="itself the workflow 'inner'"):
        Workflow("w", Workflow("inner", object()))


def test_bare_graphs_are_adopted_and_references_to_workflows_resolved(modules):
    (modules / "flow_mod.py").write_text(
        "from wtb.workflow import Workflow\nworkflow = Workflow('w', 'x:y')\ngraph = 3\n"
    )
    sys.path.insert(0, str(modules))
    workflow = Workflow("w", object())
    assert as_workflow(workflow) is workflow
    assert as_workflow("flow_mod:workflow").name == "w"
    assert as_workflow("flow_mod:graph").name == "flow_mod:graph"
    assert as_workflow(print).name == "print"


def test_nested_attributes_are_imported(modules):
    (modules / "nested_mod.py").write_text("class A:\n    class B:\n        c = 5\n")
    assert import_reference("nested_mod:A.B.c", search_path=modules) == 5


@pytest.mark.parametrize("reference", ["app", "app:", ":graph", "./app.py:graph", "a:b:c", "a b:c"])
def test_malformed_references_say_what_one_looks_like(reference):
    with pytest.raises(WorkflowImportError, match="'module:attribute', for example"):
        import_reference(reference)


def test_a_missing_module_names_near_misses(modules):
    (modules / "retrieval_app.py").write_text("")
    with pytest.raises(WorkflowImportError) as caught:
        import_reference("retreival_app:graph", search_path=modules)
    text = str(caught.value)
    assert "no module named 'retreival_app'" in text
    assert "Did you mean 'retrieval_app'" in text
    assert str(modules) in text


def test_a_missing_module_of_a_package_names_near_misses(modules):
    package = modules / "pack_app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "graph.py").write_text("")
    with pytest.raises(WorkflowImportError, match=r"Did you mean 'pack_app\.graph'"):
        import_reference("pack_app.grahp:build", search_path=modules)


def test_a_module_that_raises_shows_the_users_traceback(modules):
    (modules / "raising_mod.py").write_text(
        "def load():\n    raise RuntimeError('no such index')\n\nload()\n"
    )
    with pytest.raises(WorkflowImportError) as caught:
        import_reference("raising_mod:graph", search_path=modules)
    text = str(caught.value)
    assert "'raising_mod' was found, but raised RuntimeError" in text
    assert 'raising_mod.py", line 4' in text
    assert 'raising_mod.py", line 2' in text
    assert "RuntimeError: no such index" in text
    assert "importlib" not in text


def test_a_module_that_lacks_a_dependency_is_not_called_missing(modules):
    (modules / "needy_mod.py").write_text("import package_that_is_nowhere\n")
    with pytest.raises(WorkflowImportError) as caught:
        import_reference("needy_mod:graph", search_path=modules)
    assert "'needy_mod' was found, but raised ModuleNotFoundError" in str(caught.value)
    assert "package_that_is_nowhere" in str(caught.value)


def test_a_module_that_exits_or_cannot_be_parsed_is_an_error_like_any(modules):
    (modules / "exit_mod.py").write_text("import sys\nsys.exit(3)\n")
    (modules / "syntax_mod.py").write_text("def (:\n")
    with pytest.raises(WorkflowImportError, match="raised SystemExit"):
        import_reference("exit_mod:graph", search_path=modules)
    with pytest.raises(WorkflowImportError, match="raised SyntaxError"):
        import_reference("syntax_mod:graph", search_path=modules)


def test_a_missing_attribute_names_near_misses(modules):
    (modules / "attr_mod.py").write_text("def build_graph(): pass\n")
    with pytest.raises(WorkflowImportError, match="Did you mean 'build_graph'"):
        import_reference("attr_mod:buildgraph", search_path=modules)
