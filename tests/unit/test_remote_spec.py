from __future__ import annotations

import json
import pickle

import pytest

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.judges.specs import check_judge_spec
from pytest_vlmrobust.remote.spec import (
    JUDGE_KEY_VARIABLES,
    Key,
    ServerSpec,
    check_server_spec,
    is_server_spec,
    same_model,
    without_credentials,
)

SECRET = "sk-0123456789abcdef"


@pytest.mark.parametrize(
    ("spec", "model", "url"),
    [
        ("openai:m@http://localhost:8000/v1", "m", "http://localhost:8000/v1"),
        ("openai:org/m@https://api.example.com/v1/", "org/m", "https://api.example.com/v1"),
        ("openai:@cf/org/m@https://host/v1", "@cf/org/m", "https://host/v1"),
        ("openai:m:20b@http://[::1]:11434/v1", "m:20b", "http://[::1]:11434/v1"),
        ("openai:m@HTTP://host", "m", "HTTP://host"),
        ("OpenAI:m@http://host/v1", "m", "http://host/v1"),
    ],
)
def test_a_spec_names_model_and_address(spec: str, model: str, url: str) -> None:
    parsed = ServerSpec.parse(spec)
    assert (parsed.model, parsed.base_url) == (model, url)
    assert ServerSpec.parse(str(parsed)) == parsed
    check_server_spec(spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("openai:", "name model and address, as openai:MODEL@http://localhost:8000/v1"),
        ("openai:m", "name model and address"),
        ("openai:m@localhost:8000/v1", "name model and address"),
        ("m@http://host/v1", "name model and address"),
        ("openai:@http://host/v1", "no model is named before the @"),
        ("openai:m@http://", "the address is no URL"),
        ("openai:m@http://host:port/v1", "the address is no URL"),
        ("openai:m@http://a b/v1", "the address is no URL"),
        ("openai:m@ftp://host/v1", "begins with ftp://; allowed are http:// and https://"),
        (
            "openai:m@http://me:hunter22@host/v1",
            "put the key into the environment variable VLMROBUST_API_KEY",
        ),
        ("openai:m@http://me@host/v1", "the address brings a name or a password"),
        ("OPENAI:m@http://me:hunter22@host/v1", "the address brings a name or a password"),
        ("openai:m@http://me:hunter22/x@host/v1", "'openai:m@http://***@host/v1': the address is no URL"),
        ("openai:m@http://host/v1?api_key=hunter22", "'openai:m@http://host/v1?***': the address goes on"),
        ("openai:m@http://host/v1#hunter22", "'openai:m@http://host/v1#***': the address goes on"),
        ("openai:m@http://host/v1?key=1", "goes on after its path with ? or #"),
        ("openai:m@http://host/v1#x", "goes on after its path with ? or #"),
    ],
)
def test_a_spec_that_names_no_server_is_refused(spec: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_server_spec(spec)
    assert words in str(caught.value)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "--vlm-model=openai:m@http://h/v1?key=x --vlm-seed=0",
            "--vlm-model=openai:m@http://h/v1?*** --vlm-seed=0",
        ),
        ("openai:a@http://x,openai:b@http://y/v1", "openai:a@http://x,openai:b@http://y/v1"),
        ("openai:a@http://x/v1,openai:b@http://y/v1", "openai:a@http://x/v1,openai:b@http://y/v1"),
        ("openai:m@http://me:p,w@host/v1", "openai:m@http://***@host/v1"),
        ("rules,openai:m@http://me:p@w@host?x=1#y", "rules,openai:m@http://***@host?***"),
        ("is it http://host/v1? it is not", "is it http://host/v1? it is not"),
    ],
)
def test_what_may_be_secret_in_an_address_is_not_shown(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


def test_a_library_that_is_missing_is_told_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "openai" else name)
    with pytest.raises(
        UsageError, match=r"openai is needed and not installed: pip install 'pytest-vlmrobust"
    ):
        check_server_spec("openai:m@http://host/v1")


def test_other_specs_name_no_server() -> None:
    assert not any(map(is_server_spec, ("openai", "bundled:grounded", "openai/clip", "")))


def test_a_broken_key_is_told_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMROBUST_API_KEY", "sk-0123\n456789")
    with pytest.raises(UsageError, match="holds a line break"):
        check_server_spec("openai:m@http://host/v1")


def test_the_first_variable_that_is_set_gives_the_key() -> None:
    ours, theirs = {"VLMROBUST_API_KEY": "ours-0123"}, {"OPENAI_API_KEY": "theirs-0123"}
    assert Key.from_environment({**theirs, **ours}).reveal() == "ours-0123"
    assert Key.from_environment(theirs).reveal() == "theirs-0123"
    assert Key.from_environment({"VLMROBUST_API_KEY": "", **theirs}).reveal() == "theirs-0123"
    assert Key.from_environment({}).reveal() == "EMPTY"


def test_a_judge_may_have_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"VLMROBUST_API_KEY": "ours-0123", "VLMROBUST_JUDGE_API_KEY": "judges-0123"}
    assert Key.from_environment(both).reveal() == "ours-0123"
    assert Key.from_environment(both, variables=JUDGE_KEY_VARIABLES).reveal() == "judges-0123"
    assert Key.from_environment({"OPENAI_API_KEY": "x"}, variables=JUDGE_KEY_VARIABLES).reveal() == "x"
    monkeypatch.setenv("VLMROBUST_JUDGE_API_KEY", "judges\n0123")
    check_server_spec("openai:m@http://host/v1")
    with pytest.raises(UsageError, match="the key in VLMROBUST_JUDGE_API_KEY holds a line break"):
        check_judge_spec("openai:m@http://host/v1")


def test_a_key_that_is_quoted_is_blotted_out_too() -> None:
    key = Key('it\'s "0123456789"')
    for quoted in (repr(key.reveal()), json.dumps(key.reveal()), repr(key.reveal().encode())):
        assert "0123456789" not in key.scrub(quoted)


def test_a_key_shows_itself_to_nobody() -> None:
    key = Key(SECRET)
    assert SECRET not in f"{key!r} {key} {vars(type(key))}"
    assert key.scrub(f"Bearer {SECRET}, again {SECRET}") == "Bearer ***, again ***"
    with pytest.raises(TypeError, match="not to be pickled"):
        pickle.dumps(key)


def test_a_placeholder_for_a_key_blots_nothing_out() -> None:
    assert Key("EMPTY").scrub("an EMPTY box") == "an EMPTY box"
    assert Key().scrub("anything") == "anything"


def test_names_of_one_model() -> None:
    assert same_model("m", "")
    assert same_model("org/m", "org/m")
    assert not same_model("gpt-x-mini", "gpt-x")
    assert not same_model("gpt-x", "gpt-x-mini")
    assert not same_model("gpt-4", "gpt-4-32k")
    for said in ("gpt-4-0613", "gpt-4-2024-04-09", "gpt-4@20240409", "gpt-4:latest", "org/gpt-4"):
        assert same_model("gpt-4", said)
    assert not same_model("m", "other/mm")
