"""The dialects that ship with the package, one entry for each family of models.

Tags, labels and the order of parts are those that each family was trained with, as its publisher's
evaluation code and model card tell them. The sentences are this package's own: publishers' sentences are
theirs, and a file can put them in (``--vlm-dialect=FILE.toml``).
"""

from __future__ import annotations

from pytest_vlmrobust.core.letters import AnswerForm
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.models.dialects.wording import Dialect, PrefillPlace, UserTurn

PLAIN = Dialect(
    name="plain",
    summary="any model that follows instructions",
    instruction=(
        "Look at the image and reason step by step inside <think> and </think>. "
        "Then give the letter of the right option, and nothing else, inside <answer> and </answer>."
    ),
)
BARE = Dialect(name="bare", summary="models that reason unasked: question and options alone")
DIRECT = Dialect(
    name="direct",
    summary="any model, asked for the letter without a thought",
    instruction="Give the letter of the right option, and nothing else.",
)
QWEN2_5_VL = Dialect(
    name="qwen2.5-vl",
    summary="Qwen2.5-VL with a think prompt; the template's own system turn stays",
    instruction=(
        "First think about the question and what the image shows, between <think> and </think>. "
        "Then write the letter of the one right option between <answer> and </answer>."
    ),
    max_new_tokens=1024,
)
_LABELED = UserTurn(question="Question: {question}", options="Options:")
SPACER = Dialect(
    name="spacer",
    summary="SpaceR",
    user=_LABELED,
    instruction=(
        "Think it over the way a person would, talking to yourself, and question your own steps before you "
        "settle. Put all of this between <think> and </think>. Then put the answer, a single option letter, "
        "between <answer> and </answer>."
    ),
    max_new_tokens=1024,
)
VIDEO_R1 = Dialect(
    name="video-r1",
    summary="Video-R1",
    user=UserTurn(options="Options:"),
    instruction=(
        "Think it over the way a person would, in a dialogue with yourself, and check your reasoning as you "
        "go. Put the reasoning between <think> and </think>, and then the answer between <answer> and "
        "</answer>. The answer is one letter: that of the right option."
    ),
    max_new_tokens=1024,
)
VISION_R1 = Dialect(
    name="vision-r1",
    summary="Vision-R1, which thinks unasked",
    user=UserTurn(options="Choices:", option="{letter}: {text}"),
    reply=ReplyFormat(answer_lead="Final Answer:"),
    max_new_tokens=4096,
)
VLAA_THINKER = Dialect(
    name="vlaa-thinker",
    summary="VLAA-Thinker, which needs its system turn",
    system=(
        "You are VL-Thinking. Whatever you are asked, you reason first and answer after that. Write the "
        "reasoning between <think> and </think> and the answer between <answer> and </answer>, like this: "
        "<think> your reasoning </think><answer> your answer </answer>"
    ),
    yields_to_template=True,
    instruction="Answer with the letter of the right option.",
    max_new_tokens=1024,
)
VIGORL = Dialect(
    name="vigorl",
    summary="ViGoRL-Spatial, which points at what it reasons about and answers in the option's words",
    system=(
        "You solve questions about images. Reason in steps, weigh more than one possible solution, and tie "
        "each step to the image: name the point (x, y), in pixels, of every object or place that you speak "
        "of. All reasoning stands between <think> and </think>. Then write the exact text of the option that "
        "is right, without its letter and with nothing else, between <answer> and </answer>. Where none is "
        "clearly right, choose the one that fits best."
    ),
    yields_to_template=True,
    reply=ReplyFormat(answer=AnswerForm.TEXT),
    max_new_tokens=2048,
)
INTERNVL3 = Dialect(
    name="internvl3",
    summary="InternVL3 with a system turn for reasoning; the answer stands behind the thought, without tags",
    system=(
        "You answer questions in two parts. First comes a thorough analysis, step by step and from several "
        "sides, between <think> and </think>. Then, on a new line, comes the answer: short, plain, and "
        "complete without the analysis."
    ),
    yields_to_template=True,
    instruction="Give the letter of the right option as the answer.",
    max_new_tokens=2048,
)
INTERNVL3_MPO = Dialect(
    name="internvl3-mpo",
    summary="InternVL3 asked for a boxed letter, as its MPO models are",
    instruction=(
        "Reason step by step. Make the last line of your reply 'Answer: \\boxed{LETTER}', with the letter "
        "of the right option in place of LETTER."
    ),
    reply=ReplyFormat(think_open="", think_close="", answer=AnswerForm.BOXED, answer_lead="Answer:"),
    max_new_tokens=2048,
)
QWEN3_VL = Dialect(
    name="qwen3-vl",
    summary="Qwen3-VL Instruct with a think prompt",
    instruction=(
        "Think about it step by step between <think> and </think>. After that, answer with the letter of "
        "the right option only."
    ),
    max_new_tokens=1024,
)
QWEN3_VL_THINKING = Dialect(
    name="qwen3-vl-thinking",
    summary="Qwen3-VL Thinking, which thinks unasked, in a thought that its template may open",
    instruction="Answer with the letter of the right option only.",
    reply=ReplyFormat(think_preopened=True),
    before_thought="<think>\n",
    after_thought="\n</think>\n\n",
    prefill=PrefillPlace.GENERATION_PROMPT,
    max_new_tokens=4096,
)
SMOLVLM2 = Dialect(
    name="smolvlm2",
    summary="SmolVLM2, asked in short sentences",
    instruction=(
        "Think inside <think> and </think>. Then write only the letter of the right option inside <answer> "
        "and </answer>."
    ),
    max_new_tokens=512,
)
GEMMA3 = Dialect(
    name="gemma3",
    summary="Gemma 3, whose template has no system turn",
    instruction=(
        "Work it out step by step inside <think> and </think>. Then give the answer inside <answer> and "
        "</answer>: only the letter of the right option."
    ),
    max_new_tokens=1024,
)

FAMILIES = (
    PLAIN,
    BARE,
    DIRECT,
    QWEN2_5_VL,
    SPACER,
    VIDEO_R1,
    VISION_R1,
    VLAA_THINKER,
    VIGORL,
    INTERNVL3,
    INTERNVL3_MPO,
    QWEN3_VL,
    QWEN3_VL_THINKING,
    SMOLVLM2,
    GEMMA3,
)
"""Every dialect that ships with the package."""
