"""What may be written for a judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.judges import Panel, RuleJudge, check_judge_spec, close_judge, load_judge
from pytest_vlmrobust.judges.known import UNKNOWN, switches_for
from pytest_vlmrobust.judges.llm import LanguageModelJudge

SERVER = "openai:Qwen/Qwen3-32B@http://127.0.0.1:9/v1"


def test_a_single_judge_and_a_panel_are_named_by_specs(tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    folder.mkdir()
    assert isinstance(load_judge("rules"), RuleJudge)
    for spec in (SERVER, str(folder), "organization/model", "organization/model@v2"):
        judge = load_judge(spec)
        assert isinstance(judge, LanguageModelJudge)
        assert judge.name == spec
        close_judge(judge)
    panel = load_judge(f" rules , {SERVER},{folder}")
    assert isinstance(panel, Panel)
    assert [member.name for member in panel.members] == ["rules", SERVER, str(folder)]
    assert panel.name == f"rules,{SERVER},{folder}"
    close_judge(panel)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "judge spec is empty, or a part of it is. A judge is named as rules, as a folder or hub id"),
        ("rules,", "judge spec is empty, or a part of it is"),
        (
            "ruels",
            "unknown judge 'ruels': did you mean 'rules'? Known: rules. A judge is named as rules, as a",
        ),
        ("qwen", "unknown judge 'qwen': Known: rules. A judge is named"),
        ("./qwen", "judge './qwen': no such folder. A judge is named as rules, as a folder or hub id"),
        ("{tmp}/qwen", "no such folder. A judge"),
        ("{tmp}/config.json", "is a file: name the folder that holds config.json and the weights"),
        ("rules, rules", "judge 'rules' is named twice: on a panel its vote would count double"),
        ("openai:m", "name model and address, as openai:MODEL@http://localhost:8000/v1"),
        ("openai:m@ftp://host/v1", "the address begins with ftp://; allowed are http:// and https://"),
        ("rules,openai:m@http://me:pw@host/v1", "the address brings a name or a password"),
    ],
)
def test_what_names_no_judge_is_refused(tmp_path: Path, spec: str, message: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    spec = spec.replace("{tmp}", str(tmp_path))
    for refuse in (check_judge_spec, load_judge):
        with pytest.raises(UsageError) as caught:
            refuse(spec)
        assert message in str(caught.value)
        assert "me:pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "model_type", "family"),
    [
        ("Qwen/Qwen3-32B", "", "Qwen3, thinking off"),
        ("qwen3-32b-awq", "", "Qwen3, thinking off"),
        ("Qwen/Qwen3-32B@main", "", "Qwen3, thinking off"),
        ("/models/Qwen3-32B/", "", "Qwen3, thinking off"),
        ("/models/checkpoint-250", "qwen3", "Qwen3, thinking off"),
        ("/models/Qwen3-32B", "llama", ""),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507", "", ""),
        ("Qwen/Qwen2.5-7B-Instruct", "", ""),
        ("openai/gpt-oss-120b", "", "GPT-OSS, low effort"),
        ("judge", "gpt_oss", "GPT-OSS, low effort"),
        ("meta-llama/Llama-3.1-70B-Instruct", "", "Llama 3.1 Instruct"),
        ("meta-llama/Meta-Llama-3.1-70B-Instruct", "llama", "Llama 3.1 Instruct"),
        ("meta-llama/Llama-3.1-70B", "", ""),
        ("gpt-4o", "", ""),
    ],
)
def test_known_judges_have_their_switches(name: str, model_type: str, family: str) -> None:
    switches = switches_for(name, model_type)
    assert switches.family == family
    assert (switches is UNKNOWN) == (family == "")
    assert switches.template == {
        "Qwen3, thinking off": {"enable_thinking": False},
        "GPT-OSS, low effort": {"reasoning_effort": "low"},
    }.get(family, {})
