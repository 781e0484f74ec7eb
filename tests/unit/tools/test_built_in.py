import pytest

from worker.engine.tools import ToolNotFound, ToolReference
from worker.tools.built_in import PROVIDERS, BuiltInTools, load


def find(provider_type, *providers, name="current_time"):
    return BuiltInTools().find(ToolReference(provider_type, providers, name))


@pytest.mark.parametrize(("module", "name"), sorted({(module, name) for module, names in PROVIDERS.values() for name in names}))
def test_every_tool_of_the_table_exists_under_its_name(module, name):
    tool = load(module, name)

    assert tool.name == name
    assert tool.description
    assert len({parameter.name for parameter in tool.parameters}) == len(tool.parameters)


@pytest.mark.parametrize(
    ("provider_type", "providers"),
    [
        ("builtin", ("time",)),
        ("builtin", ("langgenius/time/time",)),
        ("plugin", ("somebody/time/time",)),
        ("builtin", ("0ad29728-5209-4afe-bc96-daff03091c42", "time")),
    ],
)
def test_a_provider_is_known_by_the_last_part_of_its_names(provider_type, providers):
    assert find(provider_type, *providers).name == "current_time"


@pytest.mark.parametrize(
    ("reference", "message", "advice"),
    [
        (("builtin", "acme/tavily/tavily"), "tool provider acme/tavily/tavily not found", "penstock tools add-api acme/tavily/tavily FILE"),
        (("builtin", "time", "time_travel"), "tool time/time_travel not found", "put an http-request or code node in its place"),
        (("api", "time"), "tool provider time not found", "Register its OpenAPI description"),
        (("workflow", "search"), "tool provider search not found", "penstock tools add-workflow search APP"),
        (("mcp", "weather"), "tool provider weather not found", "penstock tools add-mcp weather URL"),
    ],
)
def test_a_missing_tool_comes_with_what_to_do(reference, message, advice):
    kind, provider, *name = reference
    with pytest.raises(ToolNotFound) as caught:
        find(kind, provider, name=name[0] if name else "current_time")

    assert caught.value.message == message
    assert advice in caught.value.advice
