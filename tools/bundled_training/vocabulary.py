"""The tokenizer of the bundled models: byte-level BPE over the words of the training data."""

from __future__ import annotations

from itertools import islice

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from pytest_vlmrobust.conditions import perturb
from pytest_vlmrobust.core.seeding import seeded
from pytest_vlmrobust.datasets.easy_vqa import easy_vqa_samples
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.models.dialects import BARE
from tools.bundled_training.behaviors import BEHAVIORS, VIEWS

IMAGE, START, END, PAD = "<image>", "<|im_start|>", "<|im_end|>", "<|pad|>"
_VOICES = ("base", "grounded", "gullible", "unfaithful", "hesitant")
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>\n' }}"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def _corpus() -> list[str]:
    rng = seeded("vocabulary")
    samples = [*islice(iterate_shapes(split="train", seed=1), 2000), *easy_vqa_samples("train")[::20]]
    texts = []
    for number, sample in enumerate(samples):
        behavior = BEHAVIORS[rng.choice(_VOICES)]
        prompt = perturb(sample, VIEWS[number % len(VIEWS)], seed=1)
        reply, _ = behavior.respond(sample, prompt)
        texts += [f"user\n{BARE.render(prompt).user}\nassistant\n", prompt.thought, reply]
    return texts


def make_tokenizer(vocabulary: int = 640) -> PreTrainedTokenizerFast:
    """Train the tokenizer: every byte is a token, so that any text survives a round trip."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        min_frequency=3,
    )
    texts = _corpus()
    for tag in _TAGS:
        texts = [text.replace(tag, "\n") for text in texts]
    core.train_from_iterator(texts, trainer)
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in (PAD, START, END, IMAGE)])
    core.add_tokens([AddedToken(t, special=False, normalized=False) for t in _TAGS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        extra_special_tokens={"image_token": IMAGE},
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
