"""Ready-made robustness tests, which need no file of the user's.

::

    pytest --pyargs pytest_vlmrobust.suite --vlm-model=SPEC
"""
