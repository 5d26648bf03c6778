"""Chat templates of the kinds that model families ship: the same roles, tags and habits, in our own code."""

from __future__ import annotations

_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


def _parts(image: str, text: str = "part['text']") -> str:
    return (
        "{%- for part in message['content'] -%}"
        "{%- if part['type'] == 'image' -%}{{ '" + image + "' }}{%- else -%}{{ " + text + " }}{%- endif -%}"
        "{%- endfor -%}"
    )


def _chatml(image: str, *, system: str = "", ends_in: str = "") -> str:
    default = (
        "{%- if messages[0]['role'] != 'system' -%}{{ '<|im_start|>system\\n" + system + "<|im_end|>\\n' }}"
        "{%- endif -%}"
    )
    return (
        (default if system else "")
        + "{%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\\n' }}"
        + _parts(image)
        + "{{ '<|im_end|>\\n' }}{%- endfor -%}"
        + "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n"
        + ends_in
        + "' }}{%- endif -%}"
    )


QWEN2_5_VL = _chatml(_QWEN_IMAGE, system="You are a helpful assistant.")
"""Brings a system turn where the chat has none."""

QWEN3_VL = _chatml(_QWEN_IMAGE)
"""Brings none."""

QWEN3_VL_THINKING = (
    "{%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- set said -%}" + _parts(_QWEN_IMAGE) + "{%- endset -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- if '</think>' in said -%}"
    "{%- set thought = said.split('</think>')[0].split('<think>')[-1] -%}"
    "{%- set said = said.split('</think>')[-1].lstrip('\\n') -%}"
    "{%- else -%}{%- set thought = '' -%}{%- endif -%}"
    "{{ '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + said }}"
    "{%- else -%}{{ said }}{%- endif -%}"
    "{{ '<|im_end|>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n<think>\\n' }}{%- endif -%}"
)
"""Opens the thought itself, and puts an empty one before whatever an earlier turn says without one."""

GROUNDED = _chatml(
    _QWEN_IMAGE,
    system="Point at things as (x, y) in <think> and </think>, then answer in <answer> and </answer>.",
)
"""Brings the system turn that a model was trained with, and replaces none that the chat has."""

INTERNVL = _chatml("<IMG_CONTEXT>\\n")

GEMMA = (
    "{{ bos_token }}"
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set lead = messages[0]['content'][0]['text'] + '\\n\\n' -%}{%- set turns = messages[1:] -%}"
    "{%- else -%}{%- set lead = '' -%}{%- set turns = messages -%}{%- endif -%}"
    "{%- for message in turns -%}"
    "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('roles have to alternate') }}{%- endif -%}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' }}"
    "{{ lead if loop.first else '' }}"
    + _parts("<start_of_image>", "part['text'] | trim")
    + "{{ '<end_of_turn>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"
)
"""Has no system turn: what should stand there begins the first user's turn. Trims texts."""

NO_SYSTEM = (
    "{%- if messages[0]['role'] == 'system' -%}{{ raise_exception('no system turn') }}{%- endif -%}" + GEMMA
)
"""Refuses one."""

SMOLVLM = (
    "{{ '<|im_start|>' }}{%- for message in messages -%}"
    "{{ message['role'] | capitalize + (':' if message['content'][0]['type'] == 'image' else ': ') }}"
    + _parts("<image>")
    + "{{ '<end_of_utterance>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'Assistant:' }}{%- endif -%}"
)
"""Names the speakers in words; a space follows only where text does."""

KINDS = {
    "plain": QWEN3_VL,
    "bare": QWEN3_VL,
    "direct": QWEN3_VL,
    "qwen2.5-vl": QWEN2_5_VL,
    "spacer": QWEN2_5_VL,
    "video-r1": QWEN2_5_VL,
    "vision-r1": QWEN2_5_VL,
    "vlaa-thinker": QWEN2_5_VL,
    "vigorl": QWEN2_5_VL,
    "internvl3": INTERNVL,
    "internvl3-mpo": INTERNVL,
    "qwen3-vl": QWEN3_VL,
    "qwen3-vl-thinking": QWEN3_VL_THINKING,
    "smolvlm2": SMOLVLM,
    "gemma3": GEMMA,
}
"""The kind of template that the models of each dialect have."""
