"""A condition of one's own; registered in conftest.py, it works by name wherever a built-in one does."""

from pytest_vlmrobust import Case, Prompt, condition


@condition("repeated-caption", plants="wrong")
def repeated_caption(case: Case) -> Prompt:
    """A caption that asserts a wrong option, and then asserts it again."""
    return case.prompt(caption=f"{case.claim} {case.claim}")
