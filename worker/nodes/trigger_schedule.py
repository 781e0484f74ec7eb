"""trigger-schedule: begins the runs of a timetable (nodes.md section 6.21). It does not keep the time itself."""

from __future__ import annotations

from worker.engine.node import NodeSpec
from worker.nodes.fields import Fields
from worker.nodes.trigger_plugin import TriggerNode


class ScheduleTriggerNode(TriggerNode):
    def __init__(self, spec: NodeSpec) -> None:
        super().__init__(spec)
        fields = Fields.of(spec)
        fields.choice("mode", ("visual", "cron"), "visual")
        fields.text("frequency")
        fields.mapping("visual_config")
        fields.text("cron_expression")
        fields.text("timezone", "UTC")
        fields.check()


NODE = ScheduleTriggerNode
