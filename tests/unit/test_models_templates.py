"""A folder's chat template rendered here and by its processor: the same text, and no way out."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError
from transformers import AutoProcessor

from pytest_vlmrobust.models.bundled import BUNDLED_MODELS, bundled_folder
from pytest_vlmrobust.models.chat import ProcessorTemplate
from pytest_vlmrobust.models.templates import FolderTemplate, default_template
from tests.unit.random_models import BOS, write_idefics3, write_llava, write_qwen

_AutoProcessor: Any = AutoProcessor

PARTS = (
    "{% for p in m['content'] %}{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}"
    "{% endfor %}"
)
"""The content of a turn ``m``."""

TEMPLATES = {
    "default system turn": (
        "{% if messages[0]['role'] != 'system' %}[system]You help.\n{% endif %}"
        "{% for m in messages %}[{{ m['role'] }}]" + PARTS + "[end]\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    ),
    "lines and indents": (
        "{%- if tools is none and documents is none and not custom is defined %}\n    \n"
        "  {% for m in messages %}\n    {% if loop.last %}\n  last: {% endif %}\n  " + PARTS + "\n\n"
        "  {% endfor %}\n{% endif %}\n\n"
    ),
    "generation tags": (
        "{% set said = 0 %}{% for m in messages %}{% if m['role'] == 'assistant' %}"
        "{% generation %}{% set said = 1 %}{{ loop.index }}" + PARTS + "{{ said }}{% endgeneration %}"
        "{% else %}" + PARTS + "{% endif %}{% endfor %}{{ said }}"
    ),
    "break and continue": (
        "{% for m in messages %}{% if m['role'] == 'system' %}{% continue %}{% endif %}"
        + PARTS
        + "{% endfor %}"
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m['role'] }}{% endfor %}"
    ),
    "date": "{{ strftime_now('%d %b %Y') }}{% for m in messages %}" + PARTS + "{% endfor %}",
    "special tokens": (
        "{{ bos_token }}{% for m in messages %}" + PARTS + "{{ eos_token }}{{ pad_token }}{% endfor %}"
        "{{ unk_token }}{{ image_token }}{{ nobody_token }}{% if add_bos_token is defined %}!{% endif %}"
    ),
    "tojson": (
        "{{ messages | tojson }}{{ messages[0] | tojson(indent=2, sort_keys=true) }}"
        "{{ messages | tojson(ensure_ascii=true, separators=[',', ':']) }}"
    ),
    "refuses a system turn": (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
        "{% for m in messages %}" + PARTS + "{% endfor %}"
    ),
    "namespace and dict": (
        "{% set ns = namespace(images=0, self=1) %}{% set names = dict(user='U', assistant='A') %}"
        "{% set twos = dict.fromkeys(['x'], 2) %}{% for m in messages %}{% for p in m['content'] %}"
        "{% if p['type'] == 'image' %}{% set ns.images = ns.images + 1 %}<image {{ ns.images }}>{% else %}"
        "{{ names[m['role']] }}{{ p['text'] }}{% endif %}{% endfor %}{% endfor %}{{ ns.self + twos['x'] }}"
    ),
    "trims": (
        "{% for m in messages %}{% for p in m['content'] %}{{ p['text'] | trim }}{% endfor %}.{% endfor %}"
    ),
    "drops thoughts": (
        "{% for m in messages %}{% for p in m['content'] %}{% if p['text'] %}"
        "{{ p['text'].split('</think>')[-1].lstrip('\\n') }}{% endif %}{% endfor %}[end]{% endfor %}"
    ),
    "drops the assistant": "{% for m in messages if m['role'] != 'assistant' %}" + PARTS + "{% endfor %}",
    "shouts": "{% for m in messages %}{{ m['content'][-1]['text'] | upper }}{% endfor %}",
    "content unused": "{{ messages | length }}",
    "fails": "{% for m in messages %}{{ m['content'] + 1 }}{% endfor %}",
}

CHATS = list(
    itertools.product(
        ("", "Be brief. "),
        ("Which?\nA. left\nB. right", ' "1 < 2" & café 😀 <image>\n'),
        ("", "<think>Okay.</think>", "<think>It's ", "<think>\n"),
        (1, 2),
    )
)


def chat_of(system: str, user: str, prefill: str, images: int) -> list[dict[str, Any]]:
    parts: list[dict[str, str]] = [{"type": "image"} for _ in range(images)]
    turns = [{"role": "user", "content": [*parts, {"type": "text", "text": user}]}]
    if system:
        turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    if prefill:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": prefill}]})
    return turns


def rendered(template: FolderTemplate | ProcessorTemplate, chat: list[dict[str, Any]]) -> str | None:
    """The text, or None for a chat that is refused."""
    prefilled = chat[-1]["role"] == "assistant"
    try:
        return template.apply_chat_template(
            chat, add_generation_prompt=not prefilled, continue_final_message=prefilled
        )
    except Exception:
        return None


def make_llava(folder: Path) -> Any:
    return _AutoProcessor.from_pretrained(write_llava(folder, adds=f"{BOS} $A"))


def make_idefics3(folder: Path) -> Any:
    return _AutoProcessor.from_pretrained(write_idefics3(folder))


def make_qwen(folder: Path) -> Any:
    _, processor = write_qwen(folder)
    processor.save_pretrained(folder)
    return processor


@pytest.fixture(scope="module", params=[make_llava, make_idefics3, make_qwen])
def random_model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    make: Callable[[Path], Any] = request.param
    folder = tmp_path_factory.mktemp("model")
    return folder, make(folder)


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture
def folder(llava: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(llava, tmp_path / "model"))


def found(folder: Path) -> FolderTemplate:
    template = FolderTemplate.find(folder)
    assert template is not None
    return template


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_renders_as_by_the_processor(name: str, random_model: tuple[Path, Any]) -> None:
    folder, processor = random_model
    ours = FolderTemplate(source=TEMPLATES[name], variables=found(folder).variables)
    theirs = ProcessorTemplate(processor, TEMPLATES[name])
    for parts in CHATS:
        chat = chat_of(*parts)
        assert rendered(ours, chat) == rendered(theirs, chat), parts


def test_the_templates_are_not_refused_throughout() -> None:
    for name, source in TEMPLATES.items():
        outcomes = {rendered(FolderTemplate(source=source), chat_of(*parts)) for parts in CHATS}
        assert (outcomes == {None}) == (name == "fails"), name


def test_a_models_own_template_renders_as_by_its_processor(random_model: tuple[Path, Any]) -> None:
    folder, processor = random_model
    for parts in CHATS:
        text = rendered(found(folder), chat_of(*parts))
        assert text == rendered(ProcessorTemplate(processor), chat_of(*parts))
        assert text
        assert text.endswith(parts[2])


@pytest.mark.parametrize("name", BUNDLED_MODELS)
def test_a_bundled_models_template_renders_as_by_its_processor(name: str) -> None:
    ours = found(bundled_folder(name))
    theirs = ProcessorTemplate(_AutoProcessor.from_pretrained(bundled_folder(name)))
    assert all(rendered(ours, chat_of(*parts)) == rendered(theirs, chat_of(*parts)) for parts in CHATS)


@pytest.fixture(scope="module")
def pair(llava: Path) -> dict[str, tuple[FolderTemplate, ProcessorTemplate]]:
    processor = _AutoProcessor.from_pretrained(llava)
    return {
        name: (FolderTemplate(source=source), ProcessorTemplate(processor, source))
        for name, source in TEMPLATES.items()
    }


@given(
    name=st.sampled_from(["default system turn", "trims", "drops thoughts", "lines and indents"]),
    system=st.text(max_size=8),
    user=st.text(alphabet=st.characters() | st.sampled_from(" \n<>{}%"), max_size=12),
    prefill=st.text(max_size=4) | st.sampled_from(["<think>", "CONTINUE_FINAL_MESSAGE_TAG ", " a\n"]),
)
@settings(max_examples=150, deadline=None)
def test_any_text_renders_as_by_the_processor(
    pair: dict[str, tuple[FolderTemplate, ProcessorTemplate]], name: str, system: str, user: str, prefill: str
) -> None:
    ours, theirs = pair[name]
    chat = chat_of(system, user, prefill, 1)
    assert rendered(ours, chat) == rendered(theirs, chat)


def test_rendering_leaves_the_chat_as_it_was() -> None:
    chat = chat_of("s", "u", "p", 1)
    before = copy.deepcopy(chat)
    rendered(FolderTemplate(source=TEMPLATES["default system turn"]), chat)
    assert chat == before


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__ }}",
        "{{ messages[0].__class__.__base__.__subclasses__() }}",
        "{{ messages | attr('__class__') }}",
        "{{ raise_exception.__globals__ }}",
        "{{ strftime_now.__globals__['os'] }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ dict.__class__ }}",
        "{{ dict.update(messages[0], role='x') }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ self.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(messages) }}",
        "{% set call = '{0.__class__}'.format %}{{ call(messages) }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update(role='x') }}",
        "{% set ns = namespace() %}{% set ns.__html__ = '{0.__class__}'.format %}{{ ns | escape }}",
        "{{ namespace(__html__=1) }}",
        "{{ namespace({'_x': 1}) }}",
    ],
)
def test_a_hostile_template_stays_in_its_sandbox(source: str) -> None:
    chat = chat_of("", "u", "", 1)
    try:
        text = FolderTemplate(source=source).apply_chat_template(chat, add_generation_prompt=True)
    except (SecurityError, UndefinedError):
        text = ""
    assert text == ""  # so does jinja2 print what may not be seen, unless it is used
    assert chat == chat_of("", "u", "", 1)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("{% for i in range(10 ** 12) %}x{% endfor %}", OverflowError),
        ("{% include '/etc/passwd' %}", TypeError),
        ("{% import 'os' as os %}", TypeError),
    ],
)
def test_a_template_gets_neither_endless_loops_nor_files(source: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        FolderTemplate(source=source).apply_chat_template(chat_of("", "u", "", 1), add_generation_prompt=True)


def test_a_template_that_is_none() -> None:
    with pytest.raises(TemplateSyntaxError):
        FolderTemplate(source="{% for %}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"type": "image"}], "no text to continue"),
        ([{"type": "text", "text": "it"}, {"type": "image"}], None),
    ],
)
def test_the_last_text_of_the_last_turn_is_continued(
    content: list[dict[str, str]], words: str | None, llava: Path
) -> None:
    ours, theirs = found(llava), ProcessorTemplate(_AutoProcessor.from_pretrained(llava))
    chat = [*chat_of("", "u", "", 1), {"role": "assistant", "content": content}]
    if words is None:
        assert rendered(ours, chat) == rendered(theirs, chat)
        assert str(rendered(ours, chat)).endswith("assistant\nit")
    else:
        with pytest.raises(ValueError, match=words):
            ours.apply_chat_template(chat, continue_final_message=True)
        assert rendered(theirs, chat) is None


def change_json(path: Path, **changes: Any) -> None:
    old = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**old, **changes}))


MARKED = {place: f"{place}: " + TEMPLATES["default system turn"] for place in ("a", "b", "c")}


def in_processor_config(folder: Path) -> None:
    change_json(folder / "processor_config.json", chat_template=MARKED["a"])
    change_json(folder / "chat_template.json", chat_template=MARKED["b"])


def in_legacy_json(folder: Path) -> None:
    change_json(folder / "chat_template.json", chat_template=MARKED["a"])


def in_jinja(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(MARKED["a"])
    change_json(folder / "tokenizer_config.json", chat_template=MARKED["b"])


def beside_named_files(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(MARKED["a"])
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "rag.jinja").write_text(MARKED["b"])


def in_tokenizer_config(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    change_json(folder / "tokenizer_config.json", chat_template=MARKED["a"])


def named_in_tokenizer_config(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    named = [{"name": "rag", "template": MARKED["b"]}, {"name": "default", "template": MARKED["a"]}]
    change_json(folder / "tokenizer_config.json", chat_template=named)


@pytest.mark.parametrize(
    "write",
    [
        in_processor_config,
        in_legacy_json,
        in_jinja,
        pytest.param(
            beside_named_files,  # the library leaves them open
            marks=pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
        ),
        in_tokenizer_config,
        named_in_tokenizer_config,
    ],
)
def test_the_template_is_found_where_the_library_finds_it(
    write: Callable[[Path], None], folder: Path
) -> None:
    write(folder)
    processor = _AutoProcessor.from_pretrained(folder)
    own = None if processor.chat_template else processor.tokenizer.chat_template
    theirs = ProcessorTemplate(processor, own)
    assert found(folder).source == theirs.source == MARKED["a"]
    for parts in CHATS:
        assert rendered(found(folder), chat_of(*parts)) == rendered(theirs, chat_of(*parts))


def test_special_tokens_of_every_spelling_are_known_by_name(folder: Path) -> None:
    change_json(
        folder / "tokenizer_config.json",
        bos_token={"__type": "AddedToken", "content": "<b>", "lstrip": False},
        unk_token=None,
        add_bos_token=True,
        boi_token="<img>",
        extra_special_tokens={"eoi_token": "</img>"},
    )
    change_json(folder / "special_tokens_map.json", sep_token={"content": "<s>"}, cls_token="<c>")
    (folder / "chat_template.jinja").write_text(
        "{{ [bos_token, unk_token, boi_token, eoi_token, sep_token, cls_token, eos_token] | join(',') }}"
        "{{ add_bos_token }}{% for m in messages %}" + PARTS + "{% endfor %}"
    )
    chat = chat_of("", "u", "", 1)
    text = rendered(found(folder), chat)
    assert text == "<b>,,<img>,</img>,<s>,<c>,<|im_end|><image>u"
    assert text == rendered(ProcessorTemplate(_AutoProcessor.from_pretrained(folder)), chat)


def without_any(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def named_without_default(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    change_json(folder / "tokenizer_config.json", chat_template=[{"name": "rag", "template": "r"}])


def with_unknown_tags(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{% trans %}{% endtrans %}")


def with_broken_files(folder: Path) -> None:
    (folder / "chat_template.jinja").write_bytes(b"\xff\xfe")
    (folder / "tokenizer_config.json").write_text("[")
    (folder / "processor_config.json").write_text("[]")


def nested_too_deep(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}")


@pytest.mark.parametrize(
    "spoil", [without_any, named_without_default, with_unknown_tags, with_broken_files, nested_too_deep]
)
def test_a_folder_without_a_template_that_can_be_used(spoil: Callable[[Path], None], folder: Path) -> None:
    spoil(folder)
    assert FolderTemplate.find(folder) is None


@pytest.mark.parametrize("templates", [None, {}, [], ["default"], [{}], {"default": 1}, 3])
def test_what_is_no_template(templates: object) -> None:
    assert default_template(templates) is None


def test_a_template_is_rendered_without_torch(llava: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from pytest_vlmrobust.models.templates import FolderTemplate\n"
        f"template = FolderTemplate.find(Path({str(llava)!r}))\n"
        "print(template.apply_chat_template([{'role': 'user', 'content': []}], add_generation_prompt=True))\n"
        "print(sorted({'torch', 'transformers', 'numpy', 'PIL', 'tokenizers'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-3:] == ["<|im_start|>assistant", "", "[]"]
