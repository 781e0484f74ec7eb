"""An answer that breaks off has been paid for as far as it came: whichever node asked, its failure tells what that was."""

from decimal import Decimal

import pytest

from tests.unit.nodes.model_world import context_of, pool_of
from worker.engine.errors import Partial
from worker.engine.models import ModelError
from worker.engine.node import NodeSpec
from worker.engine.spending import Spending
from worker.llm.memory import ScriptedModels
from worker.nodes.registry import Registry

MODEL = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
QUERY = ["start", "q"]
NODES = {
    "llm": {"model": MODEL, "prompt_template": [{"role": "user", "text": "{{#start.q#}}"}]},
    "question-classifier": {"model": MODEL, "query_variable_selector": QUERY, "classes": [{"id": "1", "name": "a"}]},
    "parameter-extractor": {"model": MODEL, "query": QUERY, "parameters": [{"name": "n", "type": "string", "description": ""}]},
    "agent": {
        "agent_strategy_name": "function_calling",
        "agent_parameters": {"model": {"type": "constant", "value": MODEL}, "query": {"type": "constant", "value": "x"}},
    },
}
SPENT = Spending(9, Decimal("0.00025"), "USD")


@pytest.mark.parametrize("kind", NODES)
def test_what_came_of_an_answer_counts(kind):
    broken = ModelError("The answer ended before it was complete.")
    broken.partial = Partial.costing(SPENT)
    node = Registry().create(NodeSpec("n", kind, "N", "1", NODES[kind], path="workflow.graph.nodes[1]"))

    with pytest.raises(ModelError) as caught:
        node.run(pool_of(start={"q": "boats"}, sys={"files": []}), context_of(ScriptedModels([broken])))
    assert caught.value.partial.spending == SPENT
    assert caught.value.partial.metadata["total_price"] == "0.00025"
