import functools
import inspect
import textwrap

import pytest

from gencourse import show
from gencourse.losses import squared_error
from gencourse.methods import Autoencoder, autoencoder
from gencourse.networks import Plan
from gencourse.training import seeded


def test_a_function_is_shown_with_its_file() -> None:
    source = show(squared_error)
    assert source.code == inspect.getsource(squared_error)
    line = inspect.getsourcelines(squared_error)[1]
    assert source.where == f"gencourse/losses/reconstruction.py, line {line}"
    assert repr(source) == f"# {source.where}\n{source.code}"
    assert source._repr_markdown_() == f"```python\n# {source.where}\n{source.code}```"


def test_a_method_loses_its_indentation() -> None:
    source = show(Autoencoder.step)
    assert source.code == textwrap.dedent(inspect.getsource(Autoencoder.step))
    assert source.code.startswith("def step(")


def test_what_is_shown_is_python() -> None:
    for thing in (squared_error, Autoencoder, Autoencoder.step, autoencoder, seeded):
        compile(show(thing).code, "shown", "exec")


def test_a_class_and_a_module_are_shown_whole() -> None:
    assert show(Autoencoder).code == inspect.getsource(Autoencoder)
    module = show(autoencoder)
    assert module.code.rstrip() == inspect.getsource(autoencoder).rstrip()
    assert module.where == "gencourse/methods/autoencoder.py, line 1"


def test_a_decorated_function_shows_itself_not_its_wrapper() -> None:
    @functools.wraps(squared_error)
    def wrapper(*args: object) -> None: ...

    assert repr(show(wrapper)) == repr(show(squared_error))
    assert "def seeded" in show(seeded).code


def test_what_lies_outside_the_package_has_no_path() -> None:
    source = show(test_a_method_loses_its_indentation)
    assert source.where.startswith("test_source.py, line ")


@pytest.mark.parametrize("thing", [3, "text", len, Autoencoder(Plan("dense", (1,)), 1)])
def test_what_has_no_source_is_refused(thing: object) -> None:
    with pytest.raises(TypeError, match=r"no Python source: give a function, class or module"):
        show(thing)
