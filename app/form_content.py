"""The content of a form as HTML: Markdown with controls in the places that it names (nodes.md section 6.20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup

from worker.engine.human_form import PLACE

#: Name of the rule and of its tokens.
CONTROL = "control"


def content_html(content: str, controls: Mapping[str, Markup]) -> Markup:
    """The content, with each control in the first place that names it, and those that none names behind it.

    Content may hold what anybody told the workflow. So HTML in it is text, no link is a script, and nothing is loaded from elsewhere:
    images are links.
    """
    left = dict(controls)
    # A place within a link or in code names no control: the rule sees running text only.
    shown = Markup(markdown().render(content, {CONTROL: left}))
    return Markup("").join([shown, *(Markup("<p>{}</p>").format(control) for control in left.values())])


@cache
def markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    parser.inline.ruler.before("text", CONTROL, read_place)
    parser.add_render_rule(CONTROL, show_control)
    return parser


def read_place(state: StateInline, silent: bool) -> bool:
    """A rule of the parser: whether a place begins here; unless ``silent``, takes it."""
    place = PLACE.match(state.src, state.pos)
    if place is None:
        return False
    if not silent:
        state.push(CONTROL, "", 0).content = place[1]
    state.pos = place.end()
    return True


def show_control(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """A rule of the renderer. Each control is shown once; a name that the form does not have is nothing."""
    return str(env[CONTROL].pop(tokens[index].content, ""))
